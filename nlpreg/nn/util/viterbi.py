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


@torch.no_grad()
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

    First, from left to right, the best score of any path into every tag is found. Then paths grow from right to left,
    and only the `num_paths` ends with the best scores of a whole path are kept. As these are exact, each kept end stands
    for a different path, so no end of one of the best paths is ever lost. Of equal paths, the one whose last differing
    tag is smaller comes first if only one is wanted.

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
    prefixes = _best_prefixes(emissions, transitions, start)
    to_next = transitions.t().contiguous()  # (K to, K from)

    scores = emissions.new_full((batch_size, num_paths), -torch.inf)
    scores[:, 0] = 0.0
    tags = torch.zeros(batch_size, num_paths, dtype=torch.long, device=device)
    own_slot = torch.arange(num_paths, device=device).expand(batch_size, num_paths)
    chosen: list[Tensor] = []
    came_from: list[Tensor] = []
    for t in range(num_steps - 1, -1, -1):
        is_last = (lengths == t + 1).view(-1, 1, 1)
        has_begun = (lengths > t).unsqueeze(1)
        following = torch.where(is_last, end, to_next[tags])  # (B, N, K)
        suffixes = scores.unsqueeze(2) + (following + emissions[t].unsqueeze(1))
        whole = (suffixes + prefixes[t].unsqueeze(1)).flatten(1)
        best = whole.argmax(1, keepdim=True) if num_paths == 1 else whole.topk(num_paths).indices  # (B, N)
        scores = torch.where(has_begun, suffixes.flatten(1).gather(1, best), scores)
        tags = torch.where(has_begun, best % num_tags, tags)
        chosen.append(tags)
        came_from.append(torch.where(has_begun, best // num_tags, own_slot))
    paths = _trace(chosen[::-1], came_from[::-1], own_slot)
    scores = torch.where((lengths > 0).unsqueeze(1), scores + start[tags], scores)
    return paths, scores.masked_fill(scores < _FORBIDDEN / 2, -torch.inf)


def _best_prefixes(emissions: Tensor, transitions: Tensor, start: Tensor) -> Tensor:
    """The best score of what leads to each tag at each word, without the word's own emission: (T, B, K)."""
    num_steps, batch_size, num_tags = emissions.shape
    prefixes = start.expand(num_steps, batch_size, num_tags).clone()
    for t in range(1, num_steps):
        through = (prefixes[t - 1] + emissions[t - 1]).unsqueeze(2)  # (B, K from, 1)
        torch.amax(through + transitions, dim=1, out=prefixes[t])
    return prefixes


def _trace(chosen: list[Tensor], came_from: list[Tensor], slots: Tensor) -> Tensor:
    """Follow the pointers from the first word on: (B, N, T)."""
    batch_size, num_paths = slots.shape
    paths = torch.empty(len(chosen), batch_size, num_paths, dtype=torch.long, device=slots.device)
    for t, (tags, pointers) in enumerate(zip(chosen, came_from, strict=True)):
        paths[t] = tags.gather(1, slots)
        slots = pointers.gather(1, slots)
    return paths.permute(1, 2, 0)
