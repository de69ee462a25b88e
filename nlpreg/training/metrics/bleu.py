"""BLEU of generated sequences, and the counting of n-grams."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import torch
from torch import Tensor

from nlpreg.training.metrics.metric import Metric, add

_TINY = 1e-13

NGram = tuple[int, ...]


@Metric.register("bleu")
class BLEU(Metric):
    """BLEU of a corpus with one reference per sentence.

    Args:
        ngram_weights: the weights of the precisions of 1-grams, 2-grams and so on.
        exclude_indices: ids that are not words, such as padding and the end of a sequence. They do not count for lengths,
            and n-grams that contain them are excluded.

    Source: Papineni et al. (2002), https://aclanthology.org/P02-1040/, section 2.3.
    """

    supports_distributed = True
    accumulators = ("_counts",)
    _counts: Tensor

    def __init__(
        self,
        ngram_weights: Iterable[float] = (0.25, 0.25, 0.25, 0.25),
        exclude_indices: set[int] | None = None,
    ) -> None:
        self._ngram_weights = tuple(ngram_weights)
        self._exclude_indices = frozenset(exclude_indices or ())
        self.reset()

    def __call__(self, predictions: Tensor, gold_targets: Tensor, mask: Tensor | None = None) -> None:
        """Add one batch.

        Args:
            predictions: ids (B, L).
            gold_targets: ids (B, M).
            mask: not supported; name ids in `exclude_indices` instead.

        Raises:
            NotImplementedError: a mask was given.
        """
        if mask is not None:
            raise NotImplementedError("bleu takes no mask; name the padding id in exclude_indices")
        sizes = range(1, len(self._ngram_weights) + 1)
        counts = [0] * (2 + 2 * len(sizes))  # both lengths, then matches and totals of each size of n-grams
        excluded = self._exclude_indices
        for found, wanted in zip(predictions.tolist(), gold_targets.tolist(), strict=True):
            counts[0] += sum(token not in excluded for token in found) if excluded else len(found)
            counts[1] += sum(token not in excluded for token in wanted) if excluded else len(wanted)
            for size in sizes:
                found_ngrams = count_ngrams(found, size, excluded)
                counts[2 * size] += count_matches(found_ngrams, count_ngrams(wanted, size, excluded))
                counts[2 * size + 1] += found_ngrams.total()
        self._counts = add(self._counts, torch.tensor(counts))

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`BLEU`, from 0 to 1."""
        (counts,) = self._totals(reset)
        predicted, reference, *ngrams = counts.tolist()
        precisions = zip(ngrams[::2], ngrams[1::2], strict=True)
        logs = [
            weight * (math.log(matches + _TINY) - math.log(total + _TINY))
            for weight, (matches, total) in zip(self._ngram_weights, precisions, strict=True)
        ]
        return {"BLEU": _brevity_penalty(predicted, reference) * math.exp(math.fsum(logs))}

    def reset(self) -> None:
        """Reset the metric."""
        self._counts = torch.zeros(2 + 2 * len(self._ngram_weights), dtype=torch.long)


def _brevity_penalty(predicted: float, reference: float) -> float:
    if predicted > reference:
        return 1.0
    if predicted == 0 or reference == 0:
        return 0.0
    return math.exp(1.0 - reference / predicted)


def count_ngrams(sequence: Sequence[int], size: int, excluded: frozenset[int]) -> Counter[NGram]:
    """The counts of the n-grams of a sequence that contain no excluded id."""
    ngrams = zip(*(sequence[start:] for start in range(size)), strict=False)
    if not excluded:
        return Counter(ngrams)
    return Counter(ngram for ngram in ngrams if excluded.isdisjoint(ngram))


def count_matches(found: Counter[NGram], wanted: Counter[NGram]) -> int:
    """The number of matching n-grams; each counts at most as often as in `wanted`."""
    return sum(min(count, wanted[ngram]) for ngram, count in found.items() if ngram in wanted)


def longest_common_subsequence(left: Collection[int], right: Collection[int]) -> int:
    """Length of the longest common subsequence of two sequences of ids.

    Source: Hyyrö (2004), Bit-parallel LCS-length computation revisited. A column of the table is a single integer, so the
    cost is one addition of big integers for each id.
    """
    positions: dict[int, int] = {}  # id -> bit mask of its positions in `left`
    for position, token in enumerate(left):
        positions[token] = positions.get(token, 0) | (1 << position)
    all_bits = (1 << len(left)) - 1
    unmatched = all_bits  # a bit becomes 0 where the length increases by one
    for token in right:
        hits = unmatched & positions.get(token, 0)
        unmatched = ((unmatched + hits) | (unmatched - hits)) & all_bits
    return len(left) - unmatched.bit_count()
