"""Migration of Python code: imports, module paths and some calls are rewritten; all other bytes are unchanged."""

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
"""Subpackages of `allennlp_models` that `nlpreg_models` has."""
_OVERRIDES = {"overrides": ("typing_extensions", "override"), "final": ("typing", "final")}
"""Names of the package overrides -> module and name of an equivalent that needs no package."""


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str


class _Code:
    """The text of a file, its syntax tree, and the edits to make.

    Args:
        text: text of the file.
        file: name of the file, for the log.
        log: records the changes and the remaining work.

    Raises:
        SyntaxError, tokenize.TokenError: this version of Python cannot parse the text.
    """

    def __init__(self, text: str, file: str, log: MigrationLog) -> None:
        self.text, self.file, self.log = text, file, log
        self.tree = ast.parse(text)
        self.tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        self.offsets = _line_offsets(text)
        self.edits: list[_Edit] = []

    def offset(self, line: int, byte_column: int) -> int:
        """Convert a line and a column in bytes, as in the syntax tree, to an offset in characters."""
        start = self.offsets[line - 1]
        end = self.offsets[line] if line < len(self.offsets) else len(self.text)
        return start + len(self.text[start:end].encode("utf-8")[:byte_column].decode("utf-8"))

    def span(self, node: ast.expr | ast.stmt | ast.keyword | ast.alias) -> tuple[int, int]:
        """Start and end offset of a node."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)

    def location(self, node: ast.expr | ast.stmt | ast.keyword | ast.alias) -> str:
        """ "file:line" of a node."""
        return f"{self.file}:{node.lineno}"

    def edit(self, start: int, end: int, text: str) -> None:
        """Replace a part of the file by `text`."""
        self.edits.append(_Edit(start, end, text))

    def result(self) -> str:
        """The text with all edits applied."""
        text = self.text
        for edit in sorted(self.edits, key=lambda edit: edit.start, reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        return text


def migrate_code(text: str, file: str, log: MigrationLog) -> str:
    """Rewrite code for nlpreg's modules.

    Args:
        text: text of the file.
        file: name of the file, for the log.
        log: records the changes, and names that nlpreg does not have.
    """
    if "allennlp" not in text and "overrides" not in text:
        return text
    try:
        code = _Code(text, file, log)
    except (SyntaxError, tokenize.TokenError) as error:
        log.leave(file, f"this version of Python cannot parse the file ({error}); nothing in it was changed")
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
    """The names in calls such as `@Base.register("name")`."""
    return set(re.findall(r"""\.register\(\s*(?:name\s*=\s*)?["']([^"']+)["']""", text))


def _rewrite_import(code: _Code, node: ast.Import) -> None:
    """Rewrite `import allennlp.x as y`; only the name of the module changes."""
    for alias in node.names:
        if alias.name.split(".")[0] == "overrides":
            code.log.leave(
                code.location(alias), "the package overrides is imported here; pip install overrides==3.1.0"
            )
        if alias.name.split(".")[0] not in _OLD:
            continue
        start = code.offset(alias.lineno, alias.col_offset)
        new = _module(alias.name, code.location(alias), code.log)
        code.edit(start, start + len(alias.name), new)
        code.log.did(code.location(alias), f"{alias.name} is now {new}")


def _rewrite_from_import(code: _Code, node: ast.ImportFrom) -> None:
    """Rewrite `from allennlp.x import y`; the layout is preserved if the names are unchanged and in the same module."""
    assert node.module is not None
    location = code.location(node)
    homes: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
    is_renamed = False
    for alias in node.names:
        home, name = _home(node.module, alias.name, code.location(alias), code.log)
        is_renamed |= name != alias.name
        # imported under the old name, which the rest of the code uses
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
    code.log.did(location, f"the import from {node.module} is now one from {', '.join(homes)}")


def _rewrite_overrides(code: _Code, node: ast.ImportFrom) -> None:
    """Rewrite `from overrides import overrides`, because AllenNLP depends on that package and nlpreg does not."""
    homes: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
    for alias in node.names:
        if alias.name not in _OVERRIDES:
            code.log.leave(
                code.location(node),
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
        code.location(node),
        f"overrides is now imported from {', '.join(homes)}: the package overrides is not needed (version 4 of it would "
        "check signatures)",
    )


def _module(name: str, location: str, log: MigrationLog) -> str:
    new, is_known = new_module_name(name)
    if name.startswith("allennlp_models") and not is_known:
        task = ".".join(name.split(".")[1:2])
        if task in _TASKS:
            return f"nlpreg_models.{task}"
        if task:
            log.leave(location, f"AllenNLP's model package had {name}, nlpreg does not")
        return "nlpreg_models"
    if not is_known:
        log.leave(location, f"there is no {new} in nlpreg")
    return new


def _home(module: str, name: str, location: str, log: MigrationLog) -> tuple[str, str]:
    """The module of nlpreg that defines a name, and the name there."""
    if name == "*":
        return _module(module, location, log), name
    if module == "allennlp_models":
        if name not in _TASKS:
            log.leave(location, f"AllenNLP's model package had {module}.{name}, nlpreg does not")
        return "nlpreg_models", name
    old = f"{module}.{name}"
    new, is_known = new_module_name(old)
    if old in MOVED_NOTES:
        log.leave(location, f"{old} is now {new}: {MOVED_NOTES[old]}")
    home, _, new_name = new.rpartition(".")
    if is_known:
        return home, new_name
    found = _definitions().get(name, "")
    # the same name in another package of nlpreg is a different thing, for example `commands.elmo.Elmo`
    if found and (module.startswith("allennlp_models") or found.split(".")[1] == module.split(".")[1]):
        return found, name
    whose = "AllenNLP's model package had" if module.startswith("allennlp_models") else "AllenNLP had"
    log.leave(location, f"{whose} {old}, nlpreg has no equivalent")
    return home, new_name


def _statement(home: str, names: list[tuple[str, str | None]]) -> str:
    return f"from {home} import " + ", ".join(
        f"{name} as {alias}" if alias else name for name, alias in names
    )


def _rewrite_class(code: _Code, node: ast.ClassDef) -> None:
    """Remove the argument `lazy` of readers, and rename `decode` of models."""
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
                code.log.did(code.location(function), "the model's decode is now make_output_human_readable")
                code.log.leave(code.location(function), "decode was renamed; check your code for calls of it")


def _without_lazy(code: _Code, call: ast.Call) -> None:
    """Rewrite `super().__init__(lazy)` to `super().__init__()`."""
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
            code.location(call),
            "lazy was removed from the reader's super().__init__: it is now an option of the data loader",
        )
        return


def _rewrite_tokens(code: _Code) -> None:
    """Rewrite names of the packages in expressions, and module paths in strings, outside of other edits."""
    rewritten = list(code.edits)
    tokens = code.tokens
    for i, token in enumerate(tokens):
        start = code.offsets[token.start[0] - 1] + token.start[1]
        end = code.offsets[token.end[0] - 1] + token.end[1]
        if any(edit.start <= start < edit.end for edit in rewritten):
            continue
        location = f"{code.file}:{token.start[0]}"
        if token.type == tokenize.NAME and token.string in _OLD and tokens[i - 1].string != ".":
            if tokens[i + 1].string == "=":  # a keyword argument or variable of this name
                continue
            new = token.string.replace("allennlp", "nlpreg")
            code.edit(start, end, new)
            code.log.did(location, f"{token.string} is now {new}")
        elif token.type == tokenize.STRING:
            inside = token.string.strip("rRbBuU").strip("'\"")
            if _OLD_PATH.fullmatch(inside) and _is_module_path(inside):
                new, is_known = new_module_name(inside)
                code.edit(start, end, token.string.replace(inside, new))
                code.log.did(location, f"{inside} is now {new}")
                if not is_known:
                    code.log.leave(location, f"there is no {new} in nlpreg")
            elif _REQUIREMENT.fullmatch(inside):
                code.log.leave(location, f"{token.string}: require nlpreg instead, if this is a requirement")


def _is_module_path(text: str) -> bool:
    """Whether a text is a module path of AllenNLP, and not a file name such as `allennlp.jsonnet`."""
    first, second = text.split(".")[:2]
    # nlpreg has all packages of AllenNLP but this one
    return first == "allennlp_models" or second == "interpret" or exists(f"nlpreg.{second}")


@functools.cache
def _definitions() -> dict[str, str]:
    """Public classes and functions of nlpreg -> the module that defines them; names defined in several are excluded."""
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
