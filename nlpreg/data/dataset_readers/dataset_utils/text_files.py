"""Text files of a data path: finding them, reading their lines, and errors with file and line."""

import glob
import itertools
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, NoReturn

from nlpreg.common.caching import open_by_suffix
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.file_utils import cached_path, get_file_extension
from nlpreg.common.files import clear_compression_errors, how_to_convert

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
_LONGEST_EXCERPT = 60
_BLANK_BUT_NOT_EMPTY = re.compile(r"(?<=\n)[ \t]+(?=\n)")
_BLANK_LINES = (b"\n\n", b"\n\r\n")


class DataError(ConfigurationError):
    """A data file has content that its reader does not expect."""


def excerpt(text: str) -> str:
    """A text in quotes, shortened, for messages."""
    return repr(text if len(text) <= _LONGEST_EXCERPT else text[: _LONGEST_EXCERPT - 1] + "…")


def bad_line(file: str, line: int, expected: str, found: str, advice: str = "") -> DataError:
    """The error of one line.

    Args:
        file: name of the file.
        line: number of the line, from 1.
        expected: the expected content.
        found: the actual content, preferably an `excerpt`.
        advice: how to correct it.
    """
    return DataError(
        f"{file}, line {line}: expected {expected}, got {found}" + (f"; {advice}" if advice else "")
    )


def split_at_blanks(text: str) -> list[str]:
    """Split at spaces and tabs. Other white space of Unicode, such as no-break spaces, is part of a word."""
    if text.isascii():
        return text.split()
    return [part for part in text.replace("\t", " ").split(" ") if part]


def columns_of(text: str, num_columns: int) -> list[str]:
    """Split a line at tabs if that gives the expected number of columns, so that words may contain spaces; else at blanks."""
    if "\t" in text:
        columns = [column.strip(" ") for column in text.split("\t")]
        if len(columns) == num_columns and all(columns):
            return columns
    return split_at_blanks(text)


class BadLines:
    """Handles lines that cannot be read: raises the first error, or skips and counts them.

    Args:
        skip: whether to skip them.
    """

    NUM_SHOWN = 3

    def __init__(self, skip: bool) -> None:
        self._skip = skip
        self.num_skipped = 0

    def add(self, error: DataError) -> None:
        """Raise the error of a bad line, or count it.

        Raises:
            DataError: bad lines are not skipped.
        """
        if not self._skip:
            raise DataError(f"{error} (or set skip_bad_lines to leave such lines out)") from error
        self.num_skipped += 1
        if self.num_skipped <= self.NUM_SHOWN:
            logger.warning("left out: %s", error)

    def report(self, what: str) -> None:
        """Log the number of skipped lines, if any.

        Args:
            what: name of the data.
        """
        if self.num_skipped:
            logger.warning("%s: left out %d bad lines or sentences", what, self.num_skipped)


@dataclass(frozen=True)
class DataFile:
    """One text file, plain or compressed.

    Args:
        name: its name in the config, for messages.
        path: its local path.
        suffix: its extension (`.gz`, ...), which determines the compression; the path of a download has none.
    """

    name: str
    path: str
    suffix: str

    def open(self, mode: str = "rt", **kwargs: Any) -> IO[Any]:
        """Open the file, decompressed; text is decoded as UTF-8.

        Args:
            mode: "rt" or "rb".
            **kwargs: further arguments of `open`.
        """
        return open_by_suffix(self.path, self.suffix, mode, encoding="utf-8", **kwargs)

    def chunks(self) -> Iterator[str]:
        """The text in chunks of about a megabyte, each of whole lines, with "\\n" for every kind of line end.

        Raises:
            DataError: the file is not UTF-8; the message names the line and the byte.
            ConfigurationError: the compressed file is damaged.
        """
        encoding = "utf-8-sig"  # the first chunk may begin with a byte-order mark
        try:
            with clear_compression_errors(self.name):
                for data in self._whole_lines():
                    text = data.decode(encoding)
                    encoding = "utf-8"
                    if "\r" in text:
                        text = text.replace("\r\n", "\n").replace("\r", "\n")
                    yield text
        except UnicodeDecodeError:
            self._raise_where_not_utf8()

    def _whole_lines(self) -> Iterator[bytes]:
        """The content in chunks that end at a line end, and at a blank line if there is one."""
        waiting: list[bytes] = []
        with self.open("rb") as file:
            while data := file.read(CHUNK_BYTES):
                waiting.append(data)
                if b"\n" not in data and b"\r" not in data:  # in the middle of a very long line
                    continue
                # joined only at a line end, because a line may be as long as the file
                data = b"".join(waiting)
                end = _end_of_lines(data)
                if end:
                    yield data[:end]
                waiting = [data[end:]]
        if rest := b"".join(waiting):
            yield rest

    def lines(self) -> Iterator[tuple[int, str]]:
        """The lines without their line ends, each with its number.

        Raises:
            ConfigurationError: as for `chunks`.
        """
        number = 1
        for text in self.chunks():
            lines = text.removesuffix("\n").split("\n")
            yield from enumerate(lines, start=number)
            number += len(lines)

    def blocks(self) -> Iterator[tuple[int, str]]:
        """The blocks between blank lines, each with the number of its first line.

        Raises:
            ConfigurationError: as for `chunks`.
        """
        # each chunk begins with the line end before it, and the last one ends with blank lines, so that first and last
        # lines need no special case
        number, rest = 0, "\n"
        for chunk in itertools.chain(self.chunks(), ["\n\n"]):
            text = rest + chunk
            if "\n " in text or "\n\t" in text:  # rare, and this test is faster than the pattern
                text = _BLANK_BUT_NOT_EMPTY.sub("", text)
            # a block ends at an empty line; the last one may continue in the next chunk
            *whole, rest = text.split("\n\n")
            for block in whole:
                content = block.lstrip("\n")
                if content:
                    yield number + len(block) - len(content), content
                number += block.count("\n") + 2
            number, rest = number - 1, "\n" + rest

    def _raise_where_not_utf8(self) -> NoReturn:
        offset = 0
        with self.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise DataError(
                        f"{self.name}, line {number}: expected text in UTF-8, got the byte 0x{line[error.start]:02x} at "
                        f"byte {offset + error.start} of the file ({error.reason}); "
                        + how_to_convert(line if number == 1 else b"")
                    ) from error
                offset += len(line)
        raise DataError(f"{self.name}: expected text in UTF-8")  # the file has changed meanwhile


def _end_of_lines(data: bytes) -> int:
    """The end of the last blank line, or else of the last whole line; 0 if there is none."""
    blank = max(data.rfind(ends) + len(ends) if ends in data else 0 for ends in _BLANK_LINES)
    # a carriage return at the end may be the first half of a line end
    return blank or data.rfind(b"\n") + 1 or data.rfind(b"\r", 0, len(data) - 1) + 1


def find_files(path: object) -> list[DataFile]:
    """Find the files of a data path.

    Args:
        path: a path or URL; a pattern with `*`, `?` or `[...]` (`**` for any depth); `archive!member`, where the member
            may be a pattern too; a `DataFile`; or a list of these. Any of them may be compressed or a URL.

    Returns:
        The files in the given order, those of a pattern sorted by name.

    Raises:
        FileNotFoundError: there is no such file, or no file matches.
        ConfigurationError: a path is a folder, or a value is not a path.
    """
    if isinstance(path, DataFile):
        return [path]
    if isinstance(path, (list, tuple)):
        return [file for one in path for file in find_files(one)]
    if not isinstance(path, (str, os.PathLike)):
        raise ConfigurationError(f"expected the path of a text file or a list of paths, got {path!r}")
    name = os.fspath(path)
    if os.path.exists(os.path.expanduser(name)):
        return [_data_file(name, os.path.expanduser(name))]
    archive, separator, member = name.rpartition("!")
    if separator and glob.has_magic(member):
        # members are matched in the folder of the unpacked archive
        folder = cached_path(archive, extract_archive=True)
        return _matching(name, os.path.join(glob.escape(folder), member), prefix=(folder, archive + "!"))
    if "://" not in name and glob.has_magic(name):
        return _matching(name, os.path.expanduser(name))
    return [_data_file(name, cached_path(name, extract_archive=bool(separator)))]


def _matching(name: str, pattern: str, prefix: tuple[str, str] = ("", "")) -> list[DataFile]:
    """The files that match a pattern; in their names, the first item of `prefix` is replaced by the second."""
    inside, shown = prefix
    paths = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
    if not paths:
        raise FileNotFoundError(f"{name}: no file matches this pattern (looked for from {os.getcwd()})")
    return [
        _data_file(shown + path.removeprefix(inside).lstrip(os.sep) if inside else path, path)
        for path in paths
    ]


def _data_file(name: str, path: str) -> DataFile:
    if os.path.isdir(path):
        raise ConfigurationError(
            f"{name}: expected a text file, got a folder; for all files in it, give '{name}/*'"
        )
    return DataFile(name, path, get_file_extension(name))


def split_block(line: int, block: str, is_divider: Callable[[str], bool]) -> Iterator[tuple[int, str, str]]:
    """The parts of a block between dividing lines.

    Args:
        line: number of the first line.
        block: its lines.
        is_divider: whether a line divides parts.

    Yields:
        The number of the first line of a part, its lines, and the line that ends it; "" if there are none.
    """
    part: list[str] = []
    for number, text in enumerate(block.split("\n"), start=line):
        if is_divider(text):
            yield number - len(part), "\n".join(part), text
            part = []
        else:
            part.append(text)
    yield line + block.count("\n") + 1 - len(part), "\n".join(part), ""


def json_object(text: str, file: str, line: int, text_keys: Sequence[str]) -> dict[str, Any]:
    """Parse a line as a JSON object with texts.

    Args:
        text: the line.
        file: name of its file.
        line: its number.
        text_keys: the keys of texts, which it must have.

    Raises:
        DataError: it is not a JSON object, a key is missing, or its value is not a text.
    """
    try:
        item = json.loads(text)
    except json.JSONDecodeError as error:
        raise bad_line(
            file, line, f"a JSON object ({error.msg} at column {error.colno})", excerpt(text)
        ) from error
    if not isinstance(item, dict):
        raise bad_line(file, line, "a JSON object", excerpt(text))
    # Python accepts the escape of a lone surrogate, such as "\\ud800", which cannot be encoded as UTF-8
    if "\\ud" in text.lower() and not _is_text(item):
        raise bad_line(file, line, "characters of Unicode", f"half of a surrogate pair: {excerpt(text)}")
    for key in text_keys:
        if key not in item:
            raise bad_line(file, line, f'the key "{key}"', "the keys " + (", ".join(item) or "none"))
        if not isinstance(item[key], str):
            raise bad_line(file, line, f'a text under the key "{key}"', excerpt(json.dumps(item[key])))
    return item


def _is_text(value: Any) -> bool:
    """Whether all strings of a JSON value can be encoded."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
