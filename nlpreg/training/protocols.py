"""Protocols that the trainer requires of models, data loaders and parts with state.

The trainer is typed against these instead of `nlpreg.models.Model`. Any torch module whose `forward` returns a
dictionary with a `loss` can therefore be trained, and this package does not depend on the models.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, Union, runtime_checkable

from torch import Tensor, nn

TensorDict = dict[str, Any]
"""A batch: tensors, or nested dictionaries of tensors, by field name."""

ModelOutputs = dict[str, Any]
"""The result of `forward`: `loss` (0-d tensor), optionally `batch_weight`, and any other outputs."""

NamedParameters = list[tuple[str, nn.Parameter]]
"""The parameters to train with their names, in the order of the model."""

MetricValues = dict[str, Any]
"""Metrics by name; mostly floats."""

GradientNorm = Union[float, Tensor, None]
"""A norm as a number, or as a 0-d tensor that was not read from its device; None if it was not computed."""


class TrainableModel(Protocol):
    """A torch module with metrics.

    `forward` takes the fields of a batch by keyword and returns `ModelOutputs`. Its `loss` is the mean over the
    targets of the batch. If it also returns `batch_weight`, the number of these targets as a 0-d tensor, losses are
    weighted by it wherever they are averaged. A model whose `loss` is a sum over the batch sets the class attribute
    `loss_is_sum = True`; its losses are added instead.
    """

    training: bool
    forward: Callable[..., Any]

    def __call__(self, **inputs: Any) -> ModelOutputs:
        """Run `forward`, and the hooks around it."""

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """Metrics over the batches since the last reset."""

    def get_regularization_penalty(self) -> Tensor | None:
        """The penalty to add to the loss in training, or None."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All parameters."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """All parameters with their names, such as `encoder.weight`."""

    def named_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """The module itself and all modules in it, with their paths."""

    def train(self, mode: bool = True) -> Any:
        """Switch to training mode."""

    def eval(self) -> Any:
        """Switch to evaluation mode."""

    def state_dict(self) -> dict[str, Any]:
        """The weights and buffers by name."""

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Any:
        """Load weights and buffers; with `strict`, the names must agree."""


class ReadableModel(TrainableModel, Protocol):
    """A model that can convert its outputs to a readable form."""

    def make_output_human_readable(self, output_dict: ModelOutputs) -> ModelOutputs:
        """Add a readable form of the predictions to the outputs of `forward`."""


class BatchLoader(Protocol):
    """A source of batches, such as `nlpreg.data.data_loaders.DataLoader`; each iteration is an epoch."""

    def __iter__(self) -> Iterator[TensorDict]: ...

    def set_target_device(self, device: Any) -> None:
        """Set the device of the batches."""


@runtime_checkable
class Stateful(Protocol):
    """A part of a run whose state belongs in a checkpoint."""

    def state_dict(self) -> dict[str, Any]:
        """The state, as tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Restore such a state."""


@runtime_checkable
class CarriesState(Protocol):
    """A module that carries hidden state from one batch to the next, such as a stateful encoder.

    This state is not part of `state_dict`, but a checkpoint within an epoch needs it.
    """

    def carried_state_dict(self) -> dict[str, Any]:
        """The state carried over to the next batch, as tensors and plain values."""

    def load_carried_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore such a state."""


def loader_length(loader: BatchLoader) -> int | None:
    """Number of batches of an epoch; None if the loader does not know it."""
    try:
        return len(loader)  # type: ignore[arg-type]  # a loader without length raises TypeError
    except (TypeError, NotImplementedError):
        return None


def metrics_of(model: Any, reset: bool = False) -> dict[str, Any]:
    """The metrics of a model; an empty dictionary if it has no `get_metrics`.

    Args:
        model: the model.
        reset: whether to reset the metrics afterwards.
    """
    get_metrics = getattr(model, "get_metrics", None)
    metrics: dict[str, Any] = {} if get_metrics is None else get_metrics(reset=reset)
    return metrics


def penalty_of(model: Any) -> Tensor | None:
    """The penalty that a model adds to the loss in training, a 0-d tensor; None if it has no `get_regularization_penalty`."""
    get_penalty = getattr(model, "get_regularization_penalty", None)
    penalty: Tensor | None = None if get_penalty is None else get_penalty()
    return penalty
