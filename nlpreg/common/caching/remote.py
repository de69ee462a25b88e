"""Which scheme of URL is fetched by what."""

from __future__ import annotations

import shutil
from typing import Any, Protocol
from urllib.parse import urlparse

from nlpreg.common.caching.http import CHUNK_BYTES, HttpSource
from nlpreg.common.optional import optional

__all__ = ["REMOTE_SCHEMES", "RemoteSource", "scheme_of", "source_for"]

REMOTE_SCHEMES = ("http", "https", "s3", "gs", "hf")


class RemoteSource(Protocol):
    """Something that files can be fetched from."""

    def version(self, url: str) -> str | None:
        """A text that changes when the content changes; None where there is none to be had."""

    def download(self, url: str, path: str, version: str | None) -> None:
        """Write the content of `url` to `path`, which may hold the beginning of this version."""


class FsspecSource:
    """Where `s3://`, `gs://` and `hf://` URLs come from: the fsspec package and what it needs for each."""

    def version(self, url: str) -> str | None:
        """The storage's mark of the present content.

        Raises:
            FileNotFoundError: there is no such file.
            ConnectionError: the storage cannot be reached.
        """
        filesystem, path = self._locate(url)
        try:
            info = filesystem.info(path)
        except (FileNotFoundError, PermissionError):
            raise
        except Exception as error:  # each storage has errors of its own
            raise ConnectionError(f"{url}: its storage cannot be reached ({error})") from error
        for key in ("ETag", "etag", "md5Hash", "blob_id", "oid"):
            if info.get(key):
                return str(info[key])
        return str(filesystem.ukey(path))

    def download(self, url: str, path: str, version: str | None) -> None:
        """Write the content to `path`, going on where an earlier call for the same version has stopped.

        Raises:
            FileNotFoundError: there is no such file.
        """
        filesystem, remote_path = self._locate(url)
        with (
            open(path, "wb" if version is None else "ab") as file,
            filesystem.open(remote_path, "rb") as remote,
        ):
            if file.tell() > filesystem.info(remote_path)["size"]:  # not the beginning of this version
                file.seek(0)
                file.truncate()
            remote.seek(file.tell())
            shutil.copyfileobj(remote, file, CHUNK_BYTES)

    def _locate(self, url: str) -> tuple[Any, str]:
        core = optional("fsspec.core", extra="remote")
        filesystem, path = core.url_to_fs(url)
        return filesystem, path


def scheme_of(text: str) -> str:
    """The scheme of a URL, in lower case; empty for a path."""
    # a Windows drive letter would look like a scheme
    return urlparse(text).scheme.lower() if "://" in text else ""


def source_for(scheme: str) -> RemoteSource:
    """Where URLs of one of `REMOTE_SCHEMES` come from."""
    return HttpSource() if scheme in ("http", "https") else FsspecSource()
