"""Hidden states that modules carry from batch to batch, and where they have to start anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

__all__ = ["begins_pass", "fresh_states", "reset_states"]


def reset_states(model: Any) -> None:
    """Let every stateful encoder of a model forget what it has read."""
    for encoder in _stateful_encoders(model):
        encoder.reset_states()


@contextmanager
def fresh_states(model: Any) -> Iterator[None]:
    """Within the block, stateful encoders read a text of its own; afterwards they go on with the one before.

    Args:
        model: anything else than a module has no states.
    """
    encoders = _stateful_encoders(model)
    before = [encoder._states for encoder in encoders]
    for encoder in encoders:
        encoder.reset_states()
    try:
        yield
    finally:
        for encoder, states in zip(encoders, before, strict=True):
            encoder._states = states


def begins_pass(before: Mapping[str, Any], after: Mapping[str, Any], is_epoch_start: bool) -> bool:
    """Whether batches that were drawn from a loader belong to another pass over the data than those before.

    Args:
        before: the state of the loader before they were drawn.
        after: and afterwards; a loader that tells no passes apart has one in each epoch.
        is_epoch_start: whether they are the first of their epoch.
    """
    if "pass_batches" not in before:
        return is_epoch_start
    # after the last batch of all, the loader stands at the start of a pass of which nothing was drawn
    is_next = before.get("data_pass") != after.get("data_pass") and after["pass_batches"] > 0
    return bool(before["pass_batches"] == 0 or is_next)


def _stateful_encoders(model: Any) -> list[Any]:
    """The modules in the style of `_EncoderBase`, which keep their state in `_states`."""
    if not isinstance(model, nn.Module):
        return []
    return [
        module
        for module in model.modules()
        if getattr(module, "stateful", False)
        and hasattr(module, "reset_states")
        and hasattr(module, "_states")
    ]
