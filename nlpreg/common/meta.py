"""What a run was made with: the record `meta.json` beside its weights."""

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
    """The version that wrote a folder or an archive, and, where it was recorded, how the run came about.

    Args:
        version: version of nlpreg.
        python_version: as in `3.11.4`.
        torch_version: version of torch.
        numpy_version: version of numpy.
        git_commit: commit of the repository that the run was started in.
        git_dirty: whether tracked files there differed from that commit.
        seeds: the random seeds of the run, by the name of their config key.
        command: the command line, one word an item.
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
        """A record with this package's version and nothing else."""
        return cls(version=VERSION)

    @classmethod
    def from_path(cls, path: str | os.PathLike[str]) -> "Meta":
        """Read a record; keys that this version does not know are left out.

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
        """Write the record as JSON; what was not recorded is left out."""
        recorded = {key: value for key, value in asdict(self).items() if value is not None}
        with atomic_write(path) as file:
            file.write((json.dumps(recorded, indent=2) + "\n").encode("utf-8"))


def record_run(meta: Meta | None = None, seeds: dict[str, int | None] | None = None) -> Meta:
    """A copy of `meta` with everything filled in that can be found out about the running process.

    Args:
        meta: what is known already; a new record unless given.
        seeds: the random seeds of the run, by the name of their config key.
    """
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no") if commit else None
    return replace(
        meta or Meta.new(),
        python_version=platform.python_version(),
        torch_version=_installed_version("torch"),
        numpy_version=_installed_version("numpy"),
        git_commit=commit or None,
        git_dirty=None if changes is None else bool(changes),
        seeds=seeds,
        command=list(sys.argv),
        machine=f"{platform.platform()}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        hostname=platform.node() or None,
        start_time=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _installed_version(package: str) -> str | None:
    """Version of an installed package, found without importing it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    """Output of a git command in the current folder; None where there is no git or no repository."""
    # Without locks: a run that is killed at this moment would leave the repository locked.
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
