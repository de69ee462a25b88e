"""`nlpreg` on the command line, also as `python -m nlpreg`."""

import os
import sys

from nlpreg.commands import main
from nlpreg.common.runtime.process import end_process, is_under_torchrun

__all__ = ["run"]


def run() -> None:
    """Run the command that the command line names, and end the process with its exit status."""
    # Read by the OpenMP runtime when torch loads it. Its threads otherwise spin while they wait for work, which makes
    # two threads beside another busy process many times slower than one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    status = main(prog="nlpreg")
    if is_under_torchrun():
        end_process(status)
    sys.exit(status)


if __name__ == "__main__":
    run()
