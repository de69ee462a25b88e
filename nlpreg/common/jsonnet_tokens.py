"""The tokens of a Jsonnet text with their places: enough to find where a key stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Token", "UnreadableJsonnet", "tokenize"]


class UnreadableJsonnet(Exception):
    """The text is not understood here; Jsonnet itself will say what is wrong with it."""


@dataclass(frozen=True)
class Token:
    """A piece of Jsonnet.

    Args:
        kind: "name", "string", "number", "operator" or "end".
        text: as it stands in the file.
        value: of a string, without quotes and escapes; otherwise the text.
        start: offset in characters.
        line: from 1.
    """

    kind: str
    text: str
    value: str
    start: int
    line: int


_PATTERN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|\#[^\n]*|/\*.*?\*/)
  | (?P<block>\|\|\|-?[ \t]*\n.*?\n[ \t]*\|\|\|)
  | (?P<verbatim>@"(?:[^"]|"")*"|@'(?:[^']|'')*')
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<operator>::?:?|&&|\|\||[=!<>]=|<<|>>|\$|[-+*/%&|^~!<>=.,;(){}\[\]?])
    """,
    re.VERBOSE | re.DOTALL,
)


def tokenize(text: str) -> Iterator[Token]:
    """The tokens of `text`, without spaces and comments, closed by one of kind "end".

    Raises:
        UnreadableJsonnet: some character begins no token.
    """
    position, line = 0, 1
    while position < len(text):
        match = _PATTERN.match(text, position)
        if match is None:
            raise UnreadableJsonnet(f"line {line}: {text[position : position + 10]!r}")
        kind, piece = str(match.lastgroup), match.group()
        if kind != "space":
            is_string = kind in ("block", "verbatim", "string")
            yield Token("string" if is_string else kind, piece, _value(kind, piece), position, line)
        line += piece.count("\n")
        position = match.end()
    yield Token("end", "", "", position, line)


def _value(kind: str, piece: str) -> str:
    if kind == "verbatim":
        return piece[2:-1].replace(piece[1] * 2, piece[1])
    if kind == "string":
        inner = piece[1:-1]
        if "\\" not in inner:
            return inner
        inner = inner.replace("\\'", "'").replace('\\"', '"').replace('"', '\\"')
        try:
            return str(json.loads(f'"{inner}"', strict=False))
        except json.JSONDecodeError:
            return inner
    return piece
