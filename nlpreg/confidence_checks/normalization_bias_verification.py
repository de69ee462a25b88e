"""A check for biases that have no effect because a normalisation layer follows."""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

logger = logging.getLogger(__name__)

_NORMALIZATION_LAYERS: tuple[type[nn.Module], ...] = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.GroupNorm,
    nn.LayerNorm,
)


class NormalizationBiasVerification:
    """Records the order in which the modules of a model run, and finds biases followed by a normalisation.

    A normalisation subtracts the mean, so a constant added right before it has no effect.

    Args:
        model: the model.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._handles: list[RemovableHandle] = []
        self._finished: list[tuple[str, nn.Module]] = []

    def check(self, inputs: Mapping[str, Any]) -> bool:
        """Run the model once.

        Args:
            inputs: a batch, passed to the model by keyword.

        Returns:
            Whether no such bias was found; each one is logged as a warning.
        """
        self.register_hooks()
        try:
            self.model(**inputs)
        finally:
            self.destroy_hooks()
        return not self.collect_detections()

    def register_hooks(self) -> None:
        """Register the forward hooks."""
        self._finished = []
        for name, module in self.model.named_modules():
            self._handles.append(module.register_forward_hook(partial(self._note, name)))

    def destroy_hooks(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    @property
    def detected_pairs(self) -> list[tuple[str, str]]:
        """Names of the module with the bias and of the normalisation after it, without duplicates."""
        pairs: dict[tuple[str, str], None] = {}  # as an ordered set
        for (name, module), (next_name, next_module) in zip(self._finished, self._finished[1:], strict=False):
            bias = getattr(module, "bias", None)
            if not isinstance(bias, nn.Parameter) or not bias.requires_grad:
                continue
            if isinstance(next_module, _NORMALIZATION_LAYERS) and next_module.training:
                pairs[name, next_name] = None
        return list(pairs)

    def collect_detections(self) -> list[tuple[str, str]]:
        """The pairs found, which are also logged as a warning."""
        pairs = self.detected_pairs
        for name, next_name in pairs:
            logger.warning(
                "the bias of %s is undone by %s right after it; build %s with bias=False",
                name,
                next_name,
                name,
            )
        return pairs

    def _note(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        self._finished.append((name, module))
