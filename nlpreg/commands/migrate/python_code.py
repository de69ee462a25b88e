"""Python code written for AllenNLP: imports, module paths and three idioms rewritten; the rest stays, to the byte."""

import ast
import functools
import io
import re
import tokenize
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import nlpreg
from nlpreg.common.config.old_configs import MigrationLog
from nlpreg.common.config.old_names import MOVED_NOTES, exists, new_module_name

_OLD = ("allennlp", "allennlp_models")
_OLD_PATH = re.compile(r"allennlp(_models)?(\.\w+)+")
_REQUIREMENT = re.compile(r"allennlp([-_]models)?\s*([<>=!~;\[].*)?")
_TASKS = ("lm", "tagging", "classification")
"""Sub-packages of the companion package that `nlpreg_models` has."""
_OVERRIDES = {"overrides": ("typing_extensions", "override"), "final": ("typing", "final")}
"""What the package overrides gives -> the module and the name that need no such package."""


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str


class _Code:
    """A file's text, its syntax tree, and the edits made to it.

    Args:
        text: of the file.
        file: its name, for the log.
        log: records changes, and what has to be done by hand.

    Raises:
        SyntaxError, tokenize.TokenError: it is no Python that this version of Python reads.
    """

    def __init__(self, text: str, file: str, log: MigrationLog) -> None:
        self.text, self.file, self.log = text, file, log
        self.tree = ast.parse(text)
        self.tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        self.offsets = _line_offsets(text)
        self.edits: list[_Edit] = []

    def offset(self, line: int, byte_column: int) -> int:
        """Offset in characters of a place that the syntax tree gives in bytes of a line."""
        start = self.offsets[line - 1]
        end = self.offsets[line] if line < len(self.offsets) else len(self.text)
        return start + len(self.text[start:end].encode("utf-8")[:byte_column].decode("utf-8"))

    def span(self, node: ast.expr | ast.stmt | ast.keyword | ast.alias) -> tuple[int, int]:
        """First and last offset of a node."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def place(self, node: ast.expr | ast.stmt | ast.keyword | ast.alias) -> str:
        """ "file:line" of a node."""
        return f"{self.file}:{node.lineno}"

    def edit(self, start: int, end: int, text: str) -> None:
        """Put `text` in the place of a part of the file."""
        self.edits.append(_Edit(start, end, text))

    def result(self) -> str:
        """The text with all edits made."""
        text = self.text
        for edit in sorted(self.edits, key=lambda edit: edit.start, reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        return text


def migrate_code(text: str, file: str, log: MigrationLog) -> str:
    """The code with nlpreg's modules in the place of AllenNLP's.

    Args:
        text: of the file.
        file: its name, for the log.
        log: gets what was done, and names that nlpreg does not have.
    """
    if "allennlp" not in text and "overrides" not in text:
        return text
    try:
        code = _Code(text, file, log)
    except (SyntaxError, tokenize.TokenError) as error:
        log.leave(file, f"this is no Python that can be read here ({error}); nothing in it was changed")
        return text
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Import):
            _rewrite_import(code, node)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module.split(".")[0] in _OLD:
                _rewrite_from_import(code, node)
            elif node.module.split(".")[0] == "overrides":
                _rewrite_overrides(code, node)
        elif isinstance(node, ast.ClassDef) and "allennlp" in text:
            _rewrite_class(code, node)
    _rewrite_tokens(code)
    return code.result()


def registered_names(text: str) -> set[str]:
    """Names that a file's classes are registered under, by `@Base.register("name")`."""
    return set(re.findall(r"""\.register\(\s*(?:name\s*=\s*)?["']([^"']+)["']""", text))


def _rewrite_import(code: _Code, node: ast.Import) -> None:
    """`import allennlp.x as y`: only the name of the module changes."""
    for alias in node.names:
        if alias.name.split(".")[0] == "overrides":
            code.log.leave(
                code.place(alias), "overrides is used by its name here; pip install overrides==3.1.0"
            )
        if alias.name.split(".")[0] not in _OLD:
            continue
        start = code.offset(alias.lineno, alias.col_offset)
        new = _module(alias.name, code.place(alias), code.log)
        code.edit(start, start + len(alias.name), new)
        code.log.did(code.place(alias), f"{alias.name} is now {new}")


def _rewrite_from_import(code: _Code, node: ast.ImportFrom) -> None:
    """`from allennlp.x import y`; its layout stays where all its names have stayed together under their names."""
    assert node.module is not None
    place = code.place(node)
    homes: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
    is_renamed = False
    for alias in node.names:
        home, name = _home(node.module, alias.name, code.place(alias), code.log)
        is_renamed |= name != alias.name
        # The code continues to use the old name.
        homes[home].append((name, alias.asname or (alias.name if name != alias.name else None)))
    start, end = code.span(node)
    if len(homes) == 1 and not is_renamed:
        start = code.text.index(node.module, start)
        code.edit(start, start + len(node.module), next(iter(homes)))
    else:
        separator = "\n" + code.text[code.text.rfind("\n", 0, start) + 1 : start]
        if separator.strip():
            separator = "; "
        code.edit(start, end, separator.join(_statement(home, names) for home, names in homes.items()))
    code.log.did(place, f"the import from {node.module} is now one from {', '.join(homes)}")


def _rewrite_overrides(code: _Code, node: ast.ImportFrom) -> None:
    """`from overrides import overrides`: AllenNLP brought that package, nlpreg does not need it."""
    homes: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
    for alias in node.names:
        if alias.name not in _OVERRIDES:
            code.log.leave(
                code.place(node),
                f"overrides.{alias.name} has no counterpart without the package; pip install overrides==3.1.0",
            )
            return
        module, name = _OVERRIDES[alias.name]
        known_as = alias.asname or alias.name
        homes[module].append((name, known_as if known_as != name else None))
    start, end = code.span(node)
    separator = "\n" + " " * node.col_offset
    code.edit(start, end, separator.join(_statement(home, names) for home, names in homes.items()))
    code.log.did(
        code.place(node),
        f"overrides comes from {', '.join(homes)} now: the package overrides is not needed (nor version 4 of it, which "
        "checks signatures)",
    )


def _module(name: str, place: str, log: MigrationLog) -> str:
    new, is_known = new_module_name(name)
    if name.startswith("allennlp_models") and not is_known:
        steps = name.split(".")
        if len(steps) > 1 and steps[1] not in _TASKS:
            log.leave(place, f"AllenNLP's model package had {name}, nlpreg does not")
        return (
            ".".join(["nlpreg_models", *steps[1:2]]) if steps[1:2] and steps[1] in _TASKS else "nlpreg_models"
        )
    if not is_known:
        log.leave(place, f"there is no {new} in nlpreg")
    return new


def _home(module: str, name: str, place: str, log: MigrationLog) -> tuple[str, str]:
    """The module of nlpreg to import a name from, and its name there."""
    if name == "*":
        return _module(module, place, log), name
    if module == "allennlp_models":
        if name not in _TASKS:
            log.leave(place, f"AllenNLP's model package had {module}.{name}, nlpreg does not")
        return "nlpreg_models", name
    old = f"{module}.{name}"
    new, is_known = new_module_name(old)
    if old in MOVED_NOTES:
        log.leave(place, f"{old} is now {new}: {MOVED_NOTES[old]}")
    home, _, new_name = new.rpartition(".")
    if is_known:
        return home, new_name
    found = _definitions().get(name, "")
    # A thing of the same name in another package of nlpreg is another thing (`commands.elmo.Elmo`, say).
    if found and (module.startswith("allennlp_models") or found.split(".")[1] == module.split(".")[1]):
        return found, name
    whose = "AllenNLP's model package had" if module.startswith("allennlp_models") else "AllenNLP had"
    log.leave(place, f"{whose} {old}, nlpreg has nothing like it")
    return home, new_name


def _statement(home: str, names: list[tuple[str, str | None]]) -> str:
    return f"from {home} import " + ", ".join(
        f"{name} as {alias}" if alias else name for name, alias in names
    )


def _rewrite_class(code: _Code, node: ast.ClassDef) -> None:
    """`lazy` handed to the base of readers; `decode` of models."""
    bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
    functions = [item for item in node.body if isinstance(item, ast.FunctionDef)]
    if any(base.endswith("Reader") for base in bases):
        for function in functions:
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(").__init__"):
                    _without_lazy(code, call)
    if "Model" in bases and not any(item.name == "make_output_human_readable" for item in functions):
        for function in functions:
            if function.name == "decode" and len(function.args.args) == 2:
                start = code.text.index("decode", code.offset(function.lineno, function.col_offset))
                code.edit(start, start + len("decode"), "make_output_human_readable")
                code.log.did(code.place(function), "the model's decode is now make_output_human_readable")
                code.log.leave(
                    code.place(function), "decode was renamed; look for code of yours that calls it"
                )


def _without_lazy(code: _Code, call: ast.Call) -> None:
    """`super().__init__(lazy)` -> `super().__init__()`."""
    arguments: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    for i, argument in enumerate(arguments):
        value = argument.value if isinstance(argument, ast.keyword) else argument
        is_named = isinstance(argument, ast.keyword) and argument.arg == "lazy"
        is_first = i == 0 and not isinstance(argument, ast.keyword)
        is_lazy = (isinstance(value, ast.Name) and value.id == "lazy") or (
            isinstance(value, ast.Constant) and isinstance(value.value, bool)
        )
        if not (is_named or (is_first and is_lazy)):
            continue
        start, end = code.span(argument)
        if i + 1 < len(arguments):  # up to the next argument
            end = code.span(arguments[i + 1])[0]
        elif i > 0:
            start = code.span(arguments[i - 1])[1]
        code.edit(start, end, "")
        code.log.did(
            code.place(call),
            "lazy was removed from the reader's super().__init__: the data loader decides it",
        )
        return


def _rewrite_tokens(code: _Code) -> None:
    """Names of the packages in expressions, and module paths in strings, where nothing was rewritten yet."""
    rewritten = list(code.edits)
    tokens = code.tokens
    for i, token in enumerate(tokens):
        start = code.offsets[token.start[0] - 1] + token.start[1]
        end = code.offsets[token.end[0] - 1] + token.end[1]
        if any(edit.start <= start < edit.end for edit in rewritten):
            continue
        place = f"{code.file}:{token.start[0]}"
        if token.type == tokenize.NAME and token.string in _OLD and tokens[i - 1].string != ".":
            if tokens[i + 1].string == "=":  # an argument or variable of that name
                continue
            new = token.string.replace("allennlp", "nlpreg")
            code.edit(start, end, new)
            code.log.did(place, f"{token.string} is now {new}")
        elif token.type == tokenize.STRING:
            inside = token.string.strip("rRbBuU").strip("'\"")
            if _OLD_PATH.fullmatch(inside) and _is_module_path(inside):
                new, is_known = new_module_name(inside)
                code.edit(start, end, token.string.replace(inside, new))
                code.log.did(place, f"{inside} is now {new}")
                if not is_known:
                    code.log.leave(place, f"there is no {new} in nlpreg")
            elif _REQUIREMENT.fullmatch(inside):
                code.log.leave(place, f"{token.string}: require nlpreg instead, if this is a requirement")


def _is_module_path(text: str) -> bool:
    """Whether a text names something in a package of AllenNLP, and no file such as `allennlp.jsonnet`."""
    first, second = text.split(".")[:2]
    packages = (
        "commands",
        "common",
        "data",
        "evaluation",
        "interpret",
        "models",
        "modules",
        "nn",
        "predictors",
        "training",
    )
    return first == "allennlp_models" or second in packages or exists(f"nlpreg.{second}")


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
