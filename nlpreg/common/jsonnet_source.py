"""Where in which file a key of the evaluated config stands.

Jsonnet forgets the places of what it evaluates. This reads the text a second time, only for its shape: objects,
arrays, local variables, imports, `+`. Where the shape depends on a computation there is no place to give, and the
nearest enclosing key's is given instead.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nlpreg.common.jsonnet_parser import Expression, Key, ObjectParser
from nlpreg.common.jsonnet_tokens import Token, UnreadableJsonnet

__all__ = ["JsonnetSource"]


@dataclass
class JsonnetSource:
    """A Jsonnet file and those that it imports, read for the places of keys.

    Args:
        path: the file, as messages name it.
        text: its content.
        root: the shape of its value; None where the text is not understood.
        duplicates: (key, first place, second place) of keys given twice in one object.
        variables: name and place of every `std.extVar` with a literal name.
        imports: path in the import -> source.
    """

    path: str
    text: str
    root: Expression | None = None
    duplicates: list[tuple[Key, Key]] = field(default_factory=list)
    variables: list[Token] = field(default_factory=list)
    imports: dict[str, JsonnetSource] = field(default_factory=dict)

    @classmethod
    def read(
        cls, path: str, text: str | None = None, depth: int = 0, texts: Mapping[str, str] | None = None
    ) -> JsonnetSource:
        """Read a file and what it imports.

        Args:
            path: the file.
            text: its content, if it is known already.
            depth: of imports, which stop at 20.
            texts: path -> content, instead of what is on the disk.
        """
        text = (texts or {}).get(path) if text is None else text
        if text is None:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        source = cls(path, text)
        parser = ObjectParser()
        try:
            source.root = parser.parse(text)
        except (UnreadableJsonnet, RecursionError):
            return source
        source.duplicates, source.variables = parser.duplicates, parser.variables
        for imported in parser.imports:
            target = os.path.join(os.path.dirname(path), imported)
            if depth < 20 and os.path.isfile(target):
                try:
                    source.imports[imported] = cls.read(target, depth=depth + 1, texts=texts)
                except (OSError, UnicodeDecodeError):
                    continue
        return source

    def all_sources(self) -> list[JsonnetSource]:
        """This file, then the imported ones."""
        return [self, *(source for inner in self.imports.values() for source in inner.all_sources())]

    def locate(self, path: str) -> str:
        """The place of a key path, or of its nearest part that stands literally in a file.

        Returns:
            "file:line"; empty where nothing is known.
        """
        best = ""
        steps = path.split(".") if path else []
        targets = self._resolve([(self, self.root)] if self.root else [])
        for step in steps:
            found = [(source, key) for source, target in targets for key in target.keys if key.name == step]
            if found:
                source, last = found[-1]  # the right operand of `+` wins
                best = f"{source.path}:{last.line}"
            targets = self._resolve([(source, key.value) for source, key in found])
            if not targets:
                break
        return best

    def path_of(self, wanted: Key) -> str:
        """The key path at which a key of any of the files is first met, walking from the top; else its bare name."""
        pending = [("", self._resolve([(self, self.root)] if self.root else []))]
        for _ in range(10_000):  # a file that imports itself would go on for ever
            if not pending:
                break
            prefix, targets = pending.pop(0)
            for source, target in targets:
                for key in target.keys:
                    if key is wanted:
                        return prefix + key.name
                    pending.append((f"{prefix}{key.name}.", self._resolve([(source, key.value)])))
        return wanted.name

    def sections(self, path: str) -> list[tuple[JsonnetSource, Expression]]:
        """The objects and arrays, written out in a file, that make up the value at a key path; later ones win."""
        targets = self._resolve([(self, self.root)] if self.root else [])
        for step in path.split(".") if path else ():
            found = [(source, key) for source, target in targets for key in target.keys if key.name == step]
            targets = self._resolve([(source, key.value) for source, key in found])
        return targets

    def _resolve(
        self, targets: Sequence[tuple[JsonnetSource, Expression]], depth: int = 0
    ) -> list[tuple[JsonnetSource, Expression]]:
        """Follow variables, imports, fields and `+` to objects and arrays."""
        result: list[tuple[JsonnetSource, Expression]] = []
        if depth > 30:
            return result
        for source, expression in targets:
            if expression.kind:
                result.append((source, expression))
            inner = [(source, part) for part in expression.parts]
            if expression.imported is not None and expression.imported in source.imports:
                other = source.imports[expression.imported]
                if other.root is not None:
                    inner.append((other, other.root))
            if expression.variable is not None:
                bound = expression.scope.get(expression.variable)
                if bound is not None:
                    inner.append((source, bound))
                elif expression.variable in ("self", "$"):
                    holder = source.root if expression.variable == "$" else expression.holder
                    if holder is not None:
                        inner.append((source, holder))
            inner = source._resolve(inner, depth + 1)
            for name in expression.fields:
                inner = source._resolve(
                    [(s, key.value) for s, target in inner for key in target.keys if key.name == name],
                    depth + 1,
                )
            result.extend(inner)
        return result
