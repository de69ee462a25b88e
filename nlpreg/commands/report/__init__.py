"""`nlpreg report`: one self-contained HTML page about a run, or about several beside each other."""

from nlpreg.commands.report.report import Report, report_from_args

__all__ = ["Report", "report_from_args"]
