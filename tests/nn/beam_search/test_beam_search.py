import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from nlpreg.common import Lazy, Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.beam_search import BeamSearch, Constraint, FinalSequenceScorer, StateType
from nlpreg.nn.beam_search.beam_search import ConstraintStateType

END = 4
# Row: last class. The end can follow anything; rows are probabilities.
TRANSITIONS = torch.tensor(
    [
        [0.051, 0.403, 0.297, 0.201, 0.048],
        [0.102, 0.047, 0.459, 0.239, 0.153],
        [0.054, 0.151, 0.046, 0.492, 0.257],
        [0.193, 0.107, 0.052, 0.147, 0.501],
        [0.200, 0.200, 0.200, 0.200, 0.200],
    ]
).log()


def step(predictions: Tensor, state: StateType) -> tuple[Tensor, StateType]:
    return TRANSITIONS[predictions], state


def build(**options: Any) -> BeamSearch:
    return BeamSearch.from_params(Params({"end_index": END, "max_steps": 4, "beam_size": 3, **options}))


def every_sequence(start: int, max_steps: int) -> list[tuple[float, list[int]]]:
    """All sequences of at most that many classes, padded with the end, best first."""
    found: dict[tuple[int, ...], float] = {}
    for classes in itertools.product(range(5), repeat=max_steps):
        sequence, total, last = [], 0.0, start
        for label in classes:
            if last == END and sequence:
                sequence.append(END)
                continue
            total += TRANSITIONS[last, label].item()
            sequence.append(label)
            last = label
        found[tuple(sequence)] = total
    return sorted(((score, list(sequence)) for sequence, score in found.items()), reverse=True)


def test_a_wide_beam_finds_the_best_sequences() -> None:
    search = build(beam_size=5, per_node_beam_size=5, max_steps=2)
    sequences, scores = search.search(torch.tensor([0, 2]), {}, step)
    for b, start in enumerate((0, 2)):
        expected = every_sequence(start, 2)[:5]
        assert sequences[b].tolist() == [sequence for _, sequence in expected]
        assert scores[b].tolist() == pytest.approx([score for score, _ in expected], rel=1e-5)


def test_greedy_search() -> None:
    sequences, scores = build(beam_size=1, max_steps=10).search(torch.tensor([0]), {}, step)
    assert sequences.tolist() == [[[1, 2, 3, END]]]
    assert scores.item() == pytest.approx(math.log(0.403 * 0.459 * 0.492 * 0.501))


def test_beams_are_found_by_hand() -> None:
    """The search written down for one sentence, with lists."""
    beams = [([label], TRANSITIONS[0, label].item()) for label in range(5)]
    beams = sorted(beams, key=lambda beam: -beam[1])[:3]
    for _ in range(3):
        longer = []
        for sequence, score in beams:
            if sequence[-1] == END:
                longer.append(([*sequence, END], score))
                continue
            following = sorted(range(5), key=lambda k: -TRANSITIONS[sequence[-1], k].item())[:2]
            longer += [([*sequence, k], score + TRANSITIONS[sequence[-1], k].item()) for k in following]
        beams = sorted(longer, key=lambda beam: -beam[1])[:3]
    sequences, scores = build(per_node_beam_size=2).search(torch.tensor([0]), {}, step)
    assert sequences[0].tolist() == [sequence for sequence, _ in beams]
    assert scores[0].tolist() == pytest.approx([score for _, score in beams], rel=1e-5)


def test_sentences_do_not_influence_each_other() -> None:
    search = build()
    together, scores = search.search(torch.tensor([0, 1, 2]), {}, step)
    for b in range(3):
        alone, alone_scores = search.search(torch.tensor([b]), {}, step)
        length = alone.size(2)
        assert torch.equal(together[b : b + 1, :, :length], alone)
        assert (together[b, :, length:] == END).all()
        torch.testing.assert_close(scores[b : b + 1], alone_scores)


def test_state_follows_its_beam() -> None:
    def remembering(predictions: Tensor, state: StateType, timestep: int) -> tuple[Tensor, StateType]:
        assert state["steps"].eq(timestep).all()
        return TRANSITIONS[predictions], {
            **state,
            "steps": state["steps"] + 1,
            "history": torch.cat([state["history"], predictions.unsqueeze(1)], dim=1),
            "decoder_hidden": torch.cat(
                [state["decoder_hidden"][..., 1:], predictions.expand(2, -1).unsqueeze(-1)], -1
            ),
        }

    state: StateType = {
        "steps": torch.zeros(2),
        "history": torch.zeros(2, 0, dtype=torch.long),
        "decoder_hidden": torch.zeros(2, 2, 1, dtype=torch.long),
        "nothing": None,
    }
    seen = []

    def spy(predictions: Tensor, state: StateType, timestep: int) -> tuple[Tensor, StateType]:
        log_probs, new_state = remembering(predictions, state, timestep)
        seen.append(new_state)
        return log_probs, new_state

    search = build(max_steps=5, min_steps=5)
    sequences, _ = search.search(torch.tensor([0, 1]), state, spy)
    # The last state holds all predictions but the last, in the order of the beams then.
    history = seen[-1]["history"].view(2, 3, -1)[:, :, 1:]
    assert history.shape == (2, 3, 4)
    for b in range(2):
        prefixes = {tuple(row) for row in history[b].tolist()}
        assert {tuple(sequence[:4]) for sequence in sequences[b].tolist()} <= prefixes
    assert seen[-1]["decoder_hidden"].shape == (2, 6, 1)


def test_minimal_length() -> None:
    sequences, _ = build(min_steps=3, max_steps=6).search(torch.tensor([3]), {}, step)
    assert (sequences[0, :, :3] != END).all()
    shortest, _ = build(min_steps=0, max_steps=6).search(torch.tensor([3]), {}, step)
    assert (shortest[0, :, :3] == END).any()


def test_search_stops_early() -> None:
    def ending(predictions: Tensor, state: StateType, timestep: int) -> tuple[Tensor, StateType]:
        log_probs = TRANSITIONS[predictions].clone()
        if timestep >= 1:
            log_probs[:] = -30.0
            log_probs[:, END] = 0.0
        return log_probs, state

    sequences, _ = build(max_steps=50).search(torch.tensor([0]), {}, ending)
    assert sequences.size(2) == 2


def test_empty_prediction_of_a_greedy_search() -> None:
    def ending(predictions: Tensor, state: StateType) -> tuple[Tensor, StateType]:
        return TRANSITIONS[predictions].flip(-1) * 0 + torch.tensor([-9.0, -9, -9, -9, -0.1]), state

    with pytest.warns(RuntimeWarning, match="Empty sequences predicted"):
        sequences, scores = build(beam_size=1).search(torch.tensor([0, 1]), {}, ending)
    assert sequences.tolist() == [[[END]], [[END]]]
    assert scores.tolist() == [[pytest.approx(-0.1)]] * 2


def test_impossible_beams_are_reported() -> None:
    def only_one(predictions: Tensor, state: StateType) -> tuple[Tensor, StateType]:
        log_probs = torch.full((predictions.size(0), 5), -torch.inf)
        log_probs[:, 1] = 0.0
        return log_probs, state

    with pytest.warns(RuntimeWarning, match="Infinite log probabilities"):
        build(beam_size=2, max_steps=2).search(torch.tensor([0]), {}, only_one)


def test_length_normalised_scores() -> None:
    plain, plain_scores = build(max_steps=6).search(torch.tensor([0]), {}, step)
    search = build(
        max_steps=6,
        final_sequence_scorer={"type": "length-normalized-sequence-log-prob", "length_penalty": 2.0},
    )
    sequences, scores = search.search(torch.tensor([0]), {}, step)
    expected = {}
    for sequence, score in zip(plain[0].tolist(), plain_scores[0].tolist(), strict=True):
        length = sum(label != END for label in sequence) + (sequence[-1] == END)
        expected[tuple(sequence)] = score / length**2
    assert dict(zip(map(tuple, sequences[0].tolist()), scores[0].tolist(), strict=True)) == pytest.approx(
        expected
    )
    assert scores[0].tolist() == sorted(scores[0].tolist(), reverse=True)


def test_default_scorer_is_the_log_probability() -> None:
    scorer = FinalSequenceScorer.from_params(Params({}))
    scores = torch.randn(1, 2)
    assert scorer.score(torch.zeros(1, 2, 3), scores, END) is scores


def test_no_ngram_twice() -> None:
    def circling(predictions: Tensor, state: StateType) -> tuple[Tensor, StateType]:
        log_probs = torch.tensor([[-5.0, -0.1, -3, -4, -6], [-0.1, -5, -3, -4, -6], [-1.0, -1, -9, -9, -9]])
        return torch.log_softmax(log_probs[predictions.clamp(max=2)], -1), state

    free, _ = build(max_steps=8, beam_size=1).search(torch.tensor([0]), {}, circling)
    assert free[0, 0].tolist() == [1, 0] * 4
    for size in (1, 2, 3):
        search = build(
            max_steps=8, beam_size=2, constraints=[{"type": "repeated-ngram-blocking", "ngram_size": size}]
        )
        sequences, _ = search.search(torch.tensor([0]), {}, circling)
        for sequence in sequences[0].tolist():
            words = [label for label in sequence if label != END]
            ngrams = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
            assert len(ngrams) == len(set(ngrams))


def test_constraints_are_built_with_the_vocabulary() -> None:
    seen = []

    @Constraint.register("never-two")
    class NeverTwo(Constraint):
        def init_state(self, batch_size: int) -> ConstraintStateType:
            seen.append(self.vocab)
            return [[{"last": None}] for _ in range(batch_size)]

        def apply(self, state: ConstraintStateType, class_log_probabilities: Tensor) -> Tensor:
            result = class_log_probabilities.clone()
            result[:, :, 2] = torch.finfo(result.dtype).min
            return result

        def _update_state(self, state: ConstraintStateType, last_prediction: Tensor) -> ConstraintStateType:
            for beams, predictions in zip(state, last_prediction.tolist(), strict=True):
                for memory, prediction in zip(beams, predictions, strict=True):
                    memory["last"] = prediction
            return state

    vocab = object()
    config = {"end_index": END, "max_steps": 4, "beam_size": 2, "constraints": ["never-two"]}
    search = BeamSearch.from_params(Params(config), vocab=vocab)
    sequences, _ = search.search(torch.tensor([0]), {}, step)
    assert seen == [vocab]
    assert not (sequences == 2).any()


@pytest.mark.parametrize("returns", [True, False])
def test_a_constraint_may_write_into_the_log_probabilities(returns: bool) -> None:
    class NeverTwo(Constraint):
        def init_state(self, batch_size: int) -> ConstraintStateType:
            return [[{}] for _ in range(batch_size)]

        def apply(self, state: ConstraintStateType, class_log_probabilities: Tensor) -> Tensor | None:
            class_log_probabilities[:, :, 2] = torch.finfo(class_log_probabilities.dtype).min
            return class_log_probabilities if returns else None

        def _update_state(self, state: ConstraintStateType, last_prediction: Tensor) -> ConstraintStateType:
            return state

    search = BeamSearch(END, max_steps=4, beam_size=2, constraints=[Lazy(NeverTwo)])
    sequences, _ = search.search(torch.tensor([0]), {}, lambda *arguments: (step(*arguments)[0].clone(), {}))
    assert not (sequences == 2).any()


@pytest.mark.parametrize(
    "options",
    [{"max_steps": 0}, {"beam_size": 0}, {"per_node_beam_size": 0}, {"min_steps": -1}, {"min_steps": 5}],
)
def test_impossible_sizes(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected"):
        BeamSearch(END, **{"max_steps": 4, **options})


@pytest.mark.parametrize("options", [{"per_node_beam_size": 6}, {"beam_size": 6, "per_node_beam_size": 2}])
def test_more_beams_than_classes(options: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="only 5 classes"):
        build(**options).search(torch.tensor([0]), {}, step)


def test_no_gradient() -> None:
    weights = TRANSITIONS.clone().requires_grad_()
    _, scores = build().search(torch.tensor([0]), {}, lambda p, s: (weights[p], s))
    assert not scores.requires_grad
