"""Sources of remote files: HTTP, S3, Google Storage and the Hugging Face hub."""

import errno
import http.client
import logging
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import IO, Any, Protocol
from urllib.parse import urlparse

from nlpreg.common.imports import optional
from nlpreg.common.tqdm import Tqdm
from nlpreg.version import VERSION

REMOTE_SCHEMES = ("http", "https", "s3", "gs", "hf")


class RemoteSource(Protocol):
    """A source from which files can be downloaded."""

    def version(self, url: str) -> str | None:
        """A string that changes whenever the content changes; None if the source provides none."""

    def download(self, url: str, path: str, version: str | None) -> None:
        """Write the content of `url` to `path`, which may already hold the first bytes of this version."""


class FsspecSource:
    """The source of `s3://`, `gs://` and `hf://` URLs, by means of the fsspec package."""

    def version(self, url: str) -> str | None:
        """The checksum or version that the storage reports for the current content.

        Raises:
            FileNotFoundError: the file does not exist.
            ConnectionError: the storage cannot be reached.
        """
        filesystem, path = self._locate(url)
        try:
            info = filesystem.info(path)
        except (FileNotFoundError, PermissionError):
            raise
        except Exception as error:  # every storage library raises its own errors
            raise ConnectionError(f"{url}: its storage cannot be reached ({error})") from error
        for key in ("ETag", "etag", "md5Hash", "blob_id", "oid"):
            if info.get(key):
                return str(info[key])
        return str(filesystem.ukey(path))

    def download(self, url: str, path: str, version: str | None) -> None:
        """Write the content to `path`, resuming where an earlier call for the same version stopped.

        Raises:
            FileNotFoundError: the file does not exist.
        """
        filesystem, remote_path = self._locate(url)
        with (
            open(path, "wb" if version is None else "ab") as file,
            filesystem.open(remote_path, "rb") as remote,
        ):
            if file.tell() > filesystem.info(remote_path)["size"]:  # it belongs to another version
                _empty(file)
            remote.seek(file.tell())
            shutil.copyfileobj(remote, file, CHUNK_BYTES)

    def _locate(self, url: str) -> tuple[Any, str]:
        core = optional("fsspec.core", extra="remote")
        filesystem, path = core.url_to_fs(url)
        return filesystem, path


def scheme_of(text: str) -> str:
    """The scheme of a URL, in lower case; an empty string for a path."""
    # a Windows drive letter would look like a scheme
    return urlparse(text).scheme.lower() if "://" in text else ""


def source_for(scheme: str) -> RemoteSource:
    """The source for URLs of one of `REMOTE_SCHEMES`."""
    return HttpSource() if scheme in ("http", "https") else FsspecSource()


logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 30.0
TRIES = 6
FIRST_PAUSE_SECONDS = 0.5
CHUNK_BYTES = 1024 * 1024

_HEAD_NOT_ALLOWED = (403, 405, 501)
_DISK_ERRORS = (errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EROFS)
_TEMPORARY_ERRORS = (408, 425, 429, 500, 502, 503, 504)


class HttpSource:
    """The source of `http://` and `https://` URLs.

    Args:
        tries: maximum number of consecutive requests that bring no new byte.
        first_pause: seconds between the first two requests; doubled for each further one.
        timeout: seconds without a byte after which the connection is considered lost.
    """

    def __init__(
        self, tries: int = TRIES, first_pause: float = FIRST_PAUSE_SECONDS, timeout: float = _TIMEOUT_SECONDS
    ) -> None:
        self._tries = tries
        self._first_pause = first_pause
        self._timeout = timeout

    def version(self, url: str) -> str | None:
        """The ETag of the current content; None if the server sends none.

        Raises:
            FileNotFoundError: there is no such resource.
            ConnectionError: the server cannot be reached.
        """
        for pause in self._pauses():
            try:
                with self._open(url, method="HEAD") as response:
                    return response.headers.get("ETag")
            except urllib.error.HTTPError as error:
                if error.code in _HEAD_NOT_ALLOWED:
                    return None  # signed links often allow GET only
                self._give_up_unless_temporary(url, error, pause)
            except (OSError, http.client.HTTPException) as error:
                self._give_up_unless_temporary(url, error, pause)
        raise AssertionError("the last pause is None")

    def download(self, url: str, path: str, version: str | None) -> None:
        """Write the content to `path`, resuming where an earlier download of the same version stopped.

        Args:
            url: what to fetch.
            path: the file to write; its content, if any, must be the first bytes of this version.
            version: the ETag that the content must have; without one, each call starts from the first byte.

        Raises:
            FileNotFoundError, ConnectionError: as for `version`.
        """
        if version is None and os.path.exists(path):
            os.unlink(path)
        pauses = self._pauses()
        with open(path, "ab") as file:
            furthest = file.tell()
            while True:
                try:
                    self._fetch_rest(url, file, version)
                    return
                except (OSError, http.client.HTTPException) as error:
                    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
                        raise
                    if file.tell() > furthest:
                        furthest = file.tell()
                        pauses = self._pauses()  # progress was made, so the count of attempts starts over
                    self._give_up_unless_temporary(url, error, next(pauses))

    def _fetch_rest(self, url: str, file: IO[bytes], version: str | None) -> None:
        """Request the missing bytes once and append them to `file`."""
        have = file.tell()
        headers = {}
        if have and version is not None and not version.startswith("W/"):
            headers = {"Range": f"bytes={have}-", "If-Range": version}
        try:
            with self._open(url, headers=headers) as response:
                if response.status != 206:
                    have = 0  # the full content, because it changed or the server does not support ranges
                    _empty(file)
                self._copy(url, response, file, have)
        except urllib.error.HTTPError as error:
            if error.code == 416 and _total_of_range(error.headers.get("Content-Range")) == have:
                return  # everything was there already
            if error.code == 416:
                _empty(file)
                raise ConnectionResetError(
                    f"{url}: the partial download is longer than the file; starting over"
                ) from error
            raise

    def _copy(self, url: str, response: HTTPResponse, file: IO[bytes], have: int) -> None:
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        name = url.rsplit("/", 1)[-1]
        with Tqdm.tqdm(
            total=total, initial=have, unit="B", unit_scale=True, desc=f"downloading {name}"
        ) as bar:
            # read1 returns what arrived before the connection broke; read would discard it
            while chunk := response.read1(CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
            file.flush()
        if total is not None and file.tell() != total:
            raise ConnectionResetError(f"{url}: the connection ended after {file.tell()} of {total} bytes")

    @contextmanager
    def _open(
        self, url: str, method: str = "GET", headers: dict[str, str] | None = None
    ) -> Iterator[HTTPResponse]:
        # resuming relies on byte counts of uncompressed content
        standard = {"User-Agent": f"nlpreg/{VERSION}", "Accept-Encoding": "identity"}
        request = urllib.request.Request(url, method=method, headers={**standard, **(headers or {})})
        with urllib.request.urlopen(request, timeout=self._timeout) as response:
            yield response

    def _pauses(self) -> Iterator[float | None]:
        """Seconds to wait after each failure; None after the last."""
        for i in range(self._tries - 1):
            yield self._first_pause * 2**i
        yield None

    def _give_up_unless_temporary(self, url: str, error: Exception, pause: float | None) -> None:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
            if error.code in (404, 410):
                raise FileNotFoundError(
                    f"{url}: the server has no such file (status {error.code})"
                ) from error
            if error.code not in _TEMPORARY_ERRORS:
                raise ConnectionError(f"{url}: the server answered {error.code} {error.reason}") from error
        if pause is None:
            raise ConnectionError(
                f"{url}: gave up after {self._tries} attempts without progress ({error})"
            ) from error
        logger.warning("%s: %s; trying again in %.1f s", url, error, pause)
        time.sleep(pause)


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def _total_of_range(content_range: str | None) -> int | None:
    """The total size in a `Content-Range` header such as `bytes */1234`."""
    size = (content_range or "").rpartition("/")[2]
    return int(size) if size.isdigit() else None
