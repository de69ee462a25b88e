"""Text files, compressed or not, read and written alike."""

import bz2
import gzip
import io
import json
import lzma
import os
import re
from collections.abc import Callable, Iterator
from typing import IO, Any

from nlpreg.common.caching.cache import cached_path
from nlpreg.common.imports import optional


def open_compressed(
    filename: str | os.PathLike[str], mode: str = "rt", encoding: str | None = "UTF-8", **kwargs: Any
) -> IO[Any]:
    """Open a local or remote file; `.gz`, `.bz2`, `.xz` and `.zst` are unpacked on the way.

    Args:
        filename: a path or a URL.
        mode: as in `open`, text or binary. Remote files can only be read.
        encoding: of text; has no meaning for binary modes.
        **kwargs: further arguments of `open`, such as `errors` or `newline`.
    """
    local = cached_path(filename) if "r" in mode else str(filename)
    return open_by_suffix(local, get_file_extension(str(filename)), mode, encoding, **kwargs)


def open_by_suffix(
    path: str, suffix: str, mode: str = "rt", encoding: str | None = "UTF-8", **kwargs: Any
) -> IO[Any]:
    """Open a local file that is compressed as `suffix` says: downloads have lost their own suffix.

    Args:
        path: an existing file, or one to write.
        suffix: `.gz`, `.bz2`, `.xz` or `.zst`; anything else means not compressed.
        mode: as in `open`.
        encoding: of text.
        **kwargs: further arguments of `open`.
    """
    if "b" in mode:
        encoding = None
    else:
        mode = mode if "t" in mode else mode + "t"
        if "r" in mode and (encoding or "").lower() in ("utf-8", "utf8"):
            encoding = "utf-8-sig"  # a byte-order mark is no part of the text
    openers: dict[str, Callable[..., IO[Any]]] = {
        ".gz": gzip.open,
        ".bz2": bz2.open,
        ".xz": lzma.open,
        ".zst": _open_zstandard,
    }
    opened: IO[Any] = openers.get(suffix, open)(path, mode=mode, encoding=encoding, **kwargs)
    return opened


def _open_zstandard(path: str, mode: str, encoding: str | None, **kwargs: Any) -> IO[Any]:
    zstandard = optional("zstandard", extra="zstd")
    raw = open(path, mode.replace("t", "").replace("b", "") + "b")  # noqa: SIM115 (closed with the stream)
    stream: Any
    if "r" in mode:
        # a file may be made of several frames, as parallel compressors write it
        unpacker = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True, closefd=True)
        stream = io.BufferedReader(unpacker)
    else:
        stream = zstandard.ZstdCompressor().stream_writer(raw, closefd=True)
    return stream if "b" in mode else io.TextIOWrapper(stream, encoding=encoding, **kwargs)


def get_file_extension(path: str, dot: bool = True, lower: bool = True) -> str:
    """The last extension of a path or URL.

    Args:
        path: the path.
        dot: whether the dot is part of the answer.
        lower: whether the answer is in lower case.
    """
    if "://" in path:  # a member of an archive, or what stands before `?...` and `#sha256=...`
        path = path.rpartition("!")[2] if "!" in path else re.split("[?#]", path)[0]
    extension = os.path.splitext(path)[1]
    extension = extension if dot else extension[1:]
    return extension.lower() if lower else extension


def text_lines_from_file(filename: str | os.PathLike[str], strip_lines: bool = True) -> Iterator[str]:
    """The lines of a text file, one at a time; bytes that are not UTF-8 become replacement characters.

    Args:
        filename: a path or a URL, compressed or not.
        strip_lines: whether lines lose the white space around them, the line end included.
    """
    with open_compressed(filename, "rt", encoding="UTF-8", errors="replace") as file:
        for line in file:
            yield line.strip() if strip_lines else line


def json_lines_from_file(filename: str | os.PathLike[str]) -> Iterator[list[Any] | dict[str, Any]]:
    """The values of a file with one JSON value a line, one at a time.

    Raises:
        ValueError: a line is not JSON; the message names file and line.
    """
    for number, line in enumerate(text_lines_from_file(filename), start=1):
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{filename}, line {number}: expected JSON, got {line[:80]!r} ({error.msg})"
            ) from error


def read_set_from_file(filename: str | os.PathLike[str]) -> set[str]:
    """The distinct lines of a text file, without the white space at their ends."""
    with open(filename, encoding="utf-8-sig") as file:
        return {line.rstrip() for line in file}
