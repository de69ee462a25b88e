"""`Meta`: the software versions, seeds and command of a run, stored in `meta.json`."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timezone
from importlib import metadata

from nlpreg.common.files import atomic_write
from nlpreg.version import VERSION

META_NAME = "meta.json"


@dataclass
class Meta:
    """Metadata of a run: the version of nlpreg that wrote it and, if recorded, the environment of the run.

    Args:
        version: version of nlpreg.
        python_version: as in `3.11.4`.
        torch_version: version of torch.
        numpy_version: version of numpy.
        git_commit: commit of the repository that the run was started in.
        git_dirty: whether tracked files there differed from that commit.
        seeds: the random seeds of the run, by the name of their config key.
        command: the command line as a list of words.
        machine: operating system, processor and number of cores.
        hostname: name of the machine in its network.
        start_time: when the run started, ISO 8601, UTC.
    """

    version: str
    python_version: str | None = None
    torch_version: str | None = None
    numpy_version: str | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    seeds: dict[str, int | None] | None = None
    command: list[str] | None = None
    machine: str | None = None
    hostname: str | None = None
    start_time: str | None = None

    @classmethod
    def new(cls) -> "Meta":
        """Make a record that contains only the version of this package."""
        return cls(version=VERSION)

    @classmethod
    def from_path(cls, path: str | os.PathLike[str]) -> "Meta":
        """Read a record; unknown keys are ignored.

        Raises:
            ValueError: the file is not a JSON object with a `version`.
        """
        with open(path, encoding="utf-8") as file:
            values = json.load(file)
        if not isinstance(values, dict) or "version" not in values:
            raise ValueError(
                f'{path}: expected a JSON object with the key "version", got {str(values)[:80]!r}'
            )
        # a later version may have recorded more
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})

    def to_file(self, path: str | os.PathLike[str]) -> None:
        """Write the record as JSON; missing values are omitted."""
        recorded = {key: value for key, value in asdict(self).items() if value is not None}
        with atomic_write(path) as file:
            file.write((json.dumps(recorded, indent=2) + "\n").encode("utf-8"))


def record_run(meta: Meta | None = None, seeds: dict[str, int | None] | None = None) -> Meta:
    """A copy of `meta`, completed with the environment of the running process.

    Args:
        meta: the record to complete; a new one by default.
        seeds: the random seeds of the run, by the name of their config key.
    """
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no") if commit else None
    return replace(
        meta or Meta.new(),
        python_version=platform.python_version(),
        torch_version=installed_version("torch"),
        numpy_version=installed_version("numpy"),
        git_commit=commit or None,
        git_dirty=None if changes is None else bool(changes),
        seeds=seeds,
        command=list(sys.argv),
        machine=f"{platform.platform()}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        hostname=platform.node() or None,
        start_time=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def installed_version(package: str) -> str | None:
    """The version of a package, found without importing it; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    """The output of a git command in the current folder; None without git or a repository."""
    # without locks, because a run that is killed at this moment would leave the repository locked
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
