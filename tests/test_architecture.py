"""Rules that hold everywhere, so that nobody has to remember them."""

import ast
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
