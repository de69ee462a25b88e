"""The decoder beside exported taggers against all sequences of tags."""

import itertools

import numpy

from nlpreg.commands.export.crf_decoder import decode


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
