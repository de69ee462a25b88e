"""`nlpreg check`: validation of a config before it is run."""

from nlpreg.commands.check.command import Check

__all__ = ["Check"]
