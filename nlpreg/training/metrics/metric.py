"""`Metric`, the base class of the metrics, and reductions over the processes of a distributed run."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch import distributed as dist

from nlpreg.common import Registrable
from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.util.devices import map_tensors
from nlpreg.training.communicator import collective_device

_local_only: ContextVar[bool] = ContextVar("metrics_of_this_rank_only", default=False)


@contextmanager
def local_metrics() -> Iterator[None]:
    """Inside this context `get_metric` returns the value of this rank alone, without communication.

    Outside of it, `get_metric` is a collective call in a distributed run, which all ranks must make. The progress bar,
    which only one rank shows, reads its metrics inside this context.
    """
    token = _local_only.set(True)
    try:
        yield
    finally:
        _local_only.reset(token)


def several_ranks() -> bool:
    """Whether values must be gathered from other ranks."""
    if _local_only.get() or not (dist.is_available() and dist.is_initialized()):
        return False
    return dist.get_world_size() > 1


def sum_over_ranks(*parts: Tensor) -> list[Tensor]:
    """Add up the tensors of all ranks, in one transfer.

    Args:
        parts: tensors of numbers, with the same shapes on all ranks.

    Returns:
        The sums, float64 on CPU, one for each of `parts`; copies of `parts` if there is a single rank.
    """
    device = next((part.device for part in parts if part.device.type != "cpu"), torch.device("cpu"))
    wide = torch.float32 if device.type == "mps" else torch.float64
    flat = torch.cat([part.detach().reshape(-1).to(device=device, dtype=wide) for part in parts])
    if several_ranks():
        flat = flat.to(collective_device())
        dist.all_reduce(flat)
    flat = flat.cpu().double()
    pieces = torch.split(flat, [part.numel() for part in parts])
    return [piece.view(part.shape) for piece, part in zip(pieces, parts, strict=True)]


def gather_over_ranks(part: Tensor) -> list[Tensor]:
    """The tensors of all ranks, in the order of ranks, on CPU, as float64 or uint8.

    Args:
        part: numbers, or bytes on all ranks; only the size of the first dimension may differ between ranks.
    """
    part = part.detach()
    # a rank without batches may hold its values in another data type
    dtype = part.dtype if part.dtype == torch.uint8 else torch.float64
    if not several_ranks():
        return [part.cpu().to(dtype)]
    part = part.to(device=collective_device(), dtype=dtype).contiguous()
    ranks = dist.get_world_size()
    sizes = [torch.zeros(1, dtype=torch.long, device=part.device) for _ in range(ranks)]
    dist.all_gather(sizes, torch.tensor([part.size(0)], device=part.device))
    lengths = [int(size) for size in sizes]
    padded = part.new_zeros((max(lengths), *part.shape[1:]))
    padded[: part.size(0)] = part
    received = [torch.empty_like(padded) for _ in range(ranks)]
    dist.all_gather(received, padded)
    return [tensor[:length].cpu() for tensor, length in zip(received, lengths, strict=True)]


_PLAIN = (bool, int, float, str, Tensor, type(None))


class Metric(Registrable):
    """One or more values, accumulated over the batches of an epoch.

    Calling a metric adds one batch and returns nothing; `get_metric` returns the value over all batches since the last
    `reset`. Counts are kept in tensors on the device of the batches until `get_metric` reads them, so that a training
    step never waits for the device.

    In a distributed run each rank accumulates its own batches, and `get_metric` returns the value over all ranks. It is
    then a collective call, which every rank has to make, except inside `nlpreg.training.metrics.local_metrics()`.

    Masks are boolean, true where an item counts.
    """

    supports_distributed: ClassVar[bool] = False

    accumulators: ClassVar[tuple[str, ...] | None] = None
    """Names of the attributes with accumulated values (tensors, plain values, metrics); None for all attributes with
    plain values."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Add one batch.

        Most metrics take `(predictions, gold_labels, mask=None)`; each class documents its arguments.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement __call__")

    def get_metric(self, reset: bool = False) -> Any:
        """The value over all batches since the last `reset`.

        Args:
            reset: whether to reset the metric afterwards.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement get_metric")

    def reset(self) -> None:
        """Reset the metric."""
        raise NotImplementedError(f"{type(self).__name__} does not implement reset")

    def state_dict(self) -> dict[str, Any]:
        """The state since the last `reset`, as tensors and plain values."""
        if self.accumulators is not None:
            values = {name: getattr(self, name) for name in self.accumulators}
        else:
            values = {name: value for name, value in vars(self).items() if _is_plain(value)}
        # a metric of a plugin may hold a tensor with its graph, which cannot be copied
        return {
            name: value.state_dict() if isinstance(value, Metric) else map_tensors(value, _detached_copy)
            for name, value in values.items()
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a `state_dict` of a metric of this class."""
        for name, value in state_dict.items():
            held = getattr(self, name, None)
            if isinstance(held, Metric):
                held.load_state_dict(value)
            elif isinstance(held, dict):  # updated in place, since it may be a Counter or a defaultdict
                held.clear()
                held.update(value)
            else:
                setattr(self, name, copy.deepcopy(value))

    @staticmethod
    def detach_tensors(*tensors: Any) -> Iterator[Any]:
        """Yield the arguments, with tensors detached."""
        return (x.detach() if isinstance(x, Tensor) else x for x in tensors)

    def _require(self, condition: Tensor, error: Exception | str) -> None:
        """Raise `error` (a `ConfigurationError` if it is text) unless `condition`, a bool tensor of one element, is true.

        On a CPU this is checked at once; on other devices when the metric is read, so that no step waits for the device.
        """
        if torch.compiler.is_compiling():
            return
        if isinstance(error, str):
            error = ConfigurationError(error)
        if condition.device.type == "cpu":
            if not bool(condition):
                raise error
            return
        pending: dict[str, tuple[Tensor, Exception]] = self.__dict__.setdefault("_pending_checks", {})
        earlier = pending.get(str(error))
        pending[str(error)] = (condition if earlier is None else condition & earlier[0], error)

    def _check_pending(self) -> None:
        """Raise the errors that `_require` deferred."""
        pending: dict[str, tuple[Tensor, Exception]] = self.__dict__.pop("_pending_checks", {})
        for condition, error in pending.values():
            if not bool(condition):
                raise error

    def _totals(self, reset: bool) -> list[Tensor]:
        """The numbers in `accumulators`, added up over the ranks: float64 on CPU."""
        self._check_pending()
        totals = sum_over_ranks(*(torch.as_tensor(getattr(self, name)) for name in self.accumulators or ()))
        if reset:
            self.reset()
        return totals


class RatioMetric(Metric):
    """A sum divided by a count, each over all batches and ranks.

    The sum and the count of this rank are scalars in the two attributes that `accumulators` names.
    """

    supports_distributed = True
    accumulators: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self.reset()

    def _add(self, amount: Tensor, count: Tensor) -> None:
        """Add the sum and the count of a batch, tensors of one element."""
        for name, value in zip(self.accumulators, (amount, count), strict=True):
            setattr(self, name, add(getattr(self, name), value))

    def _ratio(self, reset: bool, default: float = 0.0) -> float:
        """The sum divided by the count; `default` if the count is 0."""
        total, count = map(float, self._totals(reset))
        return total / count if count else default

    def get_metric(self, reset: bool = False) -> Any:
        """The ratio; 0.0 if the count is 0."""
        return self._ratio(reset)

    def reset(self) -> None:
        """Set the sum and the count to zero."""
        for name in self.accumulators:
            setattr(self, name, torch.zeros(()))


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, (str, int)) and _is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)


def _detached_copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()


def widest(value: Tensor) -> Tensor:
    """`value`, detached, in the widest floating type of its device, for the precision of long sums."""
    return value.detach().to(torch.float32 if value.device.type == "mps" else torch.float64)


def full(number: int, device: torch.device) -> Tensor:
    """A 0-d integer tensor, created on the device to avoid waiting for a copy."""
    return torch.full((), number, dtype=torch.long, device=device)


def add(held: Tensor, amount: Tensor) -> Tensor:
    """`held + amount` as a new tensor, on the device and in the type of `amount`."""
    return held.to(amount) + amount


def precision_recall_f1(correct: float, predicted: float, gold: float) -> tuple[float, float, float]:
    """Precision, recall and F1; exactly 1.0 if everything is correct, and 0.0 where there is nothing.

    Args:
        correct: number of correct predictions.
        predicted: number of all predictions.
        gold: number of gold items.
    """
    precision = correct / predicted if predicted else 0.0
    recall = correct / gold if gold else 0.0
    f1 = 2 * correct / (predicted + gold) if predicted + gold else 0.0
    return precision, recall, f1


def named_metrics(model: nn.Module) -> Iterator[tuple[str, Metric]]:
    """The metrics of a model and its submodules, with their paths, such as `encoder._accuracy`.

    Metrics are found in attributes, and in attributes that are dicts, lists or tuples (`metrics.accuracy3`). A metric with
    two paths is yielded twice.
    """
    for module_path, module in model.named_modules():
        prefix = f"{module_path}." if module_path else ""
        for name, value in vars(module).items():
            yield from _metrics_in(f"{prefix}{name}", value)


def _metrics_in(path: str, value: object) -> Iterator[tuple[str, Metric]]:
    if isinstance(value, Metric):
        yield path, value
    elif isinstance(value, (dict, list, tuple)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _metrics_in(f"{path}.{key}", item)


def metrics_state_dict(model: nn.Module) -> dict[str, dict[str, Any]]:
    """The state of each metric of a model by path, as tensors and plain values."""
    return {path: metric.state_dict() for path, metric in named_metrics(model)}


def load_metrics_state_dict(model: nn.Module, state: dict[str, dict[str, Any]]) -> None:
    """Resume the metrics of a model from `state`.

    Raises:
        ValueError: `state` was saved by a model with other metrics.
    """
    metrics = dict(named_metrics(model))
    if metrics.keys() != state.keys():
        raise ValueError(
            f"state of metrics: expected that of {sorted(metrics)}, got that of {sorted(state)}; "
            "it was saved by a model with other metrics"
        )
    for path, metric in metrics.items():
        metric.load_state_dict(state[path])
