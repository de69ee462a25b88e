"""The base of every other package: the registry, construction from a config, and small helpers.

Names are imported on first access, so that the command line starts quickly.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlpreg.common.from_params import FromParams
    from nlpreg.common.lazy import Lazy
    from nlpreg.common.meta import Meta
    from nlpreg.common.params import Params
    from nlpreg.common.registrable import Registrable
    from nlpreg.common.tqdm import Tqdm
    from nlpreg.common.util import JsonDict

__all__ = ["FromParams", "JsonDict", "Lazy", "Meta", "Params", "Registrable", "Tqdm"]

_HOMES = {
    "FromParams": "nlpreg.common.from_params",
    "JsonDict": "nlpreg.common.util",
    "Lazy": "nlpreg.common.lazy",
    "Meta": "nlpreg.common.meta",
    "Params": "nlpreg.common.params",
    "Registrable": "nlpreg.common.registrable",
    "Tqdm": "nlpreg.common.tqdm",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
