"""ROUGE of generated sequences."""

import torch
from torch import Tensor

from nlpreg.training.metrics.bleu import count_matches, count_ngrams, longest_common_subsequence
from nlpreg.training.metrics.metric import Metric, add, precision_recall_f1


@Metric.register("rouge")
class ROUGE(Metric):
    """The means over sequences of ROUGE-1 to ROUGE-n (recall, precision, F1) and of ROUGE-L (F1).

    Args:
        ngram_size: n, the length of the longest n-grams.
        exclude_indices: ids that are not words, such as padding and the end of a sequence. N-grams that contain them are
            excluded, and so are the ids themselves for ROUGE-L.

    Source: Lin (2004), https://aclanthology.org/W04-1013/, sections 2 and 3.
    """

    supports_distributed = True
    accumulators = ("_sums", "_num_sequences")
    _sums: Tensor
    _num_sequences: int

    def __init__(self, ngram_size: int = 2, exclude_indices: set[int] | None = None) -> None:
        self._ngram_size = ngram_size
        self._exclude_indices = frozenset(exclude_indices or ())
        self.reset()

    def __call__(self, predictions: Tensor, gold_targets: Tensor) -> None:
        """Add one batch.

        Args:
            predictions: ids (B, L).
            gold_targets: ids (B, M).
        """
        sums = torch.zeros(3 * self._ngram_size + 1, dtype=torch.float64)
        pairs = list(zip(predictions.tolist(), gold_targets.tolist(), strict=True))
        for found, wanted in pairs:
            by_size = [self._of_ngrams(found, wanted, size) for size in range(1, self._ngram_size + 1)]
            # all recalls, all precisions, all F1
            scores = [of_size[kind] for kind in (1, 0, 2) for of_size in by_size]
            scores.append(self._of_subsequence(found, wanted))
            sums += torch.tensor(scores, dtype=torch.float64)
        self._sums = add(self._sums, sums)
        self._num_sequences += len(pairs)

    def _of_ngrams(self, found: list[int], wanted: list[int], size: int) -> tuple[float, float, float]:
        found_ngrams = count_ngrams(found, size, self._exclude_indices)
        wanted_ngrams = count_ngrams(wanted, size, self._exclude_indices)
        matches = count_matches(found_ngrams, wanted_ngrams)
        return precision_recall_f1(matches, found_ngrams.total(), wanted_ngrams.total())

    def _of_subsequence(self, found: list[int], wanted: list[int]) -> float:
        found, wanted = (
            [token for token in side if token not in self._exclude_indices] for side in (found, wanted)
        )
        length = longest_common_subsequence(found, wanted)
        return precision_recall_f1(length, len(found), len(wanted))[2]

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`ROUGE-n_R`, `ROUGE-n_P` and `ROUGE-n_F1` for each n, and `ROUGE-L`, from 0 to 1."""
        sums, count = self._totals(reset)
        sizes = range(1, self._ngram_size + 1)
        names = [f"ROUGE-{size}_{kind}" for kind in ("R", "P", "F1") for size in sizes]
        means = sums / count.clamp(min=1)
        return dict(zip([*names, "ROUGE-L"], means.tolist(), strict=True))

    def reset(self) -> None:
        """Reset the metric."""
        self._sums = torch.zeros(3 * self._ngram_size + 1, dtype=torch.float64)
        self._num_sequences = 0
