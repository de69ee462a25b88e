"""Reading and writing of text files, compressed or not."""

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
    """Open a local or remote file; `.gz`, `.bz2`, `.xz` and `.zst` are decompressed transparently.

    Args:
        filename: a path or a URL.
        mode: as in `open`, text or binary. Remote files can only be read.
        encoding: of text; ignored in binary modes.
        **kwargs: further arguments of `open`, such as `errors` or `newline`.
    """
    local = cached_path(filename) if "r" in mode else str(filename)
    return open_by_suffix(local, get_file_extension(str(filename)), mode, encoding, **kwargs)


def open_by_suffix(
    path: str, suffix: str, mode: str = "rt", encoding: str | None = "UTF-8", **kwargs: Any
) -> IO[Any]:
    """Open a local file whose compression is given by `suffix`, since a download has lost its own suffix.

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
            encoding = "utf-8-sig"  # a byte-order mark is not part of the text
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
        # parallel compressors write files of several frames
        unpacker = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True, closefd=True)
        stream = io.BufferedReader(unpacker)
    else:
        stream = zstandard.ZstdCompressor().stream_writer(raw, closefd=True)
    return stream if "b" in mode else io.TextIOWrapper(stream, encoding=encoding, **kwargs)


def get_file_extension(path: str, dot: bool = True, lower: bool = True) -> str:
    """The last extension of a path or URL.

    Args:
        path: the path.
        dot: whether the result includes the dot.
        lower: whether the result is lowercased.
    """
    if "://" in path:  # the member of an archive, or the part before `?...` and `#sha256=...`
        path = path.rpartition("!")[2] if "!" in path else re.split("[?#]", path)[0]
    extension = os.path.splitext(path)[1]
    extension = extension if dot else extension[1:]
    return extension.lower() if lower else extension


def text_lines_from_file(filename: str | os.PathLike[str], strip_lines: bool = True) -> Iterator[str]:
    """Iterate over the lines of a text file; bytes that are not UTF-8 become replacement characters.

    Args:
        filename: a path or a URL, compressed or not.
        strip_lines: whether to strip whitespace, including the line end, from both ends of each line.
    """
    with open_compressed(filename, "rt", encoding="UTF-8", errors="replace") as file:
        for line in file:
            yield line.strip() if strip_lines else line


def json_lines_from_file(filename: str | os.PathLike[str]) -> Iterator[list[Any] | dict[str, Any]]:
    """Iterate over the values of a JSON Lines file.

    Raises:
        ValueError: a line is not JSON; the message names the file and the line.
    """
    for number, line in enumerate(text_lines_from_file(filename), start=1):
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{filename}, line {number}: expected JSON, got {line[:80]!r} ({error.msg})"
            ) from error


def read_set_from_file(filename: str | os.PathLike[str]) -> set[str]:
    """The distinct lines of a text file, stripped of trailing whitespace."""
    with open(filename, encoding="utf-8-sig") as file:
        return {line.rstrip() for line in file}
