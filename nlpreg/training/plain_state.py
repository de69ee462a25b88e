"""What a checkpoint may hold: tensors and plain values, which load without running any code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy
import torch

from nlpreg.common.checks import ConfigurationError

_PLAIN = (bool, int, float, str, type(None))


def plain_state(value: Any, path: str = "") -> Any:
    """A state as plain containers of tensors and plain values.

    Mappings become dicts; numpy arrays become tensors, numpy scalars numbers and paths strings.

    Args:
        value: the state.
        path: where it belongs, for messages.

    Raises:
        ConfigurationError: there is something else in it.
    """
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, numpy.generic):
        return value.item()
    if isinstance(value, numpy.ndarray) and value.dtype != object:
        return torch.from_numpy(value)
    if type(value) in _PLAIN or isinstance(value, (torch.device, torch.dtype)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {key: plain_state(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [plain_state(item, f"{path}.{index}") for index, item in enumerate(value)]
        kind = next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind))
        return set(items) if kind is frozenset else kind(items)
    if isinstance(value, str):  # of a subclass, such as an enumeration of strings
        return str.__str__(value)
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    raise ConfigurationError(
        f"{path.lstrip('.')}: a checkpoint holds tensors and plain values only, got {type(value).__name__}; change the "
        "`state_dict` that returns it"
    )
