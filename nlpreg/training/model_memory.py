"""What a model remembers from batch to batch beside its weights: sums of its metrics, and hidden states."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nlpreg.training.metrics.metric import load_metrics_state_dict, metrics_state_dict
from nlpreg.training.protocols import CarriesState


@dataclass(frozen=True)
class ModelMemory:
    """The memory of a model at one moment.

    Args:
        metrics: what its metrics have gathered: from the model's own `metrics_state_dict`, or of each `Metric` in it.
        carried: the hidden states that its modules carry over to the next batch, by path.
    """

    metrics: dict[str, Any]
    carried: dict[str, Any]

    @classmethod
    def of(cls, model: nn.Module) -> ModelMemory:
        """The memory that a model has now; later batches do not change it."""
        own = getattr(model, "metrics_state_dict", None)
        metrics = metrics_state_dict(model) if own is None else own()
        return cls(copy.deepcopy(metrics), copy.deepcopy(_carried_states(model)))

    def put_back(self, model: nn.Module) -> None:
        """Let the model go on with this memory."""
        own = getattr(model, "load_metrics_state_dict", None)
        metrics = copy.deepcopy(self.metrics)
        if own is None:
            load_metrics_state_dict(model, metrics)
        else:
            own(metrics)
        _load_carried_states(model, self.carried)

    def state_dict(self) -> dict[str, Any]:
        """The memory as plain containers."""
        return asdict(self)


def _carried_states(model: nn.Module) -> dict[str, Any]:
    states: dict[str, Any] = {}
    for path, module in model.named_modules():
        if isinstance(module, CarriesState):
            states[path] = module.carried_state_dict()
        elif _is_stateful_encoder(module):
            states[path] = {"_states": module._states}
    return states


def _load_carried_states(model: nn.Module, states: dict[str, Any]) -> None:
    modules = dict(model.named_modules())
    for path, state in states.items():
        module = modules[path]
        if isinstance(module, CarriesState):
            module.load_carried_state_dict(state)
        else:
            device = next((p.device for p in module.parameters()), torch.device("cpu"))
            kept = state["_states"]
            module._states = None if kept is None else tuple(part.to(device) for part in kept)


def _is_stateful_encoder(module: nn.Module) -> bool:
    """Whether this is an encoder in the style of `_EncoderBase`, which keeps a tuple of tensors in `_states`."""
    states = vars(module).get("_states", 0)
    return states is None or (isinstance(states, tuple) and all(isinstance(s, Tensor) for s in states))
