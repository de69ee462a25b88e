"""`nlpreg` on the command line, also as `python -m nlpreg`."""

import atexit
import io
import os
import signal
import sys

from nlpreg.common.runtime import process


def run() -> None:
    """Run the command that the command line names, and end the process with its exit status."""
    # Read by the OpenMP runtime when torch loads it. Its threads otherwise spin while they wait for work, which makes
    # two threads beside another busy process many times slower than one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    atexit.register(process.remove_unused_compiler_cache)
    # what its encoding lacks must not end a command, as on standard error
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    status = _status()
    # The outcome stands; an interruption from here on would only print a traceback of the interpreter's end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if process.is_under_torchrun():
        process.end_process(status)
    sys.exit(status)


def _status() -> int:
    from nlpreg.common.runtime.process import SigTermReceived

    try:
        # SIGTERM means the same during the imports, which take a second, as later.
        process.install_signal_handlers()
        from nlpreg.commands.command_line import exit_status

        return exit_status(prog="nlpreg")
    except (KeyboardInterrupt, SigTermReceived) as error:  # outside of the command itself
        from nlpreg.commands.failures import report_interruption

        return report_interruption(error)


if __name__ == "__main__":
    run()
