"""The names that nlpreg registers, read from its source text: nothing is imported, torch least of all."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from nlpreg.common.checks import ConfigurationError
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
        for path in sorted(Path(__file__).parents[1].rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if ".register(" in text:
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


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _scan(tree: ast.Module, found: dict[str, dict[str, str]], incomplete: set[str]) -> None:
    from nlpreg.common.introspection import snake_case

    decorators: dict[int, ast.ClassDef] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            decorators.update({id(decorator): node for decorator in node.decorator_list})
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
            owner = decorators.get(id(node))
            text = ast.get_docstring(owner) if owner is not None else None
            found[base][name.value] = " ".join((text or "").split("\n\n")[0].split())
        else:
            incomplete.add(base)
            found.setdefault(base, {})
