import math

import numpy
import pytest
import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules import SoftmaxLoss
from nlpreg.modules.sampled_softmax_loss import (
    SampledSoftmaxLoss,
    _choice,
    expected_counts,
    log_uniform_probabilities,
    sample_without_replacement,
)


def test_probabilities() -> None:
    probabilities = log_uniform_probabilities(7)
    expected = [math.log((k + 2) / (k + 1)) / math.log(8) for k in range(7)]
    torch.testing.assert_close(probabilities, torch.tensor(expected))
    assert log_uniform_probabilities(100_000).double().sum().item() == pytest.approx(1.0, abs=1e-4)


def test_expected_counts_of_rare_classes_are_exact() -> None:
    probability = 1e-7
    counts = expected_counts(torch.tensor([probability, 0.5]), 1000)
    assert counts[0].item() == pytest.approx(-math.expm1(1000 * math.log1p(-probability)), rel=1e-5)
    assert counts[1].item() == 1.0


def one_by_one(probabilities: torch.Tensor, num_samples: int) -> tuple[list[int], int]:
    seen: list[int] = []
    tries = 0
    while len(seen) < num_samples:
        drawn = int(torch.multinomial(probabilities, 1))
        tries += 1
        if drawn not in seen:
            seen.append(drawn)
    return seen, tries


def test_same_law_as_drawing_one_by_one() -> None:
    torch.manual_seed(0)
    probabilities = log_uniform_probabilities(5)
    runs = 3000
    fast = [sample_without_replacement(probabilities, 3) for _ in range(runs)]
    slow = [one_by_one(probabilities, 3) for _ in range(runs)]
    fast_tries = torch.tensor([tries for _, tries in fast])
    slow_tries = torch.tensor([tries for _, tries in slow], dtype=torch.float32)
    error = 4 * slow_tries.std().item() * math.sqrt(2 / runs)
    assert abs((fast_tries.mean() - slow_tries.mean()).item()) < error
    for tries in (3, 4, 5, 6):
        share = [(values == tries).float().mean().item() for values in (fast_tries, slow_tries)]
        assert abs(share[0] - share[1]) < 4 * math.sqrt(0.5 / runs)
    for position in range(3):
        for k in range(5):
            of_fast = sum(int(classes[position]) == k for classes, _ in fast) / runs
            of_slow = sum(classes[position] == k for classes, _ in slow) / runs
            assert abs(of_fast - of_slow) < 4 * math.sqrt(0.5 / runs)


def test_samples_are_distinct_and_counted() -> None:
    classes, tries = sample_without_replacement(log_uniform_probabilities(1000), 999)
    assert len(set(classes.tolist())) == 999
    assert classes.dtype == torch.long
    assert tries >= 999
    assert tries == tries.round()


def test_first_draw_alone() -> None:
    _, tries = sample_without_replacement(log_uniform_probabilities(10), 1)
    assert tries == 1


def test_a_generator_repeats_itself() -> None:
    probabilities = log_uniform_probabilities(50)
    first = sample_without_replacement(probabilities, 20, torch.Generator().manual_seed(3))
    again = sample_without_replacement(probabilities, 20, torch.Generator().manual_seed(3))
    assert torch.equal(first[0], again[0])
    assert first[1] == again[1]


EMBEDDINGS = torch.tensor([[1.0, 0.5], [0.2, -1.0]])
TARGETS = torch.tensor([4, 1])


def five_tries(num_words: int, num_samples: int) -> tuple[object, int]:
    assert (num_words, num_samples) == (10, 3)
    return numpy.array([0, 4, 7]), 5


def reference(sparse: bool = False) -> SampledSoftmaxLoss:
    loss = SampledSoftmaxLoss(10, 2, 3, sparse=sparse)
    weight = torch.tensor([[2 * k / 10, (2 * k + 1) / 10] for k in range(10)])
    bias = torch.arange(10) / 10
    names = ["softmax_w.weight", "softmax_b.weight"] if sparse else ["softmax_w", "softmax_b"]
    loss.load_state_dict(dict(zip(names, [weight, bias.unsqueeze(1) if sparse else bias], strict=True)))
    loss.choice_func = five_tries
    return loss


@pytest.mark.parametrize("sparse", [False, True])
def test_reference_values(sparse: bool) -> None:
    loss = reference(sparse)
    assert loss(EMBEDDINGS, TARGETS).item() == pytest.approx(3.436242, abs=1e-5)
    sampled, of_targets, of_samples = loss.log_uniform_candidate_sampler(TARGETS, five_tries)
    assert sampled.tolist() == [0, 4, 7]
    torch.testing.assert_close(of_targets, torch.tensor([0.326589, 0.603937]), atol=1e-5, rtol=0)
    torch.testing.assert_close(of_samples, torch.tensor([0.818386, 0.326589, 0.222626]), atol=1e-5, rtol=0)
    loss.eval()
    assert loss(EMBEDDINGS, TARGETS).item() == pytest.approx(5.198538, abs=1e-5)


def by_definition(
    loss: SampledSoftmaxLoss, embeddings: Tensor, targets: Tensor, sampled: Tensor, tries: float
) -> Tensor:
    """The loss, row by row."""
    columns, bias = loss.layer()
    weight = columns.t()
    total = torch.zeros((), dtype=embeddings.dtype)

    def logit(row: int, word: int) -> Tensor:
        p = math.log((word + 2) / (word + 1)) / math.log(weight.size(0) + 1)
        q = -math.expm1(tries * math.log1p(-p))
        return embeddings[row] @ weight[word] + bias[word] - math.log(q + 1e-13)

    for row, target in enumerate(targets.tolist()):
        own = logit(row, target)
        others = [logit(row, word) for word in sampled.tolist() if word != target]
        total = total + torch.logsumexp(torch.stack([own, *others]), 0) - own
    return total


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("chunk_size", [None, 2])
def test_equals_the_definition(sparse: bool, chunk_size: int | None) -> None:
    torch.manual_seed(0)
    loss = SampledSoftmaxLoss(12, 4, 5, sparse=sparse, chunk_size=chunk_size)
    torch.nn.init.normal_(loss.softmax_b.weight if sparse else loss.softmax_b)
    sampled = torch.tensor([3, 0, 7, 11, 1])
    loss.choice_func = lambda num_words, num_samples: (sampled.numpy(), 9)
    embeddings = torch.randn(6, 4, requires_grad=True)
    targets = torch.tensor([0, 2, 7, 7, 11, 5])
    found, expected = loss(embeddings, targets), by_definition(loss, embeddings, targets, sampled, 9)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    parameters = [embeddings, *loss.parameters()]
    for a, b in zip(
        torch.autograd.grad(found, parameters), torch.autograd.grad(expected, parameters), strict=True
    ):
        assert a.is_sparse == (sparse and a.size(0) == 12)
        torch.testing.assert_close(a.to_dense(), b.to_dense(), rtol=1e-4, atol=1e-5)


def test_evaluation_equals_the_full_softmax() -> None:
    full, sampled = SoftmaxLoss(20, 3), SampledSoftmaxLoss(20, 3, 4).eval()
    sampled.load_state_dict({"softmax_w": full.softmax_w.t(), "softmax_b": full.softmax_b})
    embeddings, targets = torch.randn(7, 3), torch.randint(0, 20, (7,))
    torch.testing.assert_close(sampled(embeddings, targets), full(embeddings, targets))


def test_the_built_in_sampler_equals_the_definition() -> None:
    loss = SampledSoftmaxLoss(1000, 8, 200)
    embeddings, targets = torch.randn(50, 8), torch.randint(0, 1000, (50,))
    torch.manual_seed(3)
    sampled, tries = sample_without_replacement(log_uniform_probabilities(1000), 200)
    expected = by_definition(loss, embeddings, targets, sampled, tries.item())
    torch.manual_seed(3)
    torch.testing.assert_close(loss(embeddings, targets), expected, rtol=1e-5, atol=1e-4)


def test_seed_decides_the_samples() -> None:
    loss = SampledSoftmaxLoss(100, 2, 20)
    results = []
    for _ in range(2):
        torch.manual_seed(5)
        results.append(loss.log_uniform_candidate_sampler(TARGETS)[0])
    assert torch.equal(*results)
    assert len(set(results[0].tolist())) == 20


@pytest.mark.parametrize("training", [True, False])
def test_no_targets(training: bool) -> None:
    loss = SampledSoftmaxLoss(10, 2, 3).train(training)
    assert loss(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long)).item() == 0


def test_names_of_weights() -> None:
    dense, sparse = SampledSoftmaxLoss(10, 2, 3), SampledSoftmaxLoss(10, 2, 3, sparse=True)
    shapes = [{name: tuple(v.shape) for name, v in loss.state_dict().items()} for loss in (dense, sparse)]
    assert shapes[0] == {"softmax_w": (10, 2), "softmax_b": (10,)}
    assert shapes[1] == {"softmax_w.weight": (10, 2), "softmax_b.weight": (10, 1)}


def test_replaced_weights() -> None:
    loss = SampledSoftmaxLoss(10, 2, 3)
    loss.softmax_w = torch.nn.Parameter(torch.randn(30, 2))
    loss.softmax_b = torch.nn.Parameter(torch.zeros(30))
    loss.initialize_num_words()
    seen = {word for _ in range(200) for word in loss.log_uniform_candidate_sampler(TARGETS)[0].tolist()}
    assert max(seen) > 9
    loss(EMBEDDINGS, torch.tensor([29, 0]))


def test_choice_function_of_the_module() -> None:
    words, tries = _choice(50, 10)
    assert isinstance(words, numpy.ndarray)
    assert len(set(words.tolist())) == 10
    assert isinstance(tries, int)
    assert tries >= 10


def test_wrong_arguments() -> None:
    with pytest.raises(ConfigurationError, match="use_fast_sampler"):
        SampledSoftmaxLoss(10, 2, 3, use_fast_sampler=True)
    with pytest.raises(AssertionError, match="must be less than num_words"):
        SampledSoftmaxLoss(10, 2, 10)


@pytest.mark.parametrize("sparse", [False, True])
def test_groups_have_the_loss_and_gradients_of_single_calls(sparse):
    torch.manual_seed(0)
    loss = SampledSoftmaxLoss(30, 4, 7, sparse=sparse)
    groups = [
        (torch.randn(5, 4), torch.tensor([0, 3, -1, 29, 7])),
        (torch.empty(0, 4), torch.empty(0, dtype=torch.long)),
        (torch.randn(3, 4), torch.tensor([1, 1, 2])),
    ]
    torch.manual_seed(1)
    together = loss.losses(groups)
    torch.manual_seed(1)
    single = [loss(*group) for group in groups]
    torch.testing.assert_close(together, single)
    weights = list(loss.parameters())
    found, expected = (torch.autograd.grad(sum(losses), weights) for losses in (together, single))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.to_dense(), other.to_dense())


def test_targets_of_minus_one_do_not_count():
    torch.manual_seed(0)
    loss = SampledSoftmaxLoss(30, 4, 7)
    embeddings = torch.randn(3, 4, requires_grad=True)
    targets = torch.tensor([4, -1, 9])
    torch.manual_seed(1)
    found = loss(embeddings, targets)
    torch.manual_seed(1)
    expected = loss(embeddings[[0, 2]], targets[[0, 2]])
    torch.testing.assert_close(found, expected)
    weights = [embeddings, *loss.parameters()]
    for one, other in zip(
        torch.autograd.grad(found, weights), torch.autograd.grad(expected, weights), strict=True
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("sparse", [False, True])
def test_log_probabilities_are_those_of_the_full_softmax(sparse):
    loss = SampledSoftmaxLoss(num_words=9, embedding_dim=3, num_samples=2, sparse=sparse)
    states, targets = torch.randn(4, 3), torch.tensor([0, 8, 2, 2])
    found = loss.target_log_probabilities(states, targets)
    torch.testing.assert_close(-found.sum(), loss.eval()(states, targets))
