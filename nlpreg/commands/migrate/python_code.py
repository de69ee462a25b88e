"""Imports of AllenNLP in Python code, rewritten; everything else in a file stays as it is, to the byte."""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nlpreg
from nlpreg.commands.migrate.log import MigrationLog
from nlpreg.commands.migrate.module_names import new_name

__all__ = ["migrate_code"]

_OLD = ("allennlp", "allennlp_models")
_OLD_PATH = re.compile(r"allennlp(_models)?(\.\w+)+")
_REQUIREMENT = re.compile(r"allennlp([-_]models)?\s*([<>=!~;\[].*)?")


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str


def migrate_code(text: str, file: str, log: MigrationLog) -> str:
    """The code with nlpreg's modules in the place of AllenNLP's.

    Args:
        text: of the file.
        file: its name, for the log.
        log: gets what was done, and names that nlpreg does not have.
    """
    if "allennlp" not in text:
        return text
    try:
        tree = ast.parse(text)
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (SyntaxError, tokenize.TokenError) as error:
        log.leave(file, f"this is no Python that can be read here ({error}); nothing in it was changed")
        return text
    offsets = _line_offsets(text)
    edits = [edit for node in ast.walk(tree) for edit in _import_edits(node, text, offsets, file, log)]
    edits += list(_token_edits(tokens, offsets, file, log, rewritten=list(edits)))
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    if edits:
        log.did(file, f"{len(edits)} mention{'s' if len(edits) > 1 else ''} of AllenNLP rewritten")
    return text


def _import_edits(
    node: ast.AST, text: str, offsets: list[int], file: str, log: MigrationLog
) -> Iterator[_Edit]:
    """The new text of an import; its layout stays where all its names have stayed together."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.split(".")[0] in _OLD:
                start = _offset(text, offsets, alias.lineno, alias.col_offset)
                yield _Edit(
                    start, start + len(alias.name), _module(alias.name, f"{file}:{alias.lineno}", log)
                )
    elif (
        isinstance(node, ast.ImportFrom)
        and node.module
        and node.module.split(".")[0] in _OLD
        and not node.level
    ):
        homes: dict[str, list[ast.alias]] = defaultdict(list)
        for alias in node.names:
            homes[_home(node.module, alias.name, f"{file}:{node.lineno}", log)].append(alias)
        start = _offset(text, offsets, node.lineno, node.col_offset)
        if len(homes) == 1:
            start = text.index(node.module, start)
            yield _Edit(start, start + len(node.module), next(iter(homes)))
            return
        assert node.end_lineno is not None and node.end_col_offset is not None
        end = _offset(text, offsets, node.end_lineno, node.end_col_offset)
        separator = "\n" + text[text.rfind("\n", 0, start) + 1 : start]
        if separator.strip():
            separator = "; "
        yield _Edit(start, end, separator.join(_statement(home, names) for home, names in homes.items()))


def _module(name: str, place: str, log: MigrationLog) -> str:
    new, is_known = new_name(name)
    if name.startswith("allennlp_models") and not is_known:
        return "nlpreg.models"  # imported so that its parts are registered, which nlpreg's always are
    if not is_known:
        log.leave(place, f"there is no {new} in nlpreg")
    return new


def _home(module: str, name: str, place: str, log: MigrationLog) -> str:
    """The module of nlpreg to import a name from."""
    if name == "*":
        return _module(module, place, log)
    new, is_known = new_name(f"{module}.{name}")
    if is_known:
        return new.rpartition(".")[0]
    if name in _definitions():
        return _definitions()[name]
    log.leave(place, f"nlpreg has nothing like {module}.{name}")
    return new.rpartition(".")[0]


def _statement(home: str, names: list[ast.alias]) -> str:
    return f"from {home} import " + ", ".join(
        f"{alias.name} as {alias.asname}" if alias.asname else alias.name for alias in names
    )


def _token_edits(
    tokens: list[tokenize.TokenInfo],
    offsets: list[int],
    file: str,
    log: MigrationLog,
    rewritten: list[_Edit],
) -> Iterator[_Edit]:
    """Names of the packages in expressions, and module paths in strings, where nothing was rewritten yet."""
    for i, token in enumerate(tokens):
        start = offsets[token.start[0] - 1] + token.start[1]
        end = offsets[token.end[0] - 1] + token.end[1]
        if any(edit.start <= start < edit.end for edit in rewritten):
            continue
        place = f"{file}:{token.start[0]}"
        if token.type == tokenize.NAME and token.string in _OLD and tokens[i - 1].string != ".":
            if tokens[i + 1].string == "=":  # an argument or variable of that name
                continue
            if token.string == "allennlp":
                yield _Edit(start, end, "nlpreg")
            else:
                log.leave(place, "allennlp_models is used by its name here; name the module of nlpreg")
        elif token.type == tokenize.STRING:
            inside = token.string.strip("rRbBuU").strip("'\"")
            if _OLD_PATH.fullmatch(inside):
                new, is_known = new_name(inside)
                yield _Edit(start, end, token.string.replace(inside, new))
                if not is_known:
                    log.leave(place, f"there is no {new} in nlpreg")
            elif _REQUIREMENT.fullmatch(inside):
                log.leave(place, f"{token.string}: require nlpreg instead, if this is a requirement")


@functools.cache
def _definitions() -> dict[str, str]:
    """Public classes and functions of nlpreg -> the module that defines them, where only one does."""
    root = Path(nlpreg.__file__).parent
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
                found[node.name].add(module)
    return {name: next(iter(modules)) for name, modules in found.items() if len(modules) == 1}


def _line_offsets(text: str) -> list[int]:
    offsets = [0]
    for line in text.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    return offsets


def _offset(text: str, offsets: list[int], line: int, byte_column: int) -> int:
    """Offset in characters of a place that the syntax tree gives in bytes of a line."""
    start = offsets[line - 1]
    end = offsets[line] if line < len(offsets) else len(text)
    return start + len(text[start:end].encode("utf-8")[:byte_column].decode("utf-8"))
