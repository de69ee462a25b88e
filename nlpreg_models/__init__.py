"""The module names of AllenNLP's companion package, as aliases of modules of `nlpreg`.

Code with `from allennlp_models.lm.models.language_model import LanguageModel` only has to replace `allennlp_models` by
`nlpreg_models`, which imports `nlpreg.models.language_model`. New code imports from `nlpreg`.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

__all__ = ["HOMES"]

HOMES = {
    "models": "nlpreg.models",
    "dataset_readers": "nlpreg.data.dataset_readers",
    "modules": "nlpreg.modules",
    "predictors": "nlpreg.predictors",
    "util": "nlpreg.nn",
}
"""Subpackage of `nlpreg_models.lm` (or `tagging`, `classification`) -> package of nlpreg."""

_TASKS = ("lm", "tagging", "classification")
_SINGLE = {
    "nlpreg_models.common": "nlpreg.data.dataset_readers.dataset_utils",
    "nlpreg_models.common.ontonotes": "nlpreg.data.dataset_readers.dataset_utils.ontonotes",
}


def _home(name: str) -> str | None:
    """The module of nlpreg for an old name; None for other names."""
    if name in _SINGLE:
        return _SINGLE[name]
    parts = name.split(".")
    if len(parts) < 3 or parts[0] != __name__ or parts[1] not in _TASKS or parts[2] not in HOMES:
        return None
    return ".".join([HOMES[parts[2]], *parts[3:]])


class _Aliases(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules by their old names, and loads the module of nlpreg itself, not a copy."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.startswith(__name__ + ".") and (_is_task(fullname) or _home(fullname)):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        if _is_task(module.__name__):
            for package in HOMES.values():
                for name, value in vars(importlib.import_module(package)).items():
                    if not name.startswith("_"):
                        setattr(module, name, value)
            return
        home = _home(module.__name__)
        assert home is not None  # checked by find_spec
        sys.modules[module.__name__] = importlib.import_module(home)


def _is_task(name: str) -> bool:
    return name in [f"{__name__}.{task}" for task in _TASKS]


# in the first place, because otherwise the path of an aliased package would lead to a second copy of its modules
sys.meta_path.insert(0, _Aliases())
