"""The choice of torch's fused update, which does a whole optimizer step in one pass over the parameters."""

from __future__ import annotations

from typing import Any

import torch


class ChoosesFusedStep(torch.optim.Optimizer):
    """Mixed into an optimizer, lets it use the fused update wherever torch can.

    Whether gradients are sparse, which the fused updates cannot deal with, is only seen at the first step, so the
    choice is made there. `fused_devices` names the types of devices that have the update in every supported torch.
    """

    fused_devices: tuple[str, ...] = ("cpu", "cuda")
    _fused_is_open = False

    def choose_fused_at_first_step(self, fused: bool | None) -> None:
        """Leave the choice open if `fused` is None; otherwise it was made."""
        if fused is None:
            self._fused_is_open = True
            self.register_step_pre_hook(_choose)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict`, with the choice that was made then."""
        super().load_state_dict(state_dict)
        choices = {group.get("fused") for group in self.param_groups}
        if choices != {None}:
            self._fused_is_open = False
            self._step_supports_amp_scaling = choices == {True}

    def can_fuse(self) -> bool:
        """Whether every parameter and gradient is dense, of a floating type and on a device with the update."""
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if not parameter.is_floating_point() or parameter.device.type not in self.fused_devices:
                    return False
                if gradient is not None and gradient.layout != torch.strided:
                    return False
                if type(parameter.data) is not torch.Tensor:  # a sharded one
                    return False
        return torch.get_default_dtype() == torch.float32


def _choose(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    assert isinstance(optimizer, ChoosesFusedStep)
    if not optimizer._fused_is_open:
        return
    optimizer._fused_is_open = False
    fused = optimizer.can_fuse()
    optimizer._step_supports_amp_scaling = fused  # what torch's constructors set, too
    for group in optimizer.param_groups:
        group["fused"] = fused
