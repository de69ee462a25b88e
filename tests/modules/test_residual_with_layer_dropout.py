import pytest
import torch

from nlpreg.modules import ResidualWithLayerDropout

A, B = torch.ones(2, 3), torch.full((2, 3), 10.0)


def test_evaluation_scales_the_output() -> None:
    residual = ResidualWithLayerDropout(0.4).eval()
    torch.testing.assert_close(residual(A, B), torch.full((2, 3), 7.0))
    torch.testing.assert_close(residual(A, B, 1, 4), torch.full((2, 3), 10.0))


def test_training_drops_whole_layers() -> None:
    torch.manual_seed(0)
    residual = ResidualWithLayerDropout(0.5)
    kept = [bool(residual(A, B, 1, 2)[0, 0] == 11) for _ in range(400)]
    assert 0.65 < sum(kept) / 400 < 0.85
    assert torch.equal(ResidualWithLayerDropout(1.0)(A, B), A)
    assert torch.equal(ResidualWithLayerDropout(0.0)(A, B), A + B)


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_probability_must_be_one(probability: float) -> None:
    with pytest.raises(ValueError, match="expected a number from 0 to 1"):
        ResidualWithLayerDropout(probability)
