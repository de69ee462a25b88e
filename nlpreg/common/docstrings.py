"""What a docstring says of a class, and of each of its constructor's arguments."""

from __future__ import annotations

import inspect
import re

__all__ = ["parse_docstring"]

_HEADINGS = (
    re.compile(r"^(?:Args|Arguments|Parameters):[ ]*$", re.MULTILINE),
    re.compile(r"^#+[ ]*Parameters[ ]*$", re.MULTILINE),
    re.compile(r"^Parameters[ ]*\n-{3,}[ ]*$", re.MULTILINE),
)
"""How the list of arguments is headed: as here, in AllenNLP, and in numpy."""

_INDENTED_ENTRY = re.compile(r"(\*{0,2}\w+(?:, *\*{0,2}\w+)*)(?: \(.*?\))?: *(.*)")
_TYPED_ENTRY = re.compile(r"(\*{0,2}\w+(?:, *\*{0,2}\w+)*) *:(?: .*)?$")


def parse_docstring(docstring: str) -> tuple[str, dict[str, str]]:
    """The text before the list of arguments, and what the list says of each argument.

    Understood are lists headed `Args:`, as in this package, `# Parameters`, as in AllenNLP, and numpy's.

    Args:
        docstring: as it stands in the source.
    """
    docstring = inspect.cleandoc(docstring)
    headings = [match for heading in _HEADINGS if (match := heading.search(docstring))]
    if not headings:
        return docstring.strip(), {}
    heading = min(headings, key=lambda match: match.start())
    text, rest = docstring[: heading.start()].strip(), docstring[heading.end() :]
    if heading.group().strip().endswith(":"):
        return text, _indented_list(rest)
    return text, _typed_list(rest)


def _indented_list(rest: str) -> dict[str, str]:
    """`    name: text`, further lines indented deeper; ends where the indentation does."""
    docs: dict[str, str] = {}
    indentation: int | None = None
    current: list[str] = []
    for line in rest.splitlines():
        depth = len(line) - len(line.lstrip(" "))
        if not line.strip():
            continue
        if depth == 0:
            break
        indentation = depth if indentation is None else indentation
        entry = _INDENTED_ENTRY.match(line.strip()) if depth <= indentation else None
        if entry:
            current = _names(entry.group(1))
            docs.update(dict.fromkeys(current, entry.group(2)))
        else:
            _continue(docs, current, line)
    return docs


def _typed_list(rest: str) -> dict[str, str]:
    """`name : type`, the text indented below it; ends at the next heading."""
    docs: dict[str, str] = {}
    current: list[str] = []
    for line in rest.splitlines():
        if line.startswith("#") or re.match(r"-{3,}", line):
            break
        entry = _TYPED_ENTRY.match(line)
        if entry:
            current = _names(entry.group(1))
            docs.update(dict.fromkeys(current, ""))
        elif line.startswith(" "):
            _continue(docs, current, line)
        elif line.strip():
            current = []
    return docs


def _names(text: str) -> list[str]:
    return [name.strip(" *") for name in text.split(",")]


def _continue(docs: dict[str, str], names: list[str], line: str) -> None:
    for name in names:
        docs[name] = f"{docs[name]} {line.strip()}".strip()
