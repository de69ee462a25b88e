"""The folder of a saved vocabulary: a file for each namespace, an entry a line in the order of ids."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.file_utils import FileLock, cached_path
from nlpreg.common.files import atomic_write

logger = logging.getLogger(__name__)

NAMESPACE_PADDING_FILE = "non_padded_namespaces.txt"

_LINE_END = re.compile(r"\r?\n")
_NEWLINE = "@@NEWLINE@@"
_BYTE_ORDER_MARK = "\ufeff"
# Not in AllenNLP's format, which loses such a token: at the end of a line it reads as part of the line end.
_CARRIAGE_RETURN = "@@CARRIAGERETURN@@"


def lock_of(directory: str | os.PathLike[str]) -> FileLock:
    """The lock of a vocabulary's folder."""
    return FileLock(os.path.join(directory, ".lock"), read_only_ok=True)


def write_patterns(directory: str | os.PathLike[str], patterns: Iterable[str]) -> None:
    """Write the patterns of the non-padded namespaces."""
    _write_lines(os.path.join(directory, NAMESPACE_PADDING_FILE), sorted(patterns))


def read_patterns(directory: str | os.PathLike[str]) -> list[str]:
    """The patterns of the non-padded namespaces.

    Raises:
        ConfigurationError: the folder has no file of them, so it holds no vocabulary.
    """
    path = Path(directory, NAMESPACE_PADDING_FILE)
    if not path.is_file():
        raise ConfigurationError(
            f"{directory}: expected a folder that a vocabulary was saved in, but it has no {NAMESPACE_PADDING_FILE}"
        )
    return [line.strip() for line in read_lines(path) if line.strip()]


def write_namespace(
    directory: str | os.PathLike[str], namespace: str, tokens: Mapping[int, str], first_id: int
) -> None:
    """Write the tokens with ids from `first_id` on; ids that no token has get a line all the same.

    Raises:
        ConfigurationError: the namespace's name cannot be that of a file in the folder.
    """
    is_plain = os.path.basename(namespace) == namespace and "\0" not in namespace
    if not is_plain or namespace.startswith(".") or f"{namespace}.txt" == NAMESPACE_PADDING_FILE:
        raise ConfigurationError(
            f"namespace {namespace!r}: a vocabulary is saved with a file for each namespace, and this cannot be a "
            "file's name; choose another"
        )
    ids = range(first_id, max(tokens, default=-1) + 1)
    # ids may have gaps where they come from a transformer
    lines = (_escape(tokens.get(index, f"@@UNUSED{index}@@")) for index in ids)
    _write_lines(os.path.join(directory, f"{namespace}.txt"), lines)


def namespace_files(directory: str | os.PathLike[str]) -> dict[str, Path]:
    """The files of a vocabulary's folder by namespace, sorted."""
    return {
        path.name.removesuffix(".txt"): path
        for path in sorted(Path(directory).iterdir())
        if path.is_file() and path.name != NAMESPACE_PADDING_FILE and not path.name.startswith(".")
    }


def read_tokens(path: str | os.PathLike[str]) -> list[str]:
    """The tokens of a namespace file, in the order of its lines.

    Raises:
        ConfigurationError: a line stands there twice, so that its ids would contradict each other.
    """
    tokens = [
        line.replace(_NEWLINE, "\n").replace(_CARRIAGE_RETURN, "\r") if "@@" in line else line
        for line in read_lines(path)
    ]
    line_of: dict[str, int] = {}
    for number, token in enumerate(tokens, start=1):
        first = line_of.setdefault(token, number)
        if first != number:
            what = repr(token) if token else "a blank line"
            raise ConfigurationError(
                f"{path}, line {number}: expected every token once, got {what}, as in line {first}; remove one of the two"
            )
    if "" in line_of:
        logger.warning("%s, line %d: a blank line, which stands for the empty token", path, line_of[""])
    return tokens


def find_vocabulary_folder(directory: str | os.PathLike[str]) -> str:
    """The folder to read: the one given, or one inside an archive, which is extracted.

    Raises:
        FileNotFoundError: there is nothing at that path.
        ConfigurationError: it is neither a folder nor an archive.
    """
    folder = cached_path(directory, extract_archive=True)
    if not os.path.isdir(folder):
        raise ConfigurationError(
            f"{directory}: expected the folder of a vocabulary, or an archive of one, got a plain file"
        )
    # the archive of a model holds it one level deeper
    inner = os.path.join(folder, "vocabulary")
    return inner if os.path.isdir(inner) else folder


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a UTF-8 file, which may begin with a byte-order mark.

    Nothing but LF and CRLF ends a line, and the last may lack it.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = _LINE_END.split(file.read())
    if lines[-1] == "":
        lines.pop()
    return lines


def _escape(token: str) -> str:
    """A token as one line."""
    token = token.replace("\n", _NEWLINE)
    return token[:-1] + _CARRIAGE_RETURN if token.endswith("\r") else token


def _write_lines(path: str, lines: Iterable[str]) -> None:
    with atomic_write(path, "w", newline="\n") as file:
        lines = iter(lines)
        first = next(lines, None)
        if first is not None:
            # a token that begins with a byte-order mark would lose it when the file is read
            mark = _BYTE_ORDER_MARK if first.startswith(_BYTE_ORDER_MARK) else ""
            file.write(f"{mark}{first}\n")
        file.writelines(f"{line}\n" for line in lines)
