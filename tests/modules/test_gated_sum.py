import pytest
import torch

from nlpreg.modules import GatedSum


def test_values() -> None:
    gated_sum = GatedSum(3)
    a, b = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    gate = torch.sigmoid(gated_sum._gate(torch.cat([a, b], -1)))
    torch.testing.assert_close(gated_sum(a, b), gate * a + (1 - gate) * b)
    assert (gated_sum.get_input_dim(), gated_sum.get_output_dim()) == (3, 3)
    assert set(gated_sum.state_dict()) == {"_gate.weight", "_gate.bias"}


def test_inputs_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="same shape"):
        GatedSum(3)(torch.zeros(2, 3), torch.zeros(1, 3))
    with pytest.raises(ValueError, match="width 3, got 4"):
        GatedSum(3)(torch.zeros(2, 4), torch.zeros(2, 4))
