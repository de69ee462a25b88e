"""Fixtures that compare tables of public names with the code: what is importable from where, and with which arguments."""

import ast
import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nlpreg.common.config.old_names import exists


@pytest.fixture(scope="session")
def surface_differences() -> Callable[[str], list[str]]:
    """A function that compares a table of public names with the code and returns what differs.

    The table has a module's name on a line of its own, and indented below it what can be imported from it: names, or
    calls such as `f(a, b=1, *, c=...)`, which give the parameters in order, with their defaults (`...` for any).
    The code may take more than that, as long as no old call breaks.
    """
    return lambda table: list(_differences(table))


def _differences(table: str) -> Iterator[str]:
    for module_name, entries in _modules_of(table):
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            yield f"{module_name}: {error}"
            continue
        for entry in entries:
            name, parenthesis, rest = entry.partition("(")
            owner, found = None, module
            try:
                for step in name.split("."):
                    owner, found = found, getattr(found, step)
            except AttributeError as error:
                yield f"{module_name}: {error}"
                continue
            if not exists(f"{module_name}.{name}"):
                yield f"{module_name}.{name}: nlpreg migrate does not find it"
            if parenthesis:
                for difference in _compare_parameters(rest, found, inspect.isclass(owner)):
                    yield f"{module_name}.{name}: {difference}; it is {inspect.signature(found)}"


def _modules_of(table: str) -> Iterator[tuple[str, list[str]]]:
    """Each module and its entries; lines indented twice continue the entry above."""
    for block in (
        ("\n" + inspect.cleandoc(table).replace("\n        ", " ")).replace("\n    ", "\0").split("\n")
    ):
        module_name, *lines = block.split("\0")
        if module_name:
            yield (
                module_name,
                [entry for line in lines for entry in ([line] if "(" in line else line.split())],
            )


def _compare_parameters(expected: str, function: Any, is_method: bool) -> Iterator[str]:
    (definition,) = ast.parse(f"def f({expected}: ...").body
    assert isinstance(definition, ast.FunctionDef)
    arguments = definition.args
    defaults = [*[None] * (len(arguments.args) - len(arguments.defaults)), *arguments.defaults]
    parameters = dict(inspect.signature(function).parameters)
    if is_method and next(iter(parameters), None) == "self":
        del parameters["self"]
    positional = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    names = [argument.arg for argument in arguments.args]
    if positional[: len(names)] != names:
        yield f"expected the arguments {names}"
    wanted = [*zip(names, defaults, strict=True)]
    wanted += [(a.arg, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    for name, default in wanted:
        if name not in parameters:
            yield f"expected an argument {name}"
        elif default is not None and not _is_default(ast.literal_eval(default), parameters[name].default):
            yield f"expected {name}={ast.unparse(default)}"
    for name, parameter in parameters.items():
        is_variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if name not in dict(wanted) and not is_variadic and parameter.default is parameter.empty:
            yield f"old calls do not give {name}"
    if arguments.kwarg and all(p.kind is not p.VAR_KEYWORD for p in parameters.values()):
        yield "expected **kwargs"


def _is_default(expected: Any, default: Any) -> bool:
    if default is inspect.Parameter.empty:
        return False
    return expected is ... or (
        expected == default and isinstance(expected, bool) == isinstance(default, bool)
    )


@pytest.fixture(scope="session")
def registry_differences() -> Callable[[str], list[str]]:
    """A function that compares registries with a table of lines `module.Base default: names`; `-` is no default."""

    def differences(table: str) -> Iterator[str]:
        for line in inspect.cleandoc(table).replace("\n    ", " ").splitlines():
            head, _, names = line.partition(":")
            path, default = head.split()
            module_name, _, base_name = path.rpartition(".")
            base = getattr(importlib.import_module(module_name), base_name)
            if (base.default_implementation or "-") != default:
                yield f"{base_name}: the default is {base.default_implementation}, expected {default}"
            if missing := set(names.split()) - set(base.list_available()):
                yield f"{base_name}: {sorted(missing)} are not registered"

    return lambda table: list(differences(table))
