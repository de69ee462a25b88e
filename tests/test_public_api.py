"""What holds for everything that users import, name in a config, or read about."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import nlpreg
from nlpreg.common.config.describe import parse_docstring
from nlpreg.common.config.hints import signature_of
from nlpreg.common.config.registry import REGISTRY

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(nlpreg.__path__, "nlpreg.")
    if not module.name.endswith("__main__")
)
# Folders whose modules are imported one by one.
BARE_PACKAGES = {"nlpreg.commands.runs", "nlpreg.common.config", "nlpreg.common.runtime"}
PACKAGES = [
    "nlpreg",
    *(
        name
        for name in MODULES
        if hasattr(importlib.import_module(name), "__path__") and name not in BARE_PACKAGES
    ),
]
# These import a thing when it is asked for.
LAZY_PACKAGES = {name for name in PACKAGES if "__getattr__" in vars(importlib.import_module(name))}

Part = tuple[type | Callable[..., Any], Callable[..., Any] | None]


def registered_parts() -> dict[str, Part]:
    """Everything of ours that a config can name: the class, and the constructor it was registered with."""
    parts: dict[str, Part] = {}
    for base, names in REGISTRY.items():
        for name, (registered, constructor) in names.items():
            if base.__module__.startswith("nlpreg.") and registered.__module__.startswith("nlpreg."):
                key = f"{base.__name__}:{name}"
                parts[key] = registered, getattr(registered, constructor) if constructor else None
    return parts


PARTS = registered_parts()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_exports_what_it_imports_in_order(package: str) -> None:
    module = importlib.import_module(package)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("nlpreg")
        for alias in node.names
        if not (alias.asname or "").startswith("_") or alias.asname == "__version__"
    }
    assert set(module.__all__) == imported
    # constants, then classes, then the rest, as ruff has it
    assert module.__all__ == sorted(
        module.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", sorted(set(PACKAGES) - LAZY_PACKAGES))
def test_a_package_only_imports(package: str) -> None:
    tree = ast.parse(Path(str(importlib.import_module(package).__file__)).read_text(encoding="utf-8"))
    docstring, *statements = tree.body
    assert isinstance(docstring, ast.Expr)
    others = [node for node in statements if not isinstance(node, (ast.Import, ast.ImportFrom))]
    assert [ast.unparse(node).partition(" ")[0] for node in others] == ["__all__"]


@pytest.mark.parametrize("part", PARTS)
def test_the_annotations_of_a_registered_constructor_say_what_a_config_may_hold(part: str) -> None:
    # An annotation that stays a string names something that its module does not know at run time.
    parameters = signature_of(*PARTS[part]).parameters.values()
    assert [p.name for p in parameters if p.annotation is p.empty or isinstance(p.annotation, str)] == []
    # and tools that do not evaluate strings see the same
    cls, constructor = PARTS[part]
    seen = inspect.signature(constructor or cls).parameters.values()
    assert [p.name for p in seen if isinstance(p.annotation, str)] == []


@pytest.mark.parametrize("part", PARTS)
def test_every_argument_of_a_registered_constructor_is_documented(part: str) -> None:
    registered, constructor = PARTS[part]
    own = documented_by(registered)
    by_all = own | (documented_by(constructor) if constructor else set())
    by_all = by_all.union(
        *map(documented_by, inspect.getmro(registered)[1:] if inspect.isclass(registered) else ())
    )
    arguments = set(signature_of(registered, constructor).parameters)
    assert sorted(arguments - by_all) == []
    if constructor is None:
        assert sorted(own - arguments - {"kwargs"}) == [], "documented, but no arguments"


def documented_by(thing: Any) -> set[str]:
    docstring = vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__
    return set(parse_docstring(docstring or "")[1])


def test_every_public_class_and_function_has_a_docstring() -> None:
    assert [name for module in MODULES for name in without_docstring(importlib.import_module(module))] == []


def without_docstring(module: ModuleType) -> Iterator[str]:
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(thing):
            if not thing.__doc__ or thing.__doc__.startswith(f"{name}("):  # what a dataclass makes up
                yield f"{module.__name__}.{name}"
            for attribute, value in vars(thing).items():
                function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
                if not attribute.startswith("_") and inspect.isfunction(function) and not function.__doc__:
                    yield f"{module.__name__}.{name}.{attribute}"
        elif inspect.isfunction(thing) and not thing.__doc__:
            yield f"{module.__name__}.{name}"
