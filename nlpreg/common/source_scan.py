"""The names that nlpreg registers, read from its source text: nothing is imported, torch least of all."""

from __future__ import annotations

import ast
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.snake_case import snake_case
from nlpreg.common.suggestions import did_you_mean

__all__ = ["RegistryScan"]


@dataclass
class RegistryScan:
    """What is registered.

    Args:
        registries: base in snake case -> registered name -> one line about it.
        incomplete: bases some of whose names are computed when they are imported.
    """

    registries: dict[str, dict[str, str]]
    incomplete: set[str] = field(default_factory=set)

    @classmethod
    def of_package(cls) -> RegistryScan:
        """Scan nlpreg's own source files."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        incomplete: set[str] = set()
        for path in _python_files(os.path.dirname(os.path.dirname(__file__))):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            if ".register(" in text and not _scan_plain(text, found):
                _scan(ast.parse(text), found, incomplete)
        return cls(dict(found), incomplete)

    def is_complete(self, registry: str | None) -> bool:
        """Whether everything in a registry, or in all of them, is known."""
        if registry is None:
            return not self.incomplete
        return _plain(registry) in map(_plain, self.registries) and _plain(registry) not in map(
            _plain, self.incomplete
        )

    def registry(self, name: str) -> dict[str, str]:
        """Registered names and summaries of one registry.

        Raises:
            ConfigurationError: there is no such registry.
        """
        for known, entries in self.registries.items():
            if _plain(known) == _plain(name):
                return entries
        raise ConfigurationError(
            f'there is no registry "{name}"'
            + did_you_mean(name, self.registries)
            + f" (known: {', '.join(sorted(self.registries))})"
        )


def _python_files(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                yield entry.path
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _python_files(entry.path)


_REGISTRATION = re.compile(r"^[ ]*@?[A-Z]\w*\.register\(", re.MULTILINE)
_PLAIN = re.compile(
    r"""^@?(?P<base>[A-Z]\w*)\.register\(\s*"(?P<name>[^"\\]+)"[^\n]*\n"""
    r"""(?:(?:@.*\n)*class[ ][^"\n]*:\n[ ]{4}\"{3}(?P<doc>(?:[^"\\]|"(?!""))*)\"{3})?""",
    re.MULTILINE,
)
"""A registration that begins a line; one that is a decorator goes on with a class and its docstring."""


def _scan_plain(text: str, found: dict[str, dict[str, str]]) -> bool:
    """Scan a file that registers in the plainest ways only, a great deal faster; whether it was such a file."""
    matches, start = [], 0
    while match := _PLAIN.search(text, start):
        matches.append(match)
        start = match.end("name")
    if len(matches) != len(_REGISTRATION.findall(text)) or any(m["doc"] is None for m in matches):
        return False
    for match in matches:
        if match["base"] != "Subcommand":
            found[snake_case(match["base"])][match["name"]] = _first_sentence(match["doc"])
    return True


def _first_sentence(docstring: str | None) -> str:
    return " ".join((docstring or "").strip().split("\n\n")[0].split())


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _scan(tree: ast.Module, found: dict[str, dict[str, str]], incomplete: set[str]) -> None:
    decorators: dict[int, ast.ClassDef] = {}
    methods: dict[object, ast.FunctionDef] = {}
    in_loops: dict[int, dict[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            decorators.update({id(decorator): node for decorator in node.decorator_list})
            methods.update({item.name: item for item in node.body if isinstance(item, ast.FunctionDef)})
        elif isinstance(node, ast.For):
            in_loops.update({id(inner): _looped_over(node) for inner in ast.walk(node)})
    for node in ast.walk(tree):
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "register"
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id[:1].isupper()
            and node.func.value.id != "Subcommand"
        ):
            continue
        base = snake_case(node.func.value.id)
        name = node.args[0] if node.args else None
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            constructor = next((k.value for k in node.keywords if k.arg == "constructor"), None)
            owner = decorators.get(id(node)) or methods.get(getattr(constructor, "value", None))
            found[base][name.value] = _first_sentence(ast.get_docstring(owner) if owner is not None else None)
        elif in_loops.get(id(node)):
            found[base].update(in_loops[id(node)])
        else:
            incomplete.add(base)
            found.setdefault(base, {})


def _looped_over(loop: ast.For) -> dict[str, str]:
    """Names, and the classes they stand for, in `for name, cls in {...}.items()`."""
    call = loop.iter
    if not (
        isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "items"
    ):
        return {}
    if not isinstance(call.func.value, ast.Dict):
        return {}
    return {
        key.value: ast.unparse(value)
        for key, value in zip(call.func.value.keys, call.func.value.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
