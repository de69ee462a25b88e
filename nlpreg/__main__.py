"""`nlpreg` on the command line, also as `python -m nlpreg`."""

import sys

from nlpreg.commands import main

__all__ = ["run"]


def run() -> None:
    """Run the command that the command line names, and end the process with its exit status."""
    sys.exit(main(prog="nlpreg"))


if __name__ == "__main__":
    run()
