"""Text files of pretrained word vectors: plain, compressed, or inside an archive."""

import bz2
import gzip
import io
import logging
import lzma
import os
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.file_utils import cached_path, get_file_extension
from nlpreg.common.files import clear_compression_errors, how_to_convert

logger = logging.getLogger(__name__)

_ARCHIVE_MEMBER = re.compile(r"\((?P<archive>.+)\)#(?P<member>.+)", re.DOTALL)
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_PLAIN = {".txt", ".vec"}
_NOT_DECODED = re.compile("[\udc80-\udcff]")


class EmbeddingsFileURI(NamedTuple):
    """A file of word vectors and, if it is in an archive, its path in the archive."""

    main_file_uri: str
    path_inside_archive: str | None = None


def format_embeddings_file_uri(main_file_path_or_url: str, path_inside_archive: str | None = None) -> str:
    """Format `(ARCHIVE)#MEMBER`, or the path alone if there is no member."""
    if path_inside_archive:
        return f"({main_file_path_or_url})#{path_inside_archive}"
    return main_file_path_or_url


def parse_embeddings_file_uri(uri: str) -> EmbeddingsFileURI:
    """Parse `(ARCHIVE)#MEMBER`; anything else is a path or URL."""
    match = _ARCHIVE_MEMBER.fullmatch(uri)
    if match:
        return EmbeddingsFileURI(match["archive"], match["member"])
    return EmbeddingsFileURI(uri, None)


class _UnknownLength(AttributeError, TypeError):
    """Has both types because tqdm handles an AttributeError, and `list` a TypeError."""


class EmbeddingsTextFile(Iterator[str]):
    """The lines of a file of word vectors, one `word number number ...` each, without the header.

    A first line of one or two integers is a header as in word2vec's and fastText's files: it is not yielded, and the
    larger integer is the number of words. Zip and tar archives are recognized by their content, `.gz`, `.bz2` and `.xz` by
    their extension; other files are plain text.

    `line_number` is the number, from 1, of the last line read.

    Args:
        file_uri: path or URL, or `(ARCHIVE)#MEMBER` for one file of an archive with several.
        encoding: of the text.
        cache_dir: folder of downloads; None for the default.

    Raises:
        ValueError: an archive has several files and no member is given, or a member is given but the file is not an archive.
        FileNotFoundError: no such file.
        KeyError: no such member.
        ConfigurationError: (when reading) a line is not in this encoding; the message names the line.
    """

    DEFAULT_ENCODING = "utf-8"

    def __init__(
        self, file_uri: str, encoding: str = DEFAULT_ENCODING, cache_dir: str | os.PathLike[str] | None = None
    ) -> None:
        self.uri = file_uri
        # a byte-order mark is not a part of the first word
        self._encoding = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
        self.line_number = 0
        self._archive: zipfile.ZipFile | tarfile.TarFile | None = None
        main_file, member = parse_embeddings_file_uri(file_uri)
        path = cached_path(main_file, cache_dir=cache_dir)
        self._handle = self._open(path, main_file, member)
        self._lines = _lines_of(self._handle, file_uri)
        try:
            first = self._next_line()
        except ConfigurationError:
            self.close()
            raise
        self.num_tokens = _count_in_header(first)
        self._pending: str | None = first if self.num_tokens is None else None
        if self.num_tokens is not None:
            logger.info("%s declares %d words", file_uri, self.num_tokens)

    def _open(self, path: str, main_file: str, member: str | None) -> IO[str]:
        """Open the text, decompressed or inside its archive."""
        if zipfile.is_zipfile(path):
            self._archive = zipfile.ZipFile(path)
            files = [entry.filename for entry in self._archive.infolist() if not entry.is_dir()]
            return self._as_text(self._archive.open(self._choose_member(files, member)))
        if tarfile.is_tarfile(path):
            self._archive = tarfile.open(path)  # noqa: SIM115 - closed by close()
            files = [entry.name for entry in self._archive if entry.isfile()]
            content = self._archive.extractfile(self._choose_member(files, member))
            assert content is not None  # only regular files are candidates
            return self._as_text(content)
        if member is not None:
            raise ValueError(
                f"{self.uri}: expected a zip or tar archive, since the file {member!r} inside it is asked for, but "
                f"{main_file} is neither; give the plain path"
            )
        # A download is stored under a hash, so the extension is that of the original name.
        extension = get_file_extension(main_file)
        if extension in _OPENERS:
            return self._as_text(_OPENERS[extension](path, "rb"))
        if extension not in _PLAIN:
            logger.warning("%s: unknown extension %r, reading it as plain text", self.uri, extension)
        return open(path, encoding=self._encoding, errors="surrogateescape", newline="\n")

    def _as_text(self, content: IO[bytes]) -> IO[str]:
        """Decode a binary stream; only a line feed ends a line, since words may hold other separators."""
        return io.TextIOWrapper(content, encoding=self._encoding, errors="surrogateescape", newline="\n")

    def _choose_member(self, files: list[str], member: str | None) -> str:
        """The member of the archive to read."""
        if member is not None:
            if member not in files:
                self._close_archive()
                raise KeyError(f"{self.uri}: expected one of {files} in the archive, got {member!r}")
            return member
        if len(files) != 1:
            self._close_archive()
            raise ValueError(
                f"{self.uri}: expected an archive of one file, got {len(files)}: {files}; "
                "name one as (ARCHIVE)#MEMBER"
            )
        return files[0]

    def read(self) -> str:
        """The rest of the file as one string."""
        pending, self._pending = self._pending or "", None
        with clear_compression_errors(self.uri):
            return pending + self._handle.read()

    def readline(self) -> str:
        """The next line with its line end, empty at the end of the file."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            return pending
        return self._next_line()

    def _next_line(self) -> str:
        line = next(self._lines, "")
        self.line_number += bool(line)
        # bytes that cannot be decoded were replaced by these characters, which do not occur in text
        if not line.isascii() and (wrong := _NOT_DECODED.search(line)):
            start = line.encode("utf-8", "surrogateescape") if self.line_number == 1 else b""
            raise ConfigurationError(
                f"{self.uri}, line {self.line_number}: expected text in UTF-8, got the byte 0x{ord(wrong[0]) - 0xDC00:02x}; "
                + how_to_convert(start)
            )
        return line

    def close(self) -> None:
        """Close the file and its archive."""
        self._handle.close()
        self._close_archive()

    def _close_archive(self) -> None:
        if self._archive is not None:
            self._archive.close()

    def __enter__(self) -> "EmbeddingsTextFile":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> "EmbeddingsTextFile":
        return self

    def __next__(self) -> str:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def __len__(self) -> int:
        """Number of words, if the header declares it.

        Raises:
            AttributeError: there is no header.
        """
        if self.num_tokens is None:
            raise _UnknownLength(
                f"{self.uri} has no header, so its number of words is unknown before it is read"
            )
        return self.num_tokens


def _lines_of(handle: IO[str], name: str) -> Iterator[str]:
    """The lines of a file; a context manager around all of them, since one for each takes longer than reading it."""
    with clear_compression_errors(name):
        yield from iter(handle.readline, "")


def _count_in_header(line: str) -> int | None:
    """The number of words that a header declares, or None if the line is not a header."""
    fields = line.split()
    if len(fields) not in (1, 2) or not all(field.isascii() and field.isdigit() for field in fields):
        return None
    return max(map(int, fields))
