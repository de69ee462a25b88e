"""Locations of the keys of a config in its Jsonnet source, so that messages can give file and line."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


class UnreadableJsonnet(Exception):
    """The text cannot be parsed here; Jsonnet itself will report what is wrong with it."""


@dataclass(frozen=True)
class Token:
    """A token of Jsonnet.

    Args:
        kind: "name", "string", "number", "operator" or "end".
        text: its text in the file.
        value: the value of a string, without quotes and escapes; otherwise the text.
        start: offset in characters.
        line: line number, from 1.
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
    """The tokens of `text`, without spaces and comments, followed by one of kind "end".

    Raises:
        UnreadableJsonnet: a character does not begin a token.
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


_BINARY = frozenset(
    ["*", "/", "%", "+", "-", "<<", ">>", "<", ">", "<=", ">=", "==", "!=", "&", "^", "|", "&&", "||", "in"]
)


@dataclass
class Key:
    """A key of an object, or the index of an array.

    Args:
        name: the key, or the index as a string.
        line: its line.
        value: the parsed value.
        token: the token of the key; None for an index.
        start: offset of the text of the value.
        end: offset of its end.
    """

    name: str
    line: int
    value: Expression
    token: Token | None = None
    start: int = 0
    end: int = 0

    @property
    def whole_start(self) -> int:
        """Offset of the key, or of the value of an index."""
        return self.start if self.token is None else self.token.start


@dataclass
class Expression:
    """An expression, parsed but not evaluated.

    Args:
        keys: the keys of an object or array literal.
        parts: the operands of `+`, or the branches of `if`.
        variable: a name, `self` or `$`; empty for anything else.
        imported: the path of an import.
        fields: the field accesses `.name` after the above.
        scope: the local variables in scope, and the object that `self` refers to.
        kind: "object" or "array" for a literal.
        start: offset of the opening bracket of a literal.
        end: offset after its closing bracket.
    """

    keys: list[Key] = field(default_factory=list)
    parts: list[Expression] = field(default_factory=list)
    variable: str = ""
    imported: str | None = None
    fields: list[str] = field(default_factory=list)
    scope: dict[str, Expression] = field(default_factory=dict)
    kind: str = ""
    start: int = 0
    end: int = 0


class ObjectParser:
    """Parses one text, and collects `duplicates`, `variables` and `imports`."""

    def __init__(self) -> None:
        self.duplicates: list[tuple[Key, Key]] = []
        self.variables: list[Token] = []
        self.imports: list[str] = []
        self._tokens: list[Token] = []
        self._at = 0

    def parse(self, text: str) -> Expression:
        """Parse a whole text.

        Raises:
            UnreadableJsonnet: it cannot be parsed.
        """
        self._tokens = list(tokenize(text))
        self._find_variables()
        expression = self._expression({})
        if self._next.kind != "end":
            raise UnreadableJsonnet(f"line {self._next.line}: {self._next.text!r}")
        return expression

    def _find_variables(self) -> None:
        for i in range(len(self._tokens) - 4):
            words = [token.text for token in self._tokens[i : i + 4]]
            if words == ["std", ".", "extVar", "("] and self._tokens[i + 4].kind == "string":
                self.variables.append(self._tokens[i + 4])

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    @property
    def _end(self) -> int:
        """Offset of the end of the last consumed token."""
        token = self._tokens[self._at - 1]
        return token.start + len(token.text)

    def _take(self, text: str | None = None) -> Token:
        token = self._next
        if (text is not None and token.text != text) or token.kind == "end":
            raise UnreadableJsonnet(f"line {token.line}: expected {text!r}, got {token.text!r}")
        self._at += 1
        return token

    def _accept(self, *texts: str) -> bool:
        if self._next.kind != "string" and self._next.text in texts:
            self._at += 1
            return True
        return False

    def _expression(self, scope: dict[str, Expression]) -> Expression:
        if self._accept("local"):
            scope = dict(scope)
            self._bindings(scope)
            self._take(";")
            return self._expression(scope)
        if self._accept("assert"):
            self._expression(scope)
            if self._accept(":"):
                self._expression(scope)
            self._take(";")
            return self._expression(scope)
        if self._accept("if"):
            self._expression(scope)
            self._take("then")
            parts = [self._expression(scope)]
            if self._accept("else"):
                parts.append(self._expression(scope))
            return Expression(parts=parts)
        if self._accept("function"):
            self._skip_balanced("(")
            self._expression(scope)
            return Expression()
        if self._accept("error"):
            self._expression(scope)
            return Expression()
        return self._operators(scope)

    def _bindings(self, scope: dict[str, Expression]) -> None:
        """Parse `name = expression, name(arguments) = expression, ...`, which are in scope of each other."""
        self._binding(scope)
        while self._accept(","):
            self._binding(scope)

    def _binding(self, scope: dict[str, Expression]) -> None:
        name = self._take().text
        is_function = self._next.text == "("
        if is_function:
            self._skip_balanced("(")
        self._take("=")
        value = self._expression(scope)
        scope[name] = Expression() if is_function else value

    def _operators(self, scope: dict[str, Expression]) -> Expression:
        operands, only_plus = [self._postfix(scope)], True
        while self._next.kind in ("operator", "name") and self._next.text in _BINARY:
            only_plus &= self._take().text == "+"
            if self._next.text in ("local", "if", "function", "assert", "error"):
                operands.append(self._expression(scope))
                break
            operands.append(self._postfix(scope))
        if len(operands) == 1:
            return operands[0]
        return Expression(parts=operands) if only_plus else Expression()

    def _postfix(self, scope: dict[str, Expression]) -> Expression:
        expression = self._primary(scope)
        while True:
            if self._accept("."):
                expression = self._with_field(expression, self._take().text)
            elif self._next.text == "[" and self._next.kind == "operator":
                following = self._tokens[self._at + 1]
                self._skip_balanced("[")
                if following.kind in ("string", "number"):
                    expression = self._with_field(expression, following.value)
                else:
                    expression = Expression()
            elif self._next.text == "(" and self._next.kind == "operator":
                self._arguments(scope)
                self._accept("tailstrict")
                expression = Expression()
            elif self._next.text == "{" and self._next.kind == "operator":
                expression = Expression(parts=[expression, self._object(scope)])
            else:
                return expression

    @staticmethod
    def _with_field(expression: Expression, name: str) -> Expression:
        if expression.keys or expression.parts:
            return Expression(parts=[expression], fields=[name])
        expression.fields.append(name)
        return expression

    def _primary(self, scope: dict[str, Expression]) -> Expression:
        token = self._next
        if token.kind == "operator" and token.text == "{":
            return self._object(scope)
        if token.kind == "operator" and token.text == "[":
            return self._array(scope)
        if self._accept("("):
            inner = self._expression(scope)
            self._take(")")
            return inner
        if self._accept("-", "+", "!", "~"):
            self._postfix(scope)
            return Expression()
        if token.kind == "name" and token.text in ("import", "importstr", "importbin"):
            self._take()
            path = self._take().value
            if token.text == "import":
                self.imports.append(path)
                return Expression(imported=path)
            return Expression()
        self._take()
        if token.kind == "name" or token.text == "$":
            return Expression(variable=token.text, scope=scope)
        if token.kind in ("string", "number"):
            return Expression()
        raise UnreadableJsonnet(f"line {token.line}: {token.text!r}")

    def _arguments(self, scope: dict[str, Expression]) -> None:
        """Skip the arguments of a call, except for duplicate keys in them."""
        self._take("(")
        while not self._accept(")"):
            if self._next.kind == "name" and self._tokens[self._at + 1].text == "=":
                self._at += 2
            self._expression(scope)
            if self._accept("for"):
                self._skip_to_end()
                return
            self._accept(",", "tailstrict")

    def _array(self, scope: dict[str, Expression]) -> Expression:
        result = Expression(kind="array", start=self._take("[").start)
        while not self._accept("]"):
            line, start = self._next.line, self._next.start
            value = self._expression(scope)
            result.keys.append(Key(str(len(result.keys)), line, value, start=start, end=self._end))
            if self._accept("for"):
                self._skip_to_end()
                return Expression()
            self._accept(",")
        result.end = self._end
        return result

    def _object(self, scope: dict[str, Expression]) -> Expression:
        result = Expression(kind="object", start=self._take("{").start)
        scope = {**scope, "self": result}
        while not self._accept("}"):
            if self._accept("local"):
                self._binding(scope)
            elif self._accept("assert"):
                self._expression(scope)
                if self._accept(":"):
                    self._expression(scope)
            elif self._accept("for"):
                self._skip_to_end()
                return Expression()
            else:
                self._member(result, scope)
            self._accept(",")
        result.end = self._end
        return result

    def _member(self, result: Expression, scope: dict[str, Expression]) -> None:
        token = self._next
        name: str | None = None
        is_computed = token.kind == "operator" and token.text == "["
        if is_computed:
            name = self._conditional_name()
        else:
            name = self._take().value
            if token.kind not in ("name", "string"):
                raise UnreadableJsonnet(f"line {token.line}: {token.text!r}")
        if self._next.text == "(":
            self._skip_balanced("(")
        self._accept("+")
        if not self._accept(":", "::", ":::"):
            raise UnreadableJsonnet(f"line {self._next.line}: {self._next.text!r}")
        start = self._next.start
        value = self._expression(scope)
        if name is None:
            return
        key = Key(name, token.line, value, None if is_computed else token, start, self._end)
        earlier = next((other for other in result.keys if other.name == name), None)
        if earlier is not None and not is_computed:
            self.duplicates.append((earlier, key))
        result.keys.append(key)

    def _conditional_name(self) -> str | None:
        """Skip a computed key; return its name if it has the form `[if condition then "name"]`."""
        first = self._at
        self._skip_balanced("[")
        inside = self._tokens[first + 1 : self._at - 1]
        named = [b for a, b in itertools.pairwise(inside) if a.text == "then" and b.kind == "string"]
        return named[0].value if len(named) == 1 and named[0] is inside[-1] else None

    def _skip_balanced(self, opening: str) -> None:
        self._take(opening)
        self._skip_to_end()

    def _skip_to_end(self) -> None:
        """Skip up to and including the bracket that closes the last consumed one."""
        depth = 1
        while depth:
            token = self._take()
            if token.kind == "operator":
                depth += (token.text in "([{") - (token.text in ")]}")


def _keys(targets: Sequence[tuple[JsonnetSource, Expression]], name: str) -> list[tuple[JsonnetSource, Key]]:
    """The keys of a name in objects and arrays, each with its file."""
    return [(source, key) for source, target in targets for key in target.keys if key.name == name]


@dataclass
class JsonnetSource:
    """A Jsonnet file and its imports, parsed for the locations of keys.

    Args:
        path: the file, as named in messages.
        text: its content.
        root: the parsed expression; None if the text cannot be parsed.
        duplicates: pairs of keys with the same name in one object.
        variables: the name of every `std.extVar` with a literal name.
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
        """Read a file and its imports.

        Args:
            path: the file.
            text: its content; by default it is read from the file.
            depth: depth of imports, which is limited to 20.
            texts: path -> content of files that overrides the disk.
        """
        text = (texts or {}).get(path) if text is None else text
        if text is None:
            with open(path, encoding="utf-8-sig") as file:
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
        """The location of a key path, or of its longest prefix with a literal key in a file.

        Returns:
            "file:line"; an empty string if it is unknown.
        """
        best, targets = "", self.sections("")
        for step in path.split(".") if path else ():
            keys = _keys(targets, step)
            if not keys:
                break
            source, last = keys[-1]  # the right operand of `+` takes precedence
            best = f"{source.path}:{last.line}"
            targets = self._resolve([(source, key.value) for source, key in keys])
        return best

    def path_of(self, wanted: Key) -> str:
        """The key path of a key in any of the files, found breadth first; its name if it is not found."""
        pending = [("", self.sections(""))]
        for _ in range(10_000):  # a file may import itself
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
        """The object and array literals that make up the value at a key path; later ones take precedence."""
        targets = self._resolve([(self, self.root)] if self.root else [])
        for step in path.split(".") if path else ():
            targets = self._resolve([(source, key.value) for source, key in _keys(targets, step)])
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
            other = source.imports.get(expression.imported or "")
            if other is not None and other.root is not None:
                inner.append((other, other.root))
            bound = source.root if expression.variable == "$" else expression.scope.get(expression.variable)
            if bound is not None:
                inner.append((source, bound))
            inner = source._resolve(inner, depth + 1)
            for name in expression.fields:
                inner = source._resolve([(s, key.value) for s, key in _keys(inner, name)], depth + 1)
            result.extend(inner)
        return result
