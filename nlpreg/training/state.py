"""State of a run besides weights and counters: random number generators, metrics, hidden states.

All of it consists of plain values and tensors, so that loading a checkpoint never runs code.
"""

import copy
import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics.metric import load_metrics_state_dict, metrics_state_dict
from nlpreg.training.protocols import CarriesState

_PLAIN = (bool, int, float, str, type(None))


def plain_state(value: Any, path: str = "") -> Any:
    """Convert a state to plain containers of tensors and plain values.

    Mappings become dicts; numpy arrays become tensors, numpy scalars numbers and paths strings.

    Args:
        value: the state.
        path: its path, for error messages.

    Raises:
        ConfigurationError: it contains an object of another type.
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


class RandomGenerators:
    """The random number generators of this process: those of Python, numpy and torch, on the CPU and GPUs.

    A loaded state takes effect in `restore`, which is called after the run is set up, because building the parts may
    draw random numbers.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """The states of the generators."""
        version, words, next_gauss = random.getstate()
        name, keys, position, has_gauss, cached = numpy.random.get_state(legacy=True)
        return {
            "python": {"version": version, "words": torch.tensor(words), "next_gauss": next_gauss},
            "numpy": {
                "name": str(name),
                # not every supported version of torch can save unsigned 32-bit integers
                "keys": torch.from_numpy(numpy.asarray(keys).astype(numpy.int64)),
                "position": int(position),
                "has_gauss": int(has_gauss),
                "cached": float(cached),
            },
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep a state until `restore` applies it."""
        self._loaded = state_dict

    def restore(self) -> None:
        """Set the generators to the loaded state, once; without one, do nothing.

        The generators of the GPUs are not changed if the number of GPUs differs.
        """
        state, self._loaded = self._loaded, None
        if state is None:
            return
        python, legacy = state["python"], state["numpy"]
        # the legacy generator of numpy is the global one, which `numpy.random.seed` seeds and readers draw from
        random.setstate((python["version"], tuple(python["words"].tolist()), python["next_gauss"]))
        keys = legacy["keys"].numpy().astype(numpy.uint32)
        numpy.random.set_state(
            (legacy["name"], keys, legacy["position"], legacy["has_gauss"], legacy["cached"])
        )
        torch.set_rng_state(state["torch"])
        if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda"])


@dataclass(frozen=True)
class ModelSnapshot:
    """A snapshot of the state besides weights that a model keeps from batch to batch.

    Args:
        metrics: the state of its metrics: from the model's own `metrics_state_dict`, or of each `Metric` in it.
        carried: the hidden states that its modules carry over to the next batch, by path of the module.
    """

    metrics: dict[str, Any]
    carried: dict[str, Any]

    @classmethod
    def of(cls, model: nn.Module) -> "ModelSnapshot":
        """Take a snapshot, as a copy."""
        own = getattr(model, "metrics_state_dict", None)
        metrics = metrics_state_dict(model) if own is None else own()
        return cls(copy.deepcopy(metrics), copy.deepcopy(_carried_states(model)))

    def restore(self, model: nn.Module) -> None:
        """Restore the snapshot in the model."""
        own = getattr(model, "load_metrics_state_dict", None)
        metrics = copy.deepcopy(self.metrics)
        if own is None:
            load_metrics_state_dict(model, metrics)
        else:
            own(metrics)
        _load_carried_states(model, self.carried)

    def state_dict(self) -> dict[str, Any]:
        """The snapshot as plain containers."""
        return asdict(self)


def reset_states(model: Any) -> None:
    """Clear the hidden state of every stateful encoder of a model."""
    for encoder in _stateful_encoders(model):
        encoder.reset_states()


@contextmanager
def fresh_states(model: Any) -> Iterator[None]:
    """Reset stateful encoders within the block, and restore their hidden states afterwards.

    Args:
        model: a module; anything else is ignored.
    """
    encoders = _stateful_encoders(model)
    before = [getattr(encoder, _STATES) for encoder in encoders]
    for encoder in encoders:
        encoder.reset_states()
    try:
        yield
    finally:
        for encoder, states in zip(encoders, before, strict=True):
            setattr(encoder, _STATES, states)


def begins_pass(before: Mapping[str, Any], after: Mapping[str, Any], is_epoch_start: bool) -> bool:
    """Whether the last batches of a loader begin a new pass over the data.

    Args:
        before: the state of the loader before these batches; without `pass_batches`, each epoch is a pass.
        after: the state of the loader after them.
        is_epoch_start: whether these batches are the first of their epoch.
    """
    if "pass_batches" not in before:
        return is_epoch_start
    # after the last batch of a pass, the loader is at the start of the next pass, with `pass_batches` 0
    is_next = before.get("data_pass") != after.get("data_pass") and after["pass_batches"] > 0
    return bool(before["pass_batches"] == 0 or is_next)


_STATES = "_states"
"""The attribute in which encoders derived from AllenNLP's `_EncoderBase` keep their hidden state, encoders of plugins too.
It is part of the interface although its name begins with an underscore."""


def _stateful_encoders(model: Any) -> list[Any]:
    if not isinstance(model, nn.Module):
        return []
    return [
        module
        for module in model.modules()
        if getattr(module, "stateful", False) and hasattr(module, "reset_states") and hasattr(module, _STATES)
    ]


def _carried_states(model: nn.Module) -> dict[str, Any]:
    states: dict[str, Any] = {}
    for path, module in model.named_modules():
        if isinstance(module, CarriesState):
            states[path] = module.carried_state_dict()
        elif _keeps_state(module):
            states[path] = {_STATES: getattr(module, _STATES)}
    return states


def _load_carried_states(model: nn.Module, states: dict[str, Any]) -> None:
    modules = dict(model.named_modules())
    for path, state in states.items():
        module = modules[path]
        if isinstance(module, CarriesState):
            module.load_carried_state_dict(state)
        else:
            device = next((p.device for p in module.parameters()), torch.device("cpu"))
            kept = state[_STATES]
            setattr(module, _STATES, None if kept is None else tuple(part.to(device) for part in kept))


def _keeps_state(module: nn.Module) -> bool:
    """Whether a module keeps a tuple of tensors, or None before its first batch, as its hidden state."""
    states = vars(module).get(_STATES, 0)
    return states is None or (isinstance(states, tuple) and all(isinstance(s, Tensor) for s in states))
