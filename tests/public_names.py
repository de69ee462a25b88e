"""Names of AllenNLP's public surface, as the pages of a specification give them, held against the package.

    python tests/public_names.py FOLDER

prints the names in the pages of FOLDER (*.md) that nlpreg does not have: dotted names that begin with `nlpreg.`, which must
be importable, and the names of classes, functions and methods before a parenthesis, which must be somewhere.
"""

import builtins
import functools
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nlpreg

CODE = re.compile(r"`([^`]+)`")
DOTTED = re.compile(r"(?:nlpreg|nlpreg_models)(?:\.\w+)+")
CALL = re.compile(r"(?:^|(?<=[\s.,(|]))([A-Za-z_]\w{2,})\((?!\))")


NO_NAMES = frozenset(
    [
        "Mid",
        "MyBase",
        "MyReader",
        "act",
        "add_parser",
        "attn",
        "choice_func",
        "deepcopy",
        "drop",
        "extVar",
        "proj",
        "subclass",
        "tiny",
        "zeros",
    ]
)
"""Letters and examples of the pages, and functions of Python or Jsonnet."""


def names_in(folder: Path) -> Iterator[tuple[str, str]]:
    """(place, name) of each name in the code of the pages, each name once."""
    seen = set()
    for page in sorted(folder.glob("*.md")):
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
            for code in CODE.findall(line):
                for name in (*DOTTED.findall(code), *CALL.findall(code)):
                    if name not in seen:
                        seen.add(name)
                        yield f"{page.name}:{number}", name


def exists(name: str) -> bool:
    """Whether a dotted name is a module or leads from one to an attribute; whether another name is anywhere."""
    if "." not in name:
        return name in names_anywhere()
    steps = name.split(".")
    for i in range(len(steps), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(steps[:i]))
        except ImportError:
            continue
        for step in steps[i:]:
            if not hasattr(found, step):
                return False
            found = getattr(found, step)
        return True
    return False


@functools.cache
def names_anywhere() -> frozenset[str]:
    """Names in all modules of nlpreg and of their classes, those of Python, torch and the libraries they come from."""
    names: set[str] = set(dir(builtins))
    for module_name in (
        "nlpreg",
        *(
            m.name
            for m in pkgutil.walk_packages(nlpreg.__path__, "nlpreg.")
            if not m.name.endswith("__main__")
        ),
    ):
        module = importlib.import_module(module_name)
        names.update((*dir(module), module_name.rpartition(".")[2]))
        for thing in list(vars(module).values()):
            if inspect.isclass(thing):
                names.update(dir(thing))
                if thing.__module__.startswith("nlpreg"):
                    try:
                        names.update(inspect.signature(thing).parameters)
                    except (ValueError, TypeError):
                        continue
            elif inspect.isfunction(thing):
                names.update(inspect.signature(thing).parameters)
    return frozenset(names)


def missing(folder: Path) -> list[tuple[str, str]]:
    """(place, name) of those that nlpreg lacks."""
    return [(place, name) for place, name in names_in(folder) if name not in NO_NAMES and not exists(name)]


if __name__ == "__main__":
    for place, name in missing(Path(sys.argv[1])):
        print(f"{place}: {name}")
