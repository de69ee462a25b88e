"""Finds the processes that a process started."""

import subprocess
from pathlib import Path


def youngest_child(process: subprocess.Popen[str]) -> int:
    """The process id of the process that another one started last, from whichever of its threads."""
    threads = Path(f"/proc/{process.pid}/task").iterdir()
    return max(int(pid) for thread in threads for pid in (thread / "children").read_text().split())
