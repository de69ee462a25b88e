"""Text files of pretrained word vectors: plain, compressed, or inside an archive."""

import contextlib
import io
import itertools
import logging
import os
import re
import tarfile
import zipfile
from collections.abc import Iterator
from typing import IO, NamedTuple

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.file_utils import cached_path, get_file_extension, open_by_suffix
from nlpreg.common.files import clear_compression_errors, how_to_convert

logger = logging.getLogger(__name__)

_ARCHIVE_MEMBER = re.compile(r"\((?P<archive>.+)\)#(?P<member>.+)", re.DOTALL)
_KNOWN_EXTENSIONS = frozenset([".txt", ".vec", ".gz", ".bz2", ".xz", ".zst"])
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
    larger integer is the number of words. Zip and tar archives are recognized by their content, `.gz`, `.bz2`, `.xz` and
    `.zst` by their extension; other files are plain text.

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
        main_file, member = parse_embeddings_file_uri(file_uri)
        path = cached_path(main_file, cache_dir=cache_dir)
        with contextlib.ExitStack() as files:
            self._lines = _lines_of(files.enter_context(self._open(path, main_file, member, files)), file_uri)
            first = self.readline()
            self._files = files.pop_all()  # they stay open
        self.num_tokens = _count_in_header(first)
        if self.num_tokens is None:
            self._lines, self.line_number = itertools.chain([first], self._lines), 0
        else:
            logger.info("%s declares %d words", file_uri, self.num_tokens)

    def _open(self, path: str, main_file: str, member: str | None, files: contextlib.ExitStack) -> IO[str]:
        """Open the text, decompressed or inside its archive, which is added to `files`."""
        content: IO[bytes] | None
        if zipfile.is_zipfile(path):
            zipped = files.enter_context(zipfile.ZipFile(path))
            names = [entry.filename for entry in zipped.infolist() if not entry.is_dir()]
            content = zipped.open(self._choose_member(names, member))
        elif tarfile.is_tarfile(path):
            tar = files.enter_context(tarfile.open(path))  # noqa: SIM115 - closed with `files`
            content = tar.extractfile(
                self._choose_member([entry.name for entry in tar if entry.isfile()], member)
            )
            assert content is not None  # only regular files are candidates
        elif member is not None:
            raise ValueError(
                f"{self.uri}: expected a zip or tar archive, since the file {member!r} inside it is asked for, but "
                f"{main_file} is neither; give the plain path"
            )
        else:
            # a download is stored under a hash, so the extension is that of the original name
            extension = get_file_extension(main_file)
            if extension not in _KNOWN_EXTENSIONS:
                logger.warning("%s: unknown extension %r, reading it as plain text", self.uri, extension)
            # only a line feed ends a line, since words may hold other separators
            return open_by_suffix(
                path, extension, encoding=self._encoding, errors="surrogateescape", newline="\n"
            )
        return io.TextIOWrapper(content, encoding=self._encoding, errors="surrogateescape", newline="\n")

    def _choose_member(self, names: list[str], member: str | None) -> str:
        """The member of the archive to read."""
        if member is not None and member not in names:
            raise KeyError(f"{self.uri}: expected one of {names} in the archive, got {member!r}")
        if member is None and len(names) != 1:
            raise ValueError(
                f"{self.uri}: expected an archive of one file, got {len(names)}: {names}; "
                "name one as (ARCHIVE)#MEMBER"
            )
        return member or names[0]

    def read(self) -> str:
        """The rest of the file as one string."""
        return "".join(self)

    def readline(self) -> str:
        """The next line with its line end, empty at the end of the file."""
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
        self._files.close()

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
