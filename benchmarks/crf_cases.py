"""Conditional random fields: nlpreg's, `pytorch-crf`'s, and loops over sentences and words.

Letters in shapes: B sentences, T words, K tags, N paths.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from reporting import milliseconds, seconds_in_turn, table, times
from torch import Tensor

from nlpreg.modules.conditional_random_field import ConditionalRandomField

NUM_PATHS = 5
Scores = tuple[Tensor, Tensor, Tensor]
"""Transitions (K, K), start (K,) and end (K,)."""


def loop_likelihood(logits: Tensor, tags: Tensor, lengths: list[int], scores: Scores) -> Tensor:
    """The log-likelihood of the tags, one sentence at a time."""
    transitions, start, end = scores
    total = logits.new_zeros(())
    for sentence, gold, length in zip(logits, tags, lengths, strict=True):
        sums = start + sentence[0]  # (K,)
        path = start[gold[0]] + sentence[0, gold[0]]
        for t in range(1, length):
            sums = torch.logsumexp(sums.unsqueeze(1) + transitions, dim=0) + sentence[t]
            path = path + transitions[gold[t - 1], gold[t]] + sentence[t, gold[t]]
        total = total + path + end[gold[length - 1]] - torch.logsumexp(sums + end, dim=0)
    return total


def loop_best_paths(
    logits: Tensor, lengths: list[int], scores: Scores, num_paths: int
) -> list[list[list[int]]]:
    """The best paths of each sentence, one sentence at a time."""
    transitions, start, end = scores
    num_tags = logits.size(2)
    best = []
    for sentence, length in zip(logits, lengths, strict=True):
        totals = (start + sentence[0]).unsqueeze(0)  # (paths so far, K)
        pointers = []
        for t in range(1, length):
            longer = (totals.unsqueeze(2) + transitions).flatten(0, 1)  # (paths * K, K)
            totals, came_from = longer.topk(min(num_paths, len(longer)), dim=0)
            totals = totals + sentence[t]
            pointers.append(came_from)
        last = (totals + end).flatten()
        ends = last.topk(min(num_paths, len(last))).indices.tolist()
        best.append([_follow(place, pointers, num_tags) for place in ends])
    return best


def _follow(place: int, pointers: list[Tensor], num_tags: int) -> list[int]:
    """The path that ends in a place: rank among the paths into a tag, times K, plus the tag."""
    path = [place % num_tags]
    for came_from in reversed(pointers):
        place = int(came_from[place // num_tags, place % num_tags])
        path.append(place % num_tags)
    return path[::-1]


class CrfCase:
    """One batch and three implementations with the same weights.

    Args:
        num_tags: K.
        is_ragged: whether lengths are drawn from 1 to T rather than all T.
        quick: whether to take a tiny batch.
        device: where the work is done.
    """

    def __init__(self, num_tags: int, is_ragged: bool, quick: bool, device: torch.device) -> None:
        from torchcrf import CRF

        torch.manual_seed(0)
        self.shape = (2, 4) if quick else (32, 50)
        num_rows, num_steps = self.shape
        lengths = (
            torch.randint(1, num_steps + 1, (num_rows,)) if is_ragged else torch.full((num_rows,), num_steps)
        )
        lengths[0] = num_steps
        self.lengths = lengths.tolist()
        self.mask = (torch.arange(num_steps) < lengths.unsqueeze(1)).to(device)
        self.logits = torch.randn(num_rows, num_steps, num_tags, device=device, requires_grad=True)
        self.tags = torch.randint(0, num_tags, self.shape, device=device)
        self.crf = ConditionalRandomField(num_tags).to(device)
        self.other: Any = CRF(num_tags, batch_first=True).to(device)
        self.scores = (self.crf.transitions, self.crf.start_transitions, self.crf.end_transitions)
        with torch.no_grad():
            for name, values in zip(
                ("transitions", "start_transitions", "end_transitions"), self.scores, strict=True
            ):
                getattr(self.other, name).copy_(values)

    def works(self) -> dict[str, dict[str, Callable[[], object]]]:
        """For each task the implementations that can do it."""
        losses: dict[str, Callable[[], Tensor]] = {
            "nlpreg": lambda: self.crf(self.logits, self.tags, self.mask),
            "pytorch-crf": lambda: self.other(self.logits, self.tags, self.mask),
            "loop": lambda: loop_likelihood(self.logits, self.tags, self.lengths, self.scores),
        }
        logits = self.logits.detach()
        scores = tuple(part.detach() for part in self.scores)
        assert len(scores) == 3
        return {
            "loss, forward + backward": {name: _with_gradient(loss) for name, loss in losses.items()},
            "best path": {
                "nlpreg": lambda: self.crf.viterbi_tags(logits, self.mask),
                "pytorch-crf": lambda: self.other.decode(logits, self.mask),
                "loop": lambda: loop_best_paths(logits, self.lengths, scores, 1),
            },
            f"{NUM_PATHS} best paths": {
                "nlpreg": lambda: self.crf.viterbi_tags(logits, self.mask, top_k=NUM_PATHS),
                "loop": lambda: loop_best_paths(logits, self.lengths, scores, NUM_PATHS),
            },
        }


def _with_gradient(loss: Callable[[], Tensor]) -> Callable[[], object]:
    return lambda: torch.autograd.backward(-loss())


def crf_section(quick: bool, repeats: int, device: torch.device) -> str:
    """A table of all tasks, numbers of tags and kinds of lengths."""
    rows = []
    shape = (0, 0)
    for num_tags in (3, 4) if quick else (17, 50):
        for is_ragged in (False, True):
            case = CrfCase(num_tags, is_ragged, quick, device)
            shape = case.shape
            for task, works in case.works().items():
                seconds = seconds_in_turn(works, repeats, device)
                cells = [milliseconds(seconds[who]) if who in seconds else "-" for who in _WHO]
                ratios = [
                    times(seconds[who] / seconds["nlpreg"]) if who in seconds else "-" for who in _WHO[1:]
                ]
                rows.append([task, str(num_tags), "ragged" if is_ragged else "full", *cells, *ratios])
    header = ["task", "tags", "lengths", "nlpreg", "pytorch-crf", "loop over sentences"]
    header += ["times as fast as pytorch-crf", "as the loop"]
    title = f"## Conditional random field: batch {shape[0]}, length {shape[1]}"
    return f"{title}\n\n{table(header, rows)}"


_WHO = ("nlpreg", "pytorch-crf", "loop")
