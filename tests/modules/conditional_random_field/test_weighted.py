"""The three conditional random fields with weights of labels."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.conditional_random_field import (
    ConditionalRandomField,
    ConditionalRandomFieldWeightEmission,
    ConditionalRandomFieldWeightLannoy,
    ConditionalRandomFieldWeightTrans,
)

CLASSES = {
    "emission": ConditionalRandomFieldWeightEmission,
    "emission_transition": ConditionalRandomFieldWeightTrans,
    "lannoy": ConditionalRandomFieldWeightLannoy,
}
X = torch.tensor([[[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]], [[0.5, 0.0], [1.0, 1.0], [9.0, 9.0]]])
Y = torch.tensor([[1, 1, 0], [0, 1, 0]])
MASK = torch.tensor([[True, True, True], [True, True, False]])


@pytest.mark.parametrize(
    ("name", "expected"), [("emission", -0.775545), ("emission_transition", -0.895054), ("lannoy", -3.214577)]
)
def test_reference_values(name: str, expected: float) -> None:
    crf = CLASSES[name](2, [1.0, 2.0])
    crf.transitions.data = torch.tensor([[0.1, 0.2], [-0.3, 0.4]])
    crf.start_transitions.data = torch.tensor([0.5, -0.5])
    crf.end_transitions.data = torch.tensor([0.0, 0.25])
    assert crf(X, Y, MASK).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", CLASSES)
def test_weights_of_one_change_nothing(name: str) -> None:
    torch.manual_seed(0)
    crf = CLASSES[name](3, [1.0] * 3)
    plain = ConditionalRandomField(3)
    plain.load_state_dict({key: value for key, value in crf.state_dict().items() if key != "label_weights"})
    logits, tags = torch.randn(4, 5, 3), torch.randint(0, 3, (4, 5))
    mask = torch.arange(5) < torch.tensor([[5], [1], [0], [3]])
    torch.testing.assert_close(crf(logits, tags, mask), plain(logits, tags, mask))
    assert crf.viterbi_tags(logits, mask) == plain.viterbi_tags(logits, mask)


@pytest.mark.parametrize("name", CLASSES)
def test_decoding_is_not_weighted_and_weights_are_saved(name: str) -> None:
    crf = CLASSES[name](2, [1.0, 100.0])
    plain = ConditionalRandomField(2)
    plain.transitions.data = crf.transitions.data
    plain.start_transitions.data = crf.start_transitions.data
    plain.end_transitions.data = crf.end_transitions.data
    assert crf.viterbi_tags(X, MASK) == plain.viterbi_tags(X, MASK)
    assert crf.state_dict()["label_weights"].tolist() == [1.0, 100.0]


@torch.no_grad()
def enumerate_weighted(
    crf: ConditionalRandomField, logits: Tensor, tags: list[int], scale_moves: bool
) -> float:
    """Likelihood of one sentence by enumeration, with the weights multiplied in."""
    weights = crf.label_weights.tolist()

    def score(path: tuple[int, ...]) -> float:
        total = float(crf.start_transitions[path[0]] + crf.end_transitions[path[-1]])
        total += sum(float(logits[t, tag]) * weights[tag] for t, tag in enumerate(path))
        return total + sum(
            float(crf.transitions[a, b]) * (weights[a] if scale_moves else 1.0)
            for a, b in itertools.pairwise(path)
        )

    everything = [score(path) for path in itertools.product(range(crf.num_tags), repeat=len(tags))]
    return score(tuple(tags)) - math.log(sum(math.exp(value) for value in everything))


@pytest.mark.parametrize("name", ["emission", "emission_transition"])
def test_equals_enumeration(name: str) -> None:
    torch.manual_seed(1)
    crf = CLASSES[name](3, [0.5, 2.0, 1.3])
    logits, tags = torch.randn(1, 4, 3), torch.tensor([[2, 0, 1, 1]])
    expected = enumerate_weighted(crf, logits[0], tags[0].tolist(), name == "emission_transition")
    assert crf(logits, tags).item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", CLASSES)
def test_gradient(name: str) -> None:
    torch.manual_seed(2)
    crf = CLASSES[name](3, [0.5, 2.0, 1.0]).double()
    logits = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    tags, mask = torch.randint(0, 3, (2, 4)), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]]).bool()
    assert torch.autograd.gradcheck(lambda x, *weights: crf(x, tags, mask), (logits, *crf.parameters()))


@pytest.mark.parametrize("name", CLASSES)
def test_weights_are_required(name: str) -> None:
    with pytest.raises(ConfigurationError, match="label_weights must be given"):
        CLASSES[name](2, None)
    with pytest.raises(ConfigurationError, match="expected 2 label weights"):
        CLASSES[name](2, [1.0])
