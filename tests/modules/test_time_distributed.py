from typing import Any

import pytest
import torch
from torch import Tensor

from nlpreg.modules import TimeDistributed


class Parts(torch.nn.Module):
    def forward(
        self, x: Tensor, scale: float = 1.0, *, extra: Tensor | None = None, whole: Any = None
    ) -> Any:
        first = x * scale if extra is None else x + extra
        return first, first.sum(-1), whole.size(0) if whole is not None and x.dim() == 0 else first.mean(-1)


def test_equals_one_timestep_at_a_time() -> None:
    linear = torch.nn.Linear(3, 2)
    x = torch.randn(4, 5, 3)
    result = TimeDistributed(linear)(x)
    torch.testing.assert_close(result, torch.stack([linear(x[:, t]) for t in range(5)], dim=1))
    assert set(TimeDistributed(linear).state_dict()) == {"_module.weight", "_module.bias"}


def test_ids() -> None:
    ids = torch.randint(0, 5, (2, 3, 4))
    assert TimeDistributed(torch.nn.Embedding(5, 6))(ids).shape == (2, 3, 4, 6)


def test_several_outputs_keywords_and_values_passed_through() -> None:
    x, extra = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    outputs = TimeDistributed(Parts())(x, 2.0, extra=extra, whole=torch.ones(7), pass_through=["whole"])
    assert isinstance(outputs, list)
    torch.testing.assert_close(outputs[0], x + extra)
    torch.testing.assert_close(outputs[1], (x + extra).sum(-1))
    assert outputs[2].shape == (2, 3)


def test_empty_batches() -> None:
    assert TimeDistributed(torch.nn.Linear(3, 2))(torch.zeros(0, 5, 3)).shape == (0, 5, 2)


def test_tensors_that_cannot_be_folded() -> None:
    with pytest.raises(RuntimeError, match="3 or more dimensions"):
        TimeDistributed(torch.nn.Linear(3, 2))(torch.zeros(4, 3))
    with pytest.raises(RuntimeError, match="at least one tensor"):
        TimeDistributed(Parts())(1.0)
