"""`nlpreg report`: one self-contained HTML page about a run, or one that compares several."""

from nlpreg.commands.report.report import Report, report_from_args

__all__ = ["Report", "report_from_args"]
