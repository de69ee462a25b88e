"""`cached_path`: local paths for remote files and for archives, downloaded and unpacked once."""

import fnmatch
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import urldefrag

from nlpreg.common.caching.archives import extract_archive as unpack
from nlpreg.common.caching.archives import is_archive
from nlpreg.common.caching.remote import REMOTE_SCHEMES, RemoteSource, scheme_of, source_for
from nlpreg.common.config.untrusted import check_resource
from nlpreg.common.files import FileLock, atomic_write
from nlpreg.common.runtime.memory import format_size
from nlpreg.common.util import format_timedelta

logger = logging.getLogger(__name__)

CACHE_ROOT = Path(os.environ.get("NLPREG_CACHE_ROOT") or os.path.join(os.path.expanduser("~"), ".nlpreg"))
CACHE_DIRECTORY = str(CACHE_ROOT / "cache")

_CHECKSUM_PREFIX = "sha256="


@dataclass
class CacheEntry:
    """The metadata of a cached file or folder, from the `.json` file next to it.

    Args:
        resource: the URL or path of the original.
        cached_path: path of the cached copy.
        creation_time: seconds since 1970.
        size: bytes.
        etag: the version of the resource; None for local archives and where the server sends none.
        sha256: checksum of a download, in hexadecimal; None for unpacked archives.
        extraction_dir: whether it is an unpacked archive.
    """

    resource: str
    cached_path: str
    creation_time: float
    size: int
    etag: str | None = None
    sha256: str | None = None
    extraction_dir: bool = False

    @classmethod
    def from_path(cls, path: str | os.PathLike[str]) -> "CacheEntry":
        """Read a `.json` file of the cache."""
        with open(path, encoding="utf-8") as file:
            return cls(**json.load(file))

    def save(self) -> None:
        """Write the `.json` file."""
        with atomic_write(self.cached_path + ".json") as file:
            file.write(json.dumps(asdict(self)).encode("utf-8"))


def cached_path(
    url_or_filename: str | os.PathLike[str],
    cache_dir: str | os.PathLike[str] | None = None,
    extract_archive: bool = False,
    force_extract: bool = False,
) -> str:
    """Return a local path for a path or URL; remote files are downloaded once and kept.

    A URL may end in `#sha256=<checksum>`; a download with a different checksum is then rejected.

    Args:
        url_or_filename: a local path (`~` is the home folder); a URL of scheme http, https, s3, gs or hf; with
            `extract_archive` also `archive!member`, for a file or folder inside either.
        cache_dir: folder for downloads and unpacked archives, created if missing; defaults to `CACHE_DIRECTORY`.
        extract_archive: whether to unpack a zip or tar archive and return the path of the resulting folder (or member). Other
            files are returned unchanged.
        force_extract: whether to unpack again what is already unpacked.

    Raises:
        FileNotFoundError: no such file, resource or member. ValueError: unknown URL scheme; a `member` of a file that is not an
            archive; an archive that is damaged or unsafe to unpack; a wrong checksum.
        ConfigurationError: the config of an archive may not access it, see `nlpreg.common.config.untrusted.check_resource`.
        ConnectionError: the server cannot be reached, and the file has not been downloaded before.
    """
    folder = Path(cache_dir or CACHE_DIRECTORY).expanduser()
    text = str(url_or_filename)
    if extract_archive and "!" in text and not _exists(text):
        archive, member = text.rsplit("!", 1)
        return _member_path(archive, member, folder, force_extract)
    check_resource(text)  # the config of an archive may not choose what is fetched or read
    if scheme_of(text) in REMOTE_SCHEMES:
        path = _fetch(text, folder)
        key = os.path.basename(path)
    else:
        path = _existing(text)
        stamp = f"{os.path.abspath(path)}-{os.path.getmtime(path)}"  # a changed archive is unpacked again
        key = _digest(stamp)
    if extract_archive and is_archive(path):
        return _extract(path, text, folder, key, force_extract)
    return path


def is_url_or_existing_file(url_or_filename: str | os.PathLike[str] | None) -> bool:
    """Whether this is a URL that `cached_path` can fetch, or a path that exists."""
    if url_or_filename is None:
        return False
    text = str(url_or_filename)
    return scheme_of(text) in REMOTE_SCHEMES or _exists(text)


def filename_to_url(filename: str, cache_dir: str | os.PathLike[str] | None = None) -> tuple[str, str | None]:
    """The URL and ETag that a file in the cache came from.

    Raises:
        FileNotFoundError: the file is not in the cache.
    """
    path = Path(cache_dir or CACHE_DIRECTORY) / filename
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file in the cache")
    entry = CacheEntry.from_path(f"{path}.json")
    return entry.resource, entry.etag


def _exists(text: str) -> bool:
    return os.path.exists(os.path.expanduser(text))


def _existing(text: str) -> str:
    path = os.path.expanduser(text)
    if os.path.exists(path):
        return path
    if scheme_of(text):
        raise ValueError(
            f"{text}: unknown kind of URL; expected a local path, or {', '.join(REMOTE_SCHEMES)}"
        )
    raise FileNotFoundError(f"{text}: no such file or folder (looked for from {os.getcwd()})")


def _member_path(archive: str, member: str, folder: Path, force_extract: bool) -> str:
    unpacked = cached_path(archive, folder, extract_archive=True, force_extract=force_extract)
    if not os.path.isdir(unpacked) or os.path.isdir(os.path.expanduser(archive)):
        raise ValueError(f"{archive}!{member}: expected a zip or tar archive before the '!'")
    path = os.path.join(unpacked, member)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{archive}!{member}: the archive has no such member")
    return path


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _fetch(url: str, folder: Path) -> str:
    """Return the path of the downloaded `url`, after downloading it if it is missing or outdated."""
    address, fragment = urldefrag(url)
    if not fragment.startswith(_CHECKSUM_PREFIX):
        address, fragment = url, ""
    checksum = fragment[len(_CHECKSUM_PREFIX) :].lower() or None
    folder.mkdir(parents=True, exist_ok=True)
    source = source_for(scheme_of(address))
    try:
        version = source.version(address)
    except ConnectionError:
        newest = _newest_version(address, folder)
        if newest is None:
            raise
        logger.warning("%s cannot be reached; using the earlier download", address)
        return newest
    name = _digest(address) + (f".{_digest(version)}" if version else "")
    path = str(folder / name)
    if not _is_complete(path):
        with FileLock(path + ".lock", read_only_ok=True):
            if not _is_complete(path):  # another process may have downloaded it meanwhile
                _download(source, address, version, path, checksum)
    if checksum is not None and CacheEntry.from_path(path + ".json").sha256 != checksum:
        raise ValueError(
            f"{address}: the file in the cache ({path}) does not have the requested sha256 {checksum}; "
            "correct the checksum, or remove the file"
        )
    return path


def _download(source: RemoteSource, url: str, version: str | None, path: str, checksum: str | None) -> None:
    partial = path + ".partial"
    source.download(url, partial, version)
    found = _sha256_of(partial)
    if checksum is not None and found != checksum:
        os.unlink(partial)
        raise ValueError(f"{url}: expected the sha256 {checksum}, got {found}; the download was discarded")
    entry = CacheEntry(url, path, time.time(), os.path.getsize(partial), etag=version, sha256=found)
    os.replace(partial, path)
    entry.save()  # last: a download without its entry counts as incomplete


def _is_complete(path: str) -> bool:
    """Whether a download exists and has the size that was recorded when it was complete."""
    try:
        return CacheEntry.from_path(path + ".json").size == os.path.getsize(path)
    except FileNotFoundError:
        return False


def _sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1024 * 1024):
            digest.update(chunk)
    return digest.hexdigest()


def _newest_version(url: str, folder: Path) -> str | None:
    candidates = [path for path in folder.glob(f"{_digest(url)}*.json") if "-extracted" not in path.name]
    whole = [str(path)[: -len(".json")] for path in candidates if _is_complete(str(path)[: -len(".json")])]
    return max(whole, key=os.path.getmtime, default=None)


def _extract(path: str, resource: str, folder: Path, key: str, force: bool) -> str:
    """Return the folder of the unpacked archive, after unpacking it if necessary."""
    target = str(folder / f"{key}-extracted")
    if not force and _is_filled(target):
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(target + ".lock", read_only_ok=True):
        if not force and _is_filled(target):
            return target
        logger.info("unpacking %s to %s", resource, target)
        temporary = target + ".tmp"
        shutil.rmtree(temporary, ignore_errors=True)  # left behind by a process that was killed
        os.mkdir(temporary)
        try:
            unpack(path, temporary)
            shutil.rmtree(target, ignore_errors=True)
            os.replace(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        CacheEntry(resource, target, time.time(), _size_of_folder(target), extraction_dir=True).save()
    return target


def _is_filled(folder: str) -> bool:
    return os.path.isdir(folder) and bool(os.listdir(folder))


def _size_of_folder(folder: str) -> int:
    return sum(path.lstat().st_size for path in Path(folder).rglob("*") if path.is_file())


def remove_cache_entries(patterns: list[str], cache_dir: str | os.PathLike[str] | None = None) -> int:
    """Remove downloads and unpacked archives whose URL or path matches one of the patterns (`*` and `?` as in a shell).

    Returns:
        The number of bytes freed.
    """
    freed = 0
    for entry in _entries(patterns, cache_dir):
        freed += entry.size
        path = Path(entry.cached_path)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        for suffix in (".json", ".lock", ".partial"):
            Path(entry.cached_path + suffix).unlink(missing_ok=True)
    return freed


def inspect_cache(patterns: list[str] | None = None, cache_dir: str | os.PathLike[str] | None = None) -> None:
    """Print the entries of the cache, newest first, and its total size."""
    entries = _entries(patterns, cache_dir)
    for entry in entries:
        kind = "unpacked" if entry.extraction_dir else "download"
        age = format_timedelta(timedelta(seconds=max(0.0, time.time() - entry.creation_time)))
        print(f"{format_size(entry.size):>7}  {kind}  {age} old  {entry.resource}")
    total = sum(entry.size for entry in entries)
    print(f"{format_size(total):>7}  in {len(entries)} entries of {cache_dir or CACHE_DIRECTORY}")


def _entries(patterns: list[str] | None, cache_dir: str | os.PathLike[str] | None) -> list[CacheEntry]:
    """The matching entries, newest first."""
    found = []
    for path in Path(cache_dir or CACHE_DIRECTORY).glob("*.json"):
        entry = CacheEntry.from_path(path)
        wanted = patterns is None or any(fnmatch.fnmatch(entry.resource, pattern) for pattern in patterns)
        if wanted and os.path.exists(entry.cached_path):
            found.append(entry)
    return sorted(found, key=lambda entry: entry.creation_time, reverse=True)


class LocalCacheResource:
    """A file in the cache that is written once, under a lock, and then only read.

    Args:
        resource_name: name of the resource.
        version: its version; each version is a separate file.
        cache_dir: folder of the cache.
    """

    def __init__(self, resource_name: str, version: str, cache_dir: str = CACHE_DIRECTORY) -> None:
        self.resource_name = resource_name
        self.version = version
        os.makedirs(cache_dir, exist_ok=True)
        self.path = os.path.join(cache_dir, f"{_digest(resource_name)}.{_digest(version)}")
        self._lock = FileLock(self.path + ".lock", read_only_ok=True)

    def cached(self) -> bool:
        """Whether the resource was written."""
        return os.path.exists(self.path)

    @contextmanager
    def writer(self, mode: str = "w") -> Iterator[IO[Any]]:
        """Open the resource for writing; it appears in the cache when the block ends without an error.

        Raises:
            ValueError: it is already in the cache.
        """
        if self.cached():
            raise ValueError(
                f"{self.resource_name} {self.version}: already in the cache, so it cannot be written"
            )
        with atomic_write(self.path, mode) as file:
            yield file
        size = os.path.getsize(self.path)
        CacheEntry(self.resource_name, self.path, os.path.getmtime(self.path), size, etag=self.version).save()

    @contextmanager
    def reader(self, mode: str = "r") -> Iterator[IO[Any]]:
        """Open the resource for reading.

        Raises:
            ValueError: it is not in the cache.
        """
        if not self.cached():
            raise ValueError(f"{self.resource_name} {self.version}: not in the cache, so it cannot be read")
        with open(self.path, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file

    def __enter__(self) -> "LocalCacheResource":
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
