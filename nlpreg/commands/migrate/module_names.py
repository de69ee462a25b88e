"""Where the modules of AllenNLP and of its companion package are in nlpreg."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import nlpreg

__all__ = ["new_name"]

_PARTS = {
    "dataset_readers": "nlpreg.data.dataset_readers",
    "models": "nlpreg.models",
    "predictors": "nlpreg.predictors",
    "modules": "nlpreg.modules",
    "metrics": "nlpreg.training.metrics",
    "heads": "nlpreg.models.heads",
}
"""Parts of a task of the companion package, and where they are."""

_MOVED = {
    "allennlp_models.lm.util.beam_search_generators": "nlpreg.nn.beam_search_generators",
    "allennlp_models.common.ontonotes": "nlpreg.data.dataset_readers.dataset_utils.ontonotes",
    "allennlp.common.testing.test_case.AllenNlpTestCase": "nlpreg.common.testing.test_case.NlpregTestCase",
}

_ROOT = Path(nlpreg.__file__).parent


def new_name(old: str) -> tuple[str, bool]:
    """The name in nlpreg of a module, or of something in a module, of AllenNLP.

    Args:
        old: a dotted name that begins with `allennlp` or `allennlp_models`.

    Returns:
        The new name, and whether it is there.
    """
    for moved, target in _MOVED.items():
        if old == moved or old.startswith(moved + "."):
            new = target + old[len(moved) :]
            return new, _exists(new)
    steps = old.split(".")
    if steps[0] == "allennlp":
        new = ".".join(["nlpreg", *steps[1:]])
        return new, _exists(new)
    for i, step in enumerate(steps[1:], start=1):
        if step in _PARTS:
            new = ".".join([_PARTS[step], *steps[i + 1 :]])
            return new, _exists(new)
    return ".".join(["nlpreg", *steps[1:]]), False


def _exists(name: str) -> bool:
    """Whether a dotted name is a module of nlpreg or a name in one; nothing is imported to find out."""
    folder = _ROOT
    steps = name.split(".")[1:]
    for i, step in enumerate(steps):
        if (folder / step).is_dir() and (folder / step / "__init__.py").is_file():
            folder = folder / step
            continue
        if (folder / f"{step}.py").is_file():
            return not steps[i + 1 :] or steps[i + 1] in _names_in(folder / f"{step}.py")
        return step in _names_in(folder / "__init__.py")
    return True


@functools.lru_cache(maxsize=512)
def _names_in(file: Path) -> frozenset[str]:
    """Names that a module defines or imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"\w+", node.value)
        ):
            names.add(node.value)  # in `__all__`, or among names that are imported when asked for
    return frozenset(names)
