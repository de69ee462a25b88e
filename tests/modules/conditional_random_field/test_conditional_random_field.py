import itertools
import math

import pytest
import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules import ConditionalRandomField
from nlpreg.modules.conditional_random_field import allowed_transitions, is_transition_allowed

X = torch.tensor([[[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]], [[0.5, 0.0], [1.0, 1.0], [9.0, 9.0]]])
Y = torch.tensor([[1, 1, 0], [0, 1, 0]])
MASK = torch.tensor([[True, True, True], [True, True, False]])
ENCODINGS = {
    "BIO": ["O", "B-X", "I-X", "B-Y"],
    "IOB1": ["O", "B-X", "I-X", "I-Y"],
    "BIOUL": ["O", "B-X", "I-X", "L-X", "U-X"],
    "BMES": ["B-X", "M-X", "E-X", "S-X"],
}


def fill(crf: ConditionalRandomField) -> ConditionalRandomField:
    crf.transitions.data = torch.tensor([[0.1, 0.2], [-0.3, 0.4]])
    crf.start_transitions.data = torch.tensor([0.5, -0.5])
    crf.end_transitions.data = torch.tensor([0.0, 0.25])
    return crf


@torch.no_grad()
def path_score(
    crf: ConditionalRandomField, logits: Tensor, path: tuple[int, ...], constrained: bool = False
) -> float:
    """The score of one path of an unpadded sentence."""
    allowed = crf._constraint_mask

    def cost(score: float, before: int, after: int) -> float:
        return score if not constrained or allowed[before, after] else -10000.0

    has_ends = crf.include_start_end_transitions
    start = float(crf.start_transitions[path[0]]) if has_ends else 0.0
    end = float(crf.end_transitions[path[-1]]) if has_ends else 0.0
    total = cost(start, crf.num_tags, path[0]) + cost(end, path[-1], crf.num_tags + 1)
    total += sum(float(logits[t, tag]) for t, tag in enumerate(path))
    total += sum(cost(float(crf.transitions[a, b]), a, b) for a, b in itertools.pairwise(path))
    return total


def all_paths(
    crf: ConditionalRandomField, logits: Tensor, constrained: bool = False
) -> list[tuple[float, tuple[int, ...]]]:
    paths = itertools.product(range(crf.num_tags), repeat=len(logits))
    return sorted(((path_score(crf, logits, path, constrained), path) for path in paths), reverse=True)


def log_sum(scores: list[float]) -> float:
    top = max(scores)
    return top + math.log(sum(math.exp(score - top) for score in scores))


def batch(num_tags: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, tags and the mask of sentences of 4, 1, 3 and 2 words."""
    torch.manual_seed(num_tags)
    mask = torch.arange(4) < torch.tensor([[4], [1], [3], [2]])
    return torch.randn(4, 4, num_tags) * 2, torch.randint(0, num_tags, (4, 4)), mask


def test_reference_values() -> None:
    crf = fill(ConditionalRandomField(2))
    assert crf(X, Y, MASK).item() == pytest.approx(-1.756058, abs=1e-5)
    gaps = torch.tensor([[1, 0, 1], [0, 1, 0]])
    assert crf(X, Y, gaps).item() == pytest.approx(-5.236446, abs=1e-5)
    found = crf.viterbi_tags(X, MASK, top_k=2)
    assert [[tags for tags, _ in paths] for paths in found] == [[[1, 1, 0], [0, 1, 0]], [[0, 1], [0, 0]]]
    scores = [score for paths in found for _, score in paths]
    assert scores == pytest.approx([5.6, 5.4, 2.45, 2.1], abs=1e-5)


def test_reference_values_with_constraints() -> None:
    crf = fill(ConditionalRandomField(2, allowed_transitions("BIO", {0: "O", 1: "I-X"})))
    found = crf.viterbi_tags(X, MASK)
    assert [tags for tags, _ in found] == [[0, 0, 0], [0, 0]]
    assert [score for _, score in found] == pytest.approx([4.7, 2.1], abs=1e-5)


def test_names_of_weights() -> None:
    shapes = {name: tuple(value.shape) for name, value in ConditionalRandomField(3).state_dict().items()}
    assert shapes == {
        "transitions": (3, 3),
        "_constraint_mask": (5, 5),
        "start_transitions": (3,),
        "end_transitions": (3,),
    }
    without = ConditionalRandomField(3, include_start_end_transitions=False)
    assert set(without.state_dict()) == {"transitions", "_constraint_mask"}
    assert not without._constraint_mask.requires_grad


@pytest.mark.parametrize("num_tags", [1, 2, 3])
@pytest.mark.parametrize("with_ends", [True, False])
def test_likelihood_equals_enumeration(num_tags: int, with_ends: bool) -> None:
    crf = ConditionalRandomField(num_tags, include_start_end_transitions=with_ends)
    logits, tags, mask = batch(num_tags)
    expected = 0.0
    for b, length in enumerate(mask.sum(1).tolist()):
        scores = [score for score, _ in all_paths(crf, logits[b, :length])]
        expected += path_score(crf, logits[b], tuple(tags[b, :length].tolist())) - log_sum(scores)
    assert crf(logits, tags, mask).item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("top_k", [2, 4, 1000])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("with_ends", [True, False])
def test_best_paths_equal_enumeration(encoding: str, with_ends: bool, top_k: int) -> None:
    labels = dict(enumerate(ENCODINGS[encoding]))
    crf = ConditionalRandomField(len(labels), allowed_transitions(encoding, labels), with_ends)
    logits, _, mask = batch(len(labels))
    found = crf.viterbi_tags(logits, mask, top_k=top_k)
    best = crf.viterbi_tags(logits, mask)
    for b, length in enumerate(mask.sum(1).tolist()):
        is_legal = [score > -5000.0 for score, _ in all_paths(crf, logits[b, :length], constrained=True)]
        expected = all_paths(crf, logits[b, :length], constrained=True)[: min(top_k, sum(is_legal))]
        assert [path for path, _ in found[b]] == [list(path) for _, path in expected]
        assert [score for _, score in found[b]] == pytest.approx([score for score, _ in expected], abs=0.01)
        assert best[b][0] == found[b][0][0]


def test_the_best_path_is_found_where_the_constraints_allow_none() -> None:
    labels = {0: "B-X", 1: "I-X"}
    crf = ConditionalRandomField(2, allowed_transitions("BIOUL", labels))  # no tag ends a span
    logits, _, mask = batch(2)
    found = crf.viterbi_tags(logits, mask, top_k=5)
    assert [len(paths) for paths in found] == [1, 1, 1, 1]
    assert [paths[0][0] for paths in found] == [tags for tags, _ in crf.viterbi_tags(logits, mask)]


@pytest.mark.parametrize("constrained", [True, False])
def test_marginals_equal_enumeration(constrained: bool) -> None:
    labels = dict(enumerate(ENCODINGS["BIO"]))
    crf = ConditionalRandomField(4, allowed_transitions("BIO", labels))
    logits, _, mask = batch(4)
    marginals = crf.marginals(logits, mask, constrained=constrained)
    for b, length in enumerate(mask.sum(1).tolist()):
        paths = all_paths(crf, logits[b, :length], constrained)
        log_z = log_sum([score for score, _ in paths])
        expected = torch.zeros(4, 4)
        for score, path in paths:
            for t, tag in enumerate(path):
                expected[t, tag] += math.exp(score - log_z)
        torch.testing.assert_close(marginals[b], expected, atol=1e-5, rtol=1e-4)
    assert not marginals.requires_grad


def test_marginals_with_gaps_are_those_of_the_words_that_count() -> None:
    crf = ConditionalRandomField(3)
    torch.manual_seed(0)
    logits = torch.randn(1, 4, 3)
    mask = torch.tensor([[False, True, False, True]])
    marginals = crf.marginals(logits, mask)
    torch.testing.assert_close(marginals[:, 1::2], crf.marginals(logits[:, 1::2]))
    assert not marginals[:, ::2].any()


def test_masked_words_are_dropped_before_decoding() -> None:
    crf = ConditionalRandomField(3)
    logits = torch.randn(1, 4, 3)
    gaps = torch.tensor([[False, True, False, True]])
    (tags, score), (expected, expected_score) = (
        crf.viterbi_tags(logits, gaps)[0],
        crf.viterbi_tags(logits[:, 1::2])[0],
    )
    assert tags == expected
    assert score == pytest.approx(expected_score)


def test_gradient() -> None:
    crf = ConditionalRandomField(3).double()
    logits, tags, mask = batch(3)
    inputs = logits.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *weights: crf(x, tags, mask), (inputs, *crf.parameters()))


def test_gradient_of_the_likelihood_is_truth_minus_marginals() -> None:
    crf = ConditionalRandomField(4)
    logits, tags, mask = batch(4)
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(crf(logits, tags, mask), logits)
    truth = torch.nn.functional.one_hot(tags, 4) * mask.unsqueeze(2)
    torch.testing.assert_close(gradient, truth - crf.marginals(logits, mask), atol=1e-5, rtol=1e-4)


def test_sentences_without_words() -> None:
    crf = ConditionalRandomField(3)
    logits, tags, mask = batch(3)
    alone = crf(logits[:2], tags[:2], mask[:2])
    mask[2:] = False
    logits.requires_grad_()
    together = crf(logits, tags, mask)
    torch.testing.assert_close(together, alone)
    together.backward()
    assert logits.grad is not None
    assert not logits.grad[2:].any()
    assert crf.viterbi_tags(logits, mask)[2:] == [([], 0.0), ([], 0.0)]
    assert crf.viterbi_tags(logits, mask, top_k=3)[3] == [([], 0.0)]


def test_padding_has_no_influence() -> None:
    crf = ConditionalRandomField(3)
    logits, tags, mask = batch(3)
    expected, paths = crf(logits, tags, mask), crf.viterbi_tags(logits, mask)
    logits[~mask] = 77.0
    tags[~mask] = 0
    torch.testing.assert_close(crf(logits, tags, mask), expected)
    assert crf.viterbi_tags(logits, mask) == paths


def test_default_mask_counts_every_word() -> None:
    crf = fill(ConditionalRandomField(2))
    torch.testing.assert_close(crf(X, Y), crf(X, Y, torch.ones_like(MASK)))
    assert [len(tags) for tags, _ in crf.viterbi_tags(X)] == [3, 3]


def test_half_precision_logits() -> None:
    crf = fill(ConditionalRandomField(2))
    assert crf(X.half(), Y, MASK).item() == pytest.approx(-1.756058, abs=1e-3)


def test_likelihood_survives_transitions_far_apart() -> None:
    crf = fill(ConditionalRandomField(2))
    with torch.no_grad():
        crf.transitions[1, 1] = -10000.0
    likelihood = crf(X[:1], torch.tensor([[0, 1, 1]]))
    assert likelihood.item() == pytest.approx(-10000, abs=20)


def test_top_k_must_be_positive() -> None:
    with pytest.raises(ValueError, match="top_k must be at least 1"):
        ConditionalRandomField(2).viterbi_tags(X, top_k=0)


@pytest.mark.oracle
def test_equals_another_library() -> None:
    torchcrf = pytest.importorskip("torchcrf")
    torch.manual_seed(0)
    ours, theirs = ConditionalRandomField(6), torchcrf.CRF(6, batch_first=True)
    theirs.transitions.data = ours.transitions.data
    theirs.start_transitions.data = ours.start_transitions.data
    theirs.end_transitions.data = ours.end_transitions.data
    logits, tags = torch.randn(5, 9, 6), torch.randint(0, 6, (5, 9))
    mask = torch.arange(9) < torch.tensor([[9], [1], [4], [7], [2]])
    torch.testing.assert_close(ours(logits, tags, mask), theirs(logits, tags, mask))
    assert [path for path, _ in ours.viterbi_tags(logits, mask)] == theirs.decode(logits, mask)


# For each encoding: what may start a sentence, what may end one, and what may follow what.
BIO = {
    "O": {"O", "B-X", "B-Y"},
    "B-X": {"O", "B-X", "B-Y", "I-X"},
    "I-X": {"O", "B-X", "B-Y", "I-X"},
    "B-Y": {"O", "B-X", "B-Y", "I-Y"},
    "I-Y": {"O", "B-X", "B-Y", "I-Y"},
}
IOB1 = {
    "O": {"O", "I-X", "I-Y"},
    "B-X": {"O", "I-X", "I-Y", "B-X"},
    "I-X": {"O", "I-X", "I-Y", "B-X"},
    "B-Y": {"O", "I-X", "I-Y", "B-Y"},
    "I-Y": {"O", "I-X", "I-Y", "B-Y"},
}
BIOUL_OUT = {"O", "B-X", "U-X", "B-Y", "U-Y"}
BIOUL = {
    **dict.fromkeys(("O", "L-X", "U-X", "L-Y", "U-Y"), BIOUL_OUT),
    **{tag: {"I-X", "L-X"} for tag in ("B-X", "I-X")},
    **{tag: {"I-Y", "L-Y"} for tag in ("B-Y", "I-Y")},
}
BMES_OUT = {"O", "B-X", "S-X", "B-Y", "S-Y"}
BMES = {
    **dict.fromkeys(("O", "E-X", "S-X", "E-Y", "S-Y"), BMES_OUT),
    **{tag: {"M-X", "E-X"} for tag in ("B-X", "M-X")},
    **{tag: {"M-Y", "E-Y"} for tag in ("B-Y", "M-Y")},
}


@pytest.mark.parametrize(
    ("encoding", "following", "first", "last"),
    [
        ("BIO", BIO, "OB", "OBI"),
        ("IOB1", IOB1, "OI", "OBI"),
        ("BIOUL", BIOUL, "OBU", "OLU"),
        ("BMES", BMES, "OBS", "OES"),
    ],
)
def test_tables(encoding: str, following: dict[str, set[str]], first: str, last: str) -> None:
    labels = sorted(following)
    start, end = len(labels), len(labels) + 1
    expected = {(labels.index(a), labels.index(b)) for a, after in following.items() for b in after}
    expected |= {(start, i) for i, label in enumerate(labels) if label[0] in first}
    expected |= {(i, end) for i, label in enumerate(labels) if label[0] in last}
    found = allowed_transitions(encoding, dict(enumerate(labels)))
    assert set(found) == expected
    assert len(found) == len(expected)


def test_entities_may_contain_dashes() -> None:
    assert is_transition_allowed("BIO", "B", "-A-B", "I", "-A-B")
    assert not is_transition_allowed("BIO", "B", "-A-B", "I", "-A")


def test_unknown_encoding() -> None:
    with pytest.raises(ConfigurationError, match="'BOI' is not a known encoding"):
        allowed_transitions("BOI", {0: "O"})


@pytest.mark.parametrize("encoding", ["BIO", "IOB1", "BIOUL", "BMES"])
def test_what_the_constraints_allow(encoding: str) -> None:
    table = {"BIO": BIO, "IOB1": IOB1, "BIOUL": BIOUL, "BMES": BMES}[encoding]
    labels = sorted(table)
    constraints = allowed_transitions(encoding, dict(enumerate(labels)))
    crf = ConditionalRandomField(len(labels), constraints)
    start, end = len(labels), len(labels) + 1
    sentences = [path for length in range(4) for path in itertools.product(range(len(labels)), repeat=length)]
    tags = torch.tensor([[*path, *[0] * (4 - len(path))] for path in sentences])
    mask = torch.tensor([[position < len(path) for position in range(4)] for path in sentences])
    allowed = set(constraints)
    expected = [
        not path or all(pair in allowed for pair in itertools.pairwise([start, *path, end]))
        for path in sentences
    ]
    assert crf.allows(tags, mask).tolist() == expected
    assert ConditionalRandomField(len(labels)).allows(tags, mask).all()


def test_parts_of_the_likelihood_are_there_for_subclasses() -> None:
    class Own(ConditionalRandomField):
        def _input_likelihood(self, logits: Tensor, transitions: Tensor, mask: Tensor) -> Tensor:
            return super()._input_likelihood(logits, transitions, mask) + 1.0

    own, plain = Own(3), ConditionalRandomField(3)
    own.load_state_dict(plain.state_dict())
    logits, tags = torch.randn(2, 4, 3), torch.randint(0, 3, (2, 4))
    torch.testing.assert_close(own(logits, tags), plain(logits, tags) - 2.0)
    mask = torch.ones(2, 4, dtype=torch.bool)
    joint = plain._joint_likelihood(logits, plain.transitions, tags, mask)
    total = plain._input_likelihood(logits, plain.transitions, mask)
    torch.testing.assert_close((joint - total).sum(), plain(logits, tags))


@pytest.mark.parametrize("constrained", [False, True])
def test_probability_of_sets_equals_enumeration(constrained: bool) -> None:
    labels = dict(enumerate(ENCODINGS["BIO"]))
    logits, _, mask = batch(len(labels))
    crf = ConditionalRandomField(len(labels), allowed_transitions("BIO", labels))
    allowed = torch.rand(logits.shape) < 0.6
    allowed[..., 0] = True  # the first tag may stand anywhere
    found = crf.log_probability_of_sets(logits.double(), allowed, mask, constrained)
    for row, length in enumerate(mask.sum(1).tolist()):
        scored = all_paths(crf, logits[row, :length], constrained)
        inside = [score for score, path in scored if all(allowed[row, t, tag] for t, tag in enumerate(path))]
        assert found[row].item() == pytest.approx(
            log_sum(inside) - log_sum([score for score, _ in scored]), abs=1e-6
        )


def test_probability_of_sets_at_its_ends() -> None:
    logits, tags, mask = batch(3)
    crf = ConditionalRandomField(3)
    everything = torch.ones_like(logits, dtype=torch.bool)
    torch.testing.assert_close(crf.log_probability_of_sets(logits, everything, mask), torch.zeros(4))
    gold = torch.nn.functional.one_hot(tags, 3).bool()
    torch.testing.assert_close(crf.log_probability_of_sets(logits, gold, mask).sum(), crf(logits, tags, mask))
    nothing = torch.zeros_like(mask)
    assert not crf.log_probability_of_sets(logits, gold, nothing).any()
    logits.requires_grad_()
    partly = gold | (torch.arange(4) % 2 == 0).view(1, 4, 1)
    crf.log_probability_of_sets(logits, partly, mask).sum().backward()
    assert logits.grad is not None and logits.grad.isfinite().all() and not logits.grad[~mask].any()


@pytest.mark.parametrize("shape", [(0, 4), (2, 0), (0, 0)])
def test_batches_without_rows_or_words(shape: tuple[int, int]) -> None:
    crf, zeros = ConditionalRandomField(3), [0.0] * shape[0]
    logits, mask = torch.zeros(*shape, 3), torch.ones(shape, dtype=torch.bool)
    for constrained in (False, True):
        assert crf.marginals(logits, mask, constrained).shape == (*shape, 3)
        assert crf.log_partition(logits, mask, constrained).tolist() == zeros
        assert crf.log_probability_of_sets(logits, logits.bool(), mask, constrained).tolist() == zeros


def test_the_likelihood_of_no_sentences() -> None:
    logits, tags = torch.zeros(0, 4, 3, requires_grad=True), torch.zeros(0, 4, dtype=torch.long)
    loss = ConditionalRandomField(3)(logits, tags)
    loss.backward()
    assert loss.item() == 0.0
