"""Getting a trainer's parts ready: the model on its device, its parameters, the callbacks."""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn

from nlpreg.common.checks import ConfigurationError, check_at_least, check_patterns
from nlpreg.nn.parallel import DdpAccelerator, DdpWrappedModel, TorchDdpAccelerator
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.callbacks.confidence_checks import ConfidenceChecksCallback
from nlpreg.training.metric_tracker import MetricTracker
from nlpreg.training.precision import HalfDtype, Precision, half_dtype
from nlpreg.training.protocols import BatchLoader, NamedParameters, TrainableModel, loader_length
from nlpreg.training.trainer import check_world_size

logger = logging.getLogger(__name__)

_DDP_PREFIX = "module."


def place_model(
    model: TrainableModel, device: torch.device, distributed: bool, accelerator: DdpAccelerator | None
) -> tuple[TrainableModel, DdpWrappedModel | None]:
    """Move a model to its device; in a distributed run, wrap it for the exchange of gradients.

    Returns:
        The model, and its wrapped form if there is one.
    """
    if not distributed:
        cast(nn.Module, model).to(device)
        return model, None
    accelerator = accelerator or TorchDdpAccelerator(cuda_device=device)
    wrapped: tuple[Any, DdpWrappedModel] = accelerator.wrap_model(cast(Any, model))
    return wrapped


def parameters_to_train(module: nn.Module, no_grad: Sequence[str] | None) -> NamedParameters:
    """Freeze the parameters that match a regular expression of `no_grad`; return the others that can be trained.

    Raises:
        ConfigurationError: none is left.
    """
    named = [(name.removeprefix(_DDP_PREFIX), parameter) for name, parameter in module.named_parameters()]
    for name, parameter in named:
        if no_grad and any(re.search(pattern, name) for pattern in no_grad):
            parameter.requires_grad_(False)
    trained = [(name, parameter) for name, parameter in named if parameter.requires_grad]
    if not trained:
        raise ConfigurationError(
            f"trainer.no_grad: expected some parameters to train, got none; {list(no_grad or [])} freezes all of them"
            if named
            else "model: expected parameters to train, got a model without any; use the trainer `no_op`"
        )
    frozen = [name for name, parameter in named if not parameter.requires_grad]
    logger.info("The following parameters are frozen: %s", ", ".join(frozen) or "none")
    logger.info("The following parameters are tunable: %s", ", ".join(name for name, _ in trained))
    return trained


def steps_per_epoch(loader: BatchLoader, num_gradient_accumulation_steps: int) -> int | None:
    """Number of updates of an epoch; None where the loader has no length."""
    length = loader_length(loader)
    return None if length is None else -(-length // num_gradient_accumulation_steps)


def all_callbacks(
    callbacks: Sequence[TrainerCallback] | None,
    defaults: Sequence[type[TrainerCallback]],
    run_confidence_checks: bool,
    serialization_dir: str,
) -> list[TrainerCallback]:
    """The user's callbacks, and after them one of each default class that is not among them."""
    complete = list(callbacks or [])
    wanted = [*defaults, *([ConfidenceChecksCallback] if run_confidence_checks else [])]
    for cls in wanted:
        if all(type(callback) is not cls for callback in complete):
            complete.append(cls(serialization_dir))
    return complete


def make_precision(
    device: torch.device,
    use_amp: bool,
    dtype: HalfDtype | None,
    grad_scaling: bool,
    wrapped: DdpWrappedModel | None,
) -> Precision:
    """The number formats of a step, with a scaler for float16."""
    scaler = None
    if use_amp and grad_scaling and half_dtype(device, dtype) == torch.float16:
        scaler = torch.amp.GradScaler(device.type) if wrapped is None else wrapped.init_grad_scaler()
    return Precision(device, use_amp, dtype, scaler)


def compile_forward(module: nn.Module, backend: str = "inductor") -> None:
    """Let `torch.compile` compile a module when it is first run, once for batches of all lengths.

    Args:
        module: what to compile.
        backend: what makes code of the graphs, as in `torch.compile`.
    """
    compiler_options: Any = importlib.import_module("torch._dynamo.config")
    if hasattr(compiler_options, "allow_rnn"):
        # Recurrent encoders are one operator to the compiler, but by default it does not look at anything that holds
        # torch's LSTM; it would break off there and compile how each batch is sorted by length, for each batch anew.
        compiler_options.allow_rnn = True
    module.compile(dynamic=True, backend=backend)


def check_options(
    patience: int | None,
    validation_metric: str | list[str] = "-loss",
    num_epochs: int = 20,
    num_gradient_accumulation_steps: int = 1,
    validate_every_num_batches: int | None = None,
    metrics_interval: int = 100,
    grad_clipping: float | None = None,
    no_grad: list[str] | None = None,
    distributed: bool = False,
    world_size: int = 1,
    has_validation: bool = False,
    grad_norm: float | bool = False,
) -> None:
    """Refuse options of the trainer that make no sense; `nlpreg check` does so too.

    Args:
        patience: as in the trainer, like the others.
        has_validation: whether there is validation data.
        grad_norm: as in the trainer.

    Raises:
        ConfigurationError: one makes no sense.
    """
    if patience is not None and (type(patience) is not int or patience <= 0):
        raise ConfigurationError(
            f"trainer.patience: expected a whole number above 0 or null, got {patience!r}; null never stops early"
        )
    if patience is None and has_validation:
        logger.info("trainer.patience is not set, so training does not stop early")
    MetricTracker(validation_metric, patience)  # raises on a metric without a sign
    check_at_least(0, num_epochs=num_epochs, grad_clipping=grad_clipping, grad_norm=grad_norm)
    check_at_least(
        1,
        num_gradient_accumulation_steps=num_gradient_accumulation_steps,
        validate_every_num_batches=validate_every_num_batches,
        metrics_interval=metrics_interval,
    )
    check_patterns(no_grad=no_grad)
    check_world_size(distributed, world_size)
