"""Rules that hold everywhere, so that nobody has to remember them."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nlpreg"

MAY_IMPORT: dict[str, set[str]] = {
    "common": set(),
    "nn": {"common"},
    "data": {"common", "nn"},
    "modules": {"common", "nn", "data"},
    "confidence_checks": {"common", "nn"},
    "training": {"common", "nn", "data", "confidence_checks"},
    "models": {"common", "nn", "data", "modules", "training"},
    "predictors": {"common", "data", "models"},
    "evaluation": {"common", "nn", "data", "training"},
    "commands": {"common", "nn", "data", "modules", "training", "models", "predictors", "evaluation"},
}
# A test-case base class needs everything; nothing imports it.
TESTING = PACKAGE / "common" / "testing"


def sources(folder: Path = PACKAGE) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.py")) if TESTING not in path.parents)


def imported_modules(path: Path, top_level_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checked_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if id(node) in checked_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_every_package_has_its_rule() -> None:
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert packages == set(MAY_IMPORT)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    for path in sources(PACKAGE / package):
        for module in imported_modules(path):
            parts = module.split(".")
            if parts[0] == "nlpreg" and len(parts) > 1 and parts[1] in MAY_IMPORT:
                if package == "common" and path.name == "plugins.py":
                    continue
                assert parts[1] in MAY_IMPORT[package] | {package}, f"{path} imports {module}"


def test_common_imports_no_torch_at_module_level() -> None:
    for path in sources(PACKAGE / "common"):
        heavy = {
            module
            for module in imported_modules(path, top_level_only=True)
            if module.split(".")[0] == "torch"
        }
        assert not heavy, f"{path} imports {heavy}"


def test_optional_packages_are_imported_on_first_use() -> None:
    core = {"torch", "filelock", "numpy", "tqdm", "nlpreg", *sys.stdlib_module_names}
    for path in sources():
        for module in imported_modules(path, top_level_only=True):
            assert module.split(".")[0] in core, f"{path} imports {module} at module level"


@pytest.mark.parametrize(
    "statement", ["import nlpreg", "import nlpreg.common", "import nlpreg.common.config.config_file"]
)
def test_light_imports_load_no_torch(statement: str) -> None:
    code = f"{statement}; import sys; sys.exit('torch' in sys.modules or '_jsonnet' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_no_torch(option: str) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['nlpreg', {option!r}]\n"
        "try:\n    runpy.run_module('nlpreg', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "assert not {'torch', 'numpy', '_jsonnet'} & set(sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr


def test_functions_can_be_read_at_a_glance() -> None:
    long = {}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno is not None:
                body = node.body[1:] if ast.get_docstring(node) else node.body
                length = node.end_lineno - body[0].lineno + 1 if body else 0
                if length > 60:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = length
    assert not long


def test_every_module_has_a_docstring() -> None:
    assert not [
        str(path) for path in sources() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]


# Expressions that are translated rather than written in English, and terms that the field names otherwise: "integer",
# "resume", "again", "forever", "rarely", "is not a number", "after the word", "must implement", "in order", "divide among",
# "distinguish", "passed by".
TRANSLATED = re.compile(
    r"in vain|\b(?:seldom|anew|strangers?|whole numbers?|for ever|nobody|somebody)\b|\bg(?:o|oes|oing|one) on with\b"
    r"|(?<!left )\bbehind\b|\b(?:must|may) write this\b|\bat a glance\b|\bone after the other\b|\bshar(?:e|es|ed|ing) out\b"
    r"|\b(?:tells?|told)\b.{0,20} apart\b|\bhand(?:s|ed)? over by\b"
    r"|\bcame out of the (?:data|training|validation)|\bdrawn (?:again|once more)\b|\b(?:left|start)_(?:overs?|anew)\b"
    r"|\blife of a\b|\bcame of\b|\bcomes of it\b|\bsee to it\b|\bthaw|\bof no worth\b|\bpolitely\b|\bfor want of\b|\bbroken off\b"
    r"|(?<!here )\bis no (?:file|model|number|object|path|regular|registered|tensor|text|zip)\b",
    re.IGNORECASE,
)


def test_texts_are_plain_technical_english() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in sources()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (match := TRANSLATED.search(line))
    ]
    assert not found


def test_errors_are_expected_by_their_message() -> None:
    bare = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "pytest.raises"
                and not any(keyword.arg == "match" for keyword in node.keywords)
                and not {
                    "KeyError",
                    "SystemExit",
                    "KeyboardInterrupt",
                    "FileNotFoundError",
                    "SigTermReceived",
                }
                & {ast.unparse(argument) for argument in node.args}
            ):
                bare.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not bare


def test_the_map_names_files_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_0-9]+/)+(?:[a-z_0-9]+\.py)?)`", text))
    assert len(named) > 10
    assert [
        path for path in sorted(named) if not (PACKAGE / path).exists() and not (ROOT / path).exists()
    ] == []


def private_reaches(path: Path) -> Iterator[str]:
    """Places where a file uses a private name of another object or module: `x._name`, `from m import _name`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nlpreg"):
            for alias in node.names:
                if alias.name.startswith("_") and not alias.name.startswith("__"):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}: {alias.name}"
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            owner = ast.unparse(node.value)
            if owner not in ("self", "cls", "super()", "type(self)", "type(cls)"):
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {owner}.{node.attr}"


# What is left: other objects of the same class, torch's own, and seams that AllenNLP's plugins use by these names.
MOST_PRIVATE_REACHES = 120


def test_private_names_are_used_where_they_belong() -> None:
    found = [reach for path in sources() for reach in private_reaches(path)]
    assert len(found) <= MOST_PRIVATE_REACHES, "\n".join(found)


def imports_between_modules() -> dict[str, set[str]]:
    """Module -> the modules of nlpreg that it imports at its top level, for type checking too."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sources()
    }
    graph: dict[str, set[str]] = {name: set() for name in modules}
    for name, path in modules.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        statements = [
            *tree.body,
            *(inner for node in tree.body if isinstance(node, ast.If) for inner in node.body),
        ]
        for node in statements:
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    target = f"{node.module}.{alias.name}"
                    graph[name].add(target if target in modules else node.module)
        graph[name] &= set(modules)
    return graph


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Sets of modules each of which reaches all others of its set."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in graph[waiting.pop()] - seen:
                seen.add(target)
                waiting.append(target)
        return seen

    reach = {name: reached(name) for name in graph}
    found: list[set[str]] = []
    for name in graph:
        circle = {other for other in reach[name] if name in reach[other]}
        if circle and circle not in found:
            found.append(circle)
    return found


def test_modules_import_each_other_one_way_only() -> None:
    # A field, an instance of fields and the vocabulary that counts them know each other's types.
    trio = {"nlpreg.data.fields.field", "nlpreg.data.instance", "nlpreg.data.vocabulary"}
    found = [circle for circle in circles(imports_between_modules()) if len(circle) > 2 and circle != trio]
    assert not found


def test_annotations_are_parsed_in_one_place() -> None:
    """`hints` evaluates them, `kinds` parses them; the table of torch's parts reads those of another library."""
    allowed = {"common/config/hints.py", "common/config/kinds.py", "nn/torch_parts.py"}
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\b(get_origin|get_args)\(", path.read_text(encoding="utf-8"))
    }
    assert readers <= allowed


def test_every_ignored_type_has_a_reason() -> None:
    for path in (*PACKAGE.rglob("*.py"), *(ROOT / "docs").rglob("*.py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not re.search(r"# type: ignore(?:\[[\w, -]*\])?$", line), f"{path}: {line}"


def test_every_missing_method_is_named() -> None:
    """A bare `NotImplementedError` reaches users of the command line as a name without a message."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_bare = isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name)
            assert not (is_bare and node.exc.id == "NotImplementedError"), f"{path}:{node.lineno}"
