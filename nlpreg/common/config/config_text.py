"""Editing of config files as text, so that comments, variables and layout of everything else are kept."""

import contextlib
import copy
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.jsonnet import evaluate_jsonnet, jsonnet_key, jsonnet_text
from nlpreg.common.config.jsonnet_places import Expression, JsonnetSource, Key

_MAX_SECTIONS = 10_000
_UNKNOWN = object()


@dataclass(frozen=True)
class Section:
    """An object or array literal in a file, as it was when it was read.

    Args:
        path: key path in the whole config.
        file: path of the file.
        text: content of the file.
        shape: the parsed expression.
        num_edits: number of edits of the file before it was read.
    """

    path: str
    file: str
    text: str
    shape: Expression
    num_edits: int

    @property
    def keys(self) -> list[str]:
        """The keys in order; the indices of an array."""
        return [key.name for key in self.shape.keys]

    def __contains__(self, name: str) -> bool:
        return any(key.name == name for key in self._written_out)

    @property
    def _written_out(self) -> list[Key]:
        """The literal keys; computed keys cannot be edited."""
        return [key for key in self.shape.keys if key.token is not None or self.shape.kind == "array"]

    def key(self, name: str) -> Key:
        """The last key of that name."""
        return [key for key in self._written_out if key.name == name][-1]

    def source(self, name: str) -> str:
        """The text of a value."""
        key = self.key(name)
        return self.text[key.start : key.end]

    def value(self, name: str, default: Any = None) -> Any:
        """A value, if it can be evaluated without the rest of the file; else `default`."""
        value = _evaluated(self.source(name)) if name in self else _UNKNOWN
        return default if value is _UNKNOWN else copy.deepcopy(value)

    @property
    def last_step(self) -> str:
        """The last step of its path."""
        return self.path.rpartition(".")[2]


class ConfigText:
    """A config file and the files it imports; every edit parses them again.

    Sections that were read before an edit can still be edited and located.

    Args:
        path: the file.
        texts: path -> content of files that overrides the disk.
    """

    def __init__(self, path: str, texts: dict[str, str] | None = None) -> None:
        self.path = path
        self.texts = dict(texts or {})
        self._originals: dict[str, str] = {}
        # file -> (start, old length, new length) of each
        self._edits: dict[str, list[tuple[int, int, int]]] = {}
        self.parse()

    def parse(self) -> None:
        """Parse the locations of all keys."""
        self.source = JsonnetSource.read(self.path, texts=self.texts)
        for source in self.source.all_sources():
            self.texts.setdefault(source.path, source.text)
            self._originals.setdefault(source.path, source.text)

    @property
    def is_understood(self) -> bool:
        """Whether the file could be parsed."""
        return self.source.root is not None

    def at(self, path: str) -> list[Section]:
        """The sections that make up the value at a key path; later ones override earlier ones."""
        return [
            Section(path, source.path, source.text, shape, len(self._edits.get(source.path, [])))
            for source, shape in self.source.sections(path)
        ]

    def place(self, section: Section, name: str = "") -> str:
        """ "path:line" of a section, or of a key in it, in the file as it was before any edit."""
        key = section.key(name) if name in section else None
        offset = section.shape.start if key is None else key.whole_start
        # undo the edits, last first, to map the offset to the original text
        for start, old_length, new_length in reversed(self._edits.get(section.file, [])[: section.num_edits]):
            if offset >= start + new_length:
                offset += old_length - new_length
            elif offset > start:
                offset = start
        return f"{section.file}:{self._originals[section.file].count(chr(10), 0, offset) + 1}"

    def all_sections(self) -> Iterator[Section]:
        """Every section, outer ones first, each once."""
        # breadth first; a local that is used twice leads to one section by two paths
        pending, seen = [""], set()
        for _ in range(_MAX_SECTIONS):
            if not pending:
                return
            path = pending.pop(0)
            for section in self.at(path):
                if (section.file, section.shape.start) not in seen:
                    seen.add((section.file, section.shape.start))
                    yield section
                    pending.extend(f"{path}.{key}" if path else key for key in dict.fromkeys(section.keys))

    def current(self, section: Section) -> Section:
        """A section after the edits since it was read."""
        position = section.shape.start
        for start, old_length, new_length in self._edits.get(section.file, [])[section.num_edits :]:
            if position >= start + old_length:
                position += new_length - old_length
        return next(s for s in self.at(section.path) if (s.file, s.shape.start) == (section.file, position))

    def literal(self, value: Any, section: Section) -> str:
        """A value as a literal in the style of the section's file."""
        return json.dumps(value) if _is_json_style(section) else jsonnet_text(value)

    def rename(self, section: Section, old: str, new: str) -> None:
        """Rename a key."""
        token = self.current(section).key(old).token
        assert token is not None
        self._edit(section.file, token.start, token.start + len(token.text), self.key_text(new, section))

    def replace(self, section: Section, name: str, text: str) -> None:
        """Replace the value of a key."""
        key = self.current(section).key(name)
        self._edit(section.file, key.start, key.end, text)

    def replace_section(self, section: Section, text: str) -> None:
        """Replace the text of a section."""
        shape = self.current(section).shape
        self._edit(section.file, shape.start, shape.end, text)

    def remove(self, section: Section, name: str) -> None:
        """Remove a key with its value, its comma, and its line if nothing else is on it."""
        section = self.current(section)
        self.remove_key(section, section.key(name))

    def remove_key(self, section: Section, key: Key) -> None:
        """`remove` for one of several keys of the same name, in a section that was read after the last edit."""
        text = section.text
        start, end = key.whole_start, key.end
        comma = re.match(r"\s*,", text[end:])
        if comma:
            end += comma.end()
        else:  # the last key of its object: remove the comma before it
            before = re.search(r",\s*$", text[:start])
            start = before.start() if before else start
        line_start = text.rfind("\n", 0, start) + 1
        # a comment after the value, on the same line, belongs to the key
        rest = re.match(r"[ \t]*(?://[^\n]*|#[^\n]*)?(?=\n|$)", text[end:])
        if not text[line_start:start].strip() and rest and line_start:
            self._edit(section.file, line_start - 1, end + rest.end(), "")
            return
        spaces = re.match(r"[ \t]*", text[end:])
        surplus = spaces.end() if spaces and (comma or text[start - 1].isspace()) else 0
        self._edit(section.file, start, end + surplus, "")

    def insert(self, section: Section, name: str, text: str) -> None:
        """Add a key at the end of an object."""
        self.append(section, f"{self.key_text(name, section)}: {text}")

    def object_text(self, members: dict[str, str], section: Section) -> str:
        """An object literal of values that are given as text."""
        inside = ", ".join(f"{self.key_text(name, section)}: {text}" for name, text in members.items())
        return f"{{ {inside} }}" if not _is_json_style(section) else f"{{{inside}}}"

    def append(self, section: Section, member: str) -> None:
        """Add an item at the end of an array, or `key: value` at the end of an object."""
        section = self.current(section)
        text, shape = section.text, section.shape
        if not shape.keys:
            self._edit(section.file, shape.start + 1, shape.end - 1, f" {member} ")
            return
        last = max(shape.keys, key=lambda key: key.end)
        comma = re.match(r"\s*,", text[last.end : shape.end])
        end = last.end + (comma.end() if comma else 0)
        space = " "
        if "\n" in text[shape.start : shape.end]:
            # a separate line with the indentation of the first key
            start = shape.keys[0].whole_start
            line = text[text.rfind("\n", 0, start) + 1 : start]
            space = "\n" + (line if not line.strip() else " " * (len(line) - len(line.lstrip()) + 2))
        self._edit(section.file, end, end, f"{space}{member}," if comma else f",{space}{member}")

    def key_text(self, name: str, section: Section) -> str:
        """A key in the style of the section's file."""
        return json.dumps(name) if _is_json_style(section) else jsonnet_key(name)

    def _edit(self, file: str, start: int, end: int, replacement: str) -> None:
        text = self.texts[file]
        self.texts[file] = text[:start] + replacement + text[end:]
        self._edits.setdefault(file, []).append((start, end - start, len(replacement)))
        self.parse()


@functools.lru_cache(maxsize=4096)
def _evaluated(text: str) -> Any:
    """The value of a self-contained piece of Jsonnet; `_UNKNOWN` if it refers to something outside."""
    with contextlib.suppress(ValueError):  # starting Jsonnet is slow
        return json.loads(text)
    if re.fullmatch(r"'[^'\\]*'", text):
        return text[1:-1]
    try:
        return evaluate_jsonnet("value", text, {})
    except (RuntimeError, ConfigurationError):
        return _UNKNOWN


def _is_json_style(section: Section) -> bool:
    """Whether the file writes its keys in double quotes, so that it may be plain JSON."""
    return section.file.endswith(".json") or (
        any(key.token is not None and key.token.text.startswith('"') for key in section.shape.keys)
    )
