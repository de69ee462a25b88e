"""The decoder beside exported taggers against all sequences of tags."""

import itertools

import numpy
import pytest
import torch

from nlpreg.commands.export.crf_decoder import decode, decode_ensemble
from nlpreg.modules import ConditionalRandomField
from nlpreg.modules.conditional_random_field import allowed_transitions


def test_the_best_of_all_sequences() -> None:
    generator = numpy.random.default_rng(0)
    num_tags, num_steps = 3, 4
    transitions, start, end = (
        generator.normal(size=size) for size in ((num_tags, num_tags), num_tags, num_tags)
    )
    logits = generator.normal(size=(5, num_steps, num_tags))
    # words may be missing anywhere, and altogether
    mask = numpy.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 1, 1], [0, 0, 0, 0], [1, 0, 0, 0]], dtype=bool)
    for found, scores, words in zip(decode(logits, mask, transitions, start, end), logits, mask, strict=True):
        kept = scores[words]

        def total(tags: tuple[int, ...], kept: numpy.ndarray = kept) -> float:
            if not tags:
                return 0.0
            steps = sum(transitions[one, other] for one, other in itertools.pairwise(tags))
            return float(start[tags[0]] + end[tags[-1]] + steps + sum(kept[range(len(tags)), tags]))

        expected = max(itertools.product(range(num_tags), repeat=len(kept)), key=total)
        assert tuple(found) == expected


@pytest.mark.parametrize("scale", [1.0, 15.0])
@pytest.mark.parametrize("encoding", ["BIO", None])
def test_an_ensemble_has_the_tags_of_the_averaged_marginals(encoding: str | None, scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = {0: "O", 1: "B-X", 2: "I-X", 3: "B-Y", 4: "I-Y"}
    constraints = allowed_transitions(encoding, labels) if encoding else None
    members = [ConditionalRandomField(5, constraints), ConditionalRandomField(5)]
    for member in members:
        for scores in (member.transitions, member.start_transitions, member.end_transitions):
            torch.nn.init.normal_(scores, generator=generator)
    logits = torch.randn(2, 40, 6, 5, generator=generator) * scale
    mask = torch.arange(6) < torch.tensor([6, 5, 3, 1, 0] * 8).unsqueeze(1)
    mask[0, 2] = False
    marginals = [
        member.marginals(scores.double(), mask, constrained=True)
        for member, scores in zip(members, logits, strict=True)
    ]
    expected = members[0].tags_of_marginals(torch.stack(marginals).mean(0), mask)
    of_members = zip(*(member.decoding_scores() for member in members), strict=True)
    found = decode_ensemble(
        logits.numpy(),
        mask.numpy(),
        *(torch.stack(scores).detach().numpy() for scores in of_members),
        *(scores.numpy() for scores in members[0].constraint_scores()),
    )
    assert found == expected
    alone = members[0].viterbi_tags(logits[0], mask)
    assert found != [tags for tags, _ in alone]
