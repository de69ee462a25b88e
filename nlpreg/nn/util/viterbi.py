"""The best tag sequences of a batch of sentences, in one loop over time and none over sentences.

Letters in shapes: B sentences, T words, K tags, N paths.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Stands for minus infinity inside the search, so that a path which is not allowed still beats one that does not exist.
# A tag that is not allowed weighs more than a transition, so that tags forced by the caller stand in any case.
_FORBIDDEN = -1e30
_FORBIDDEN_TAG = -1e33


def best_paths(
    emissions: Tensor,
    lengths: Tensor,
    transitions: Tensor,
    start: Tensor | None = None,
    end: Tensor | None = None,
    num_paths: int = 1,
) -> tuple[Tensor, Tensor]:
    """The highest-scoring tag sequences of each sentence, best first.

    A path scores `start[y0] + sum(emissions[t, yt]) + sum(transitions[yt, yt+1]) + end[last]`.

    First, from right to left, the best score of any completion of every tag is found. Then paths grow from left to
    right, and only the `num_paths` prefixes with the best completed scores are kept. As the scores of completions
    are exact, each kept prefix stands for a different full path, so no prefix of one of the best paths is ever lost.

    Args:
        emissions: score of each tag for each word.
        lengths: number of words of each sentence; the words come first.
        transitions: score of a tag (column) after a tag (row).
        start: score of each tag as the first.
        end: score of each tag as the last.
        num_paths: how many paths to find.

    Shape:
        emissions (B, T, K), lengths (B,), transitions (K, K), start and end (K,) -> paths int64 (B, N, T), scores
        (B, N). Tags past the length are arbitrary. Where fewer than N paths exist, the score is -inf; a sentence
        without words has one empty path of score 0.
    """
    if emissions.dtype in (torch.float16, torch.bfloat16):
        emissions = emissions.float()  # a sum over a sentence needs more digits
    transitions = transitions.to(emissions.dtype)
    batch_size, num_steps, num_tags = emissions.shape
    device = emissions.device
    zeros = emissions.new_zeros(num_tags)
    end = zeros if end is None else end.clamp(min=_FORBIDDEN)
    start = zeros if start is None else start.clamp(min=_FORBIDDEN)
    emissions = emissions.clamp(min=_FORBIDDEN_TAG).transpose(0, 1).contiguous()  # (T, B, K)
    transitions = transitions.clamp(min=_FORBIDDEN).contiguous()
    is_real = torch.arange(num_steps, device=device).unsqueeze(1) < lengths  # (T, B)
    completions = _best_completions(emissions, is_real, transitions, end)

    scores = emissions.new_full((batch_size, num_paths), -torch.inf)
    scores[:, 0] = 0.0
    tags = torch.zeros(batch_size, num_paths, dtype=torch.long, device=device)
    came_from: list[Tensor] = []
    chosen: list[Tensor] = []
    own_slot = torch.arange(num_paths, device=device).expand(batch_size, num_paths)
    for t in range(num_steps):
        step = emissions[t].unsqueeze(1)  # (B, 1, K)
        if t == 0:
            prefixes = scores.unsqueeze(2) + (step + start)
        else:
            prefixes = scores.unsqueeze(2) + transitions[tags] + step  # (B, N, K)
        full = (prefixes + completions[t].unsqueeze(1)).flatten(1)
        best = full.argmax(1, keepdim=True) if num_paths == 1 else full.topk(num_paths).indices
        real = is_real[t].unsqueeze(1)
        slots = torch.where(real, best // num_tags, own_slot)
        tags = torch.where(real, best % num_tags, tags)
        scores = torch.where(real, prefixes.flatten(1).gather(1, best), scores)
        came_from.append(slots)
        chosen.append(tags)
    paths = _trace_back(chosen, came_from, own_slot)
    scores = torch.where((lengths > 0).unsqueeze(1), scores + end[tags], scores)
    return paths, scores.masked_fill(scores < _FORBIDDEN / 2, -torch.inf)


def _best_completions(emissions: Tensor, is_real: Tensor, transitions: Tensor, end: Tensor) -> Tensor:
    """The best score of what follows each tag at each word, the end included: (T, B, K)."""
    num_steps, batch_size, num_tags = emissions.shape
    completions = end.expand(num_steps, batch_size, num_tags).clone()
    by_next_tag = (
        transitions.t().contiguous()
    )  # (K to, K from): the maximum then runs over rows, which is faster
    for t in range(num_steps - 1, 0, -1):
        following = emissions[t] + completions[t]
        best = (following.unsqueeze(2) + by_next_tag).amax(dim=1)  # (B, K from)
        completions[t - 1] = torch.where(is_real[t].unsqueeze(1), best, end)
    return completions


def _trace_back(chosen: list[Tensor], came_from: list[Tensor], slots: Tensor) -> Tensor:
    """Follow the back pointers from the last step: (B, N, T)."""
    batch_size, num_paths = slots.shape
    paths = torch.empty(len(chosen), batch_size, num_paths, dtype=torch.long, device=slots.device)
    for t in range(len(chosen) - 1, -1, -1):
        paths[t] = chosen[t].gather(1, slots)
        slots = came_from[t].gather(1, slots)
    return paths.permute(1, 2, 0)
