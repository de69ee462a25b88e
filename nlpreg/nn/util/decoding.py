"""Best paths through a chain of tags, for one sentence or a batch."""

import logging
from collections.abc import Sequence
from itertools import pairwise
from typing import overload

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError

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
    zeros = emissions.new_zeros(emissions.size(2))
    end = zeros if end is None else end.clamp(min=_FORBIDDEN)
    start = zeros if start is None else start.clamp(min=_FORBIDDEN)
    emissions = emissions.clamp(min=_FORBIDDEN_TAG).transpose(0, 1).contiguous()  # (T, B, K)
    transitions = transitions.clamp(min=_FORBIDDEN).contiguous()
    prefixes = _best_prefixes(emissions, transitions, start)
    if num_paths == 1:
        return _best_path(prefixes + emissions, lengths, transitions, end)
    return _several_paths(emissions, prefixes, lengths, transitions, start, end, num_paths)


def _several_paths(
    emissions: Tensor,
    prefixes: Tensor,
    lengths: Tensor,
    transitions: Tensor,
    start: Tensor,
    end: Tensor,
    num_paths: int,
) -> tuple[Tensor, Tensor]:
    """The `num_paths` best paths, grown from the last word to the first.

    Args:
        emissions: score of each tag for each word (T, B, K).
        prefixes: the best score of any path into each tag at each word, without the word's own emission (T, B, K).
        lengths: number of words of each sentence (B,).
        transitions: score of a tag (column) after a tag (row).
        start: score of each tag as the first.
        end: score of each tag as the last.
        num_paths: how many paths to find.

    Returns:
        As `best_paths`: paths (B, N, T) and scores (B, N).
    """
    _, batch_size, num_tags = emissions.shape
    device = emissions.device
    to_next = transitions.t().contiguous()  # (K to, K from)

    # Only one slot is in use at first: the empty path.
    scores = emissions.new_full((batch_size, num_paths), -torch.inf)
    scores[:, 0] = 0.0
    tags = torch.zeros(batch_size, num_paths, dtype=torch.long, device=device)
    own_slot = torch.arange(num_paths, device=device).expand(batch_size, num_paths)
    chosen: list[Tensor] = []
    came_from: list[Tensor] = []
    for t in reversed(range(len(emissions))):
        is_last = (lengths == t + 1).view(-1, 1, 1)
        has_begun = (lengths > t).unsqueeze(1)
        following = torch.where(is_last, end, to_next[tags])  # (B, N, K)
        # (B, N, K)
        suffixes = scores.unsqueeze(2) + (following + emissions[t].unsqueeze(1))
        # (B, N * K)
        whole = (suffixes + prefixes[t].unsqueeze(1)).flatten(1)
        best = whole.topk(num_paths).indices  # (B, N)
        scores = torch.where(has_begun, suffixes.flatten(1).gather(1, best), scores)
        tags = torch.where(has_begun, best % num_tags, tags)
        chosen.append(tags)
        came_from.append(torch.where(has_begun, best // num_tags, own_slot))
    paths = _trace(chosen[::-1], came_from[::-1], own_slot)
    scores = torch.where((lengths > 0).unsqueeze(1), scores + start[tags], scores)
    return paths, scores.masked_fill(scores < _FORBIDDEN / 2, -torch.inf)


def _best_path(totals: Tensor, lengths: Tensor, transitions: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """The best path alone, with half the work for each word.

    Args:
        totals: the best score of any path into each tag at each word, the word's own emission included (T, B, K).
        lengths: number of words of each sentence (B,).
        transitions: score of a tag (column) after a tag (row).
        end: score of each tag as the last.

    Returns:
        As `best_paths`: paths (B, 1, T) and scores (B, 1).
    """
    num_steps, batch_size, num_tags = totals.shape
    # The end counts as one more tag, K, so that the last word is treated as every other.
    to_next = torch.cat([transitions.t(), end.unsqueeze(0)])  # (K + 1 to, K from)
    tags = torch.full((batch_size,), num_tags, device=totals.device)
    paths = tags.repeat(num_steps, 1)  # (T, B)
    has_begun = torch.arange(num_steps, device=totals.device).unsqueeze(1) < lengths  # (T, B)
    for t in range(num_steps - 1, -1, -1):
        best = (totals[t] + to_next[tags]).argmax(1)  # (B,)
        tags = torch.where(has_begun[t], best, tags, out=paths[t])
    if not num_steps:
        return paths.t().unsqueeze(1), totals.new_zeros(batch_size, 1)
    last = (lengths - 1).clamp(min=0).view(1, -1, 1).expand(1, batch_size, num_tags)
    scores = (totals.gather(0, last).squeeze(0) + end).amax(1, keepdim=True)  # (B, 1)
    scores = scores.masked_fill((lengths == 0).unsqueeze(1), 0.0)
    return paths.t().unsqueeze(1), scores.masked_fill(scores < _FORBIDDEN / 2, -torch.inf)


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


logger = logging.getLogger(__name__)

_OBSERVED_SCORE = 100000.0  # what the running score is reset to at an observed tag
_DISCOURAGED = -10000.0  # transitions below this are meant as forbidden


@overload
def viterbi_decode(
    tag_sequence: Tensor,
    transition_matrix: Tensor,
    tag_observations: Sequence[int] | None = ...,
    allowed_start_transitions: Tensor | None = ...,
    allowed_end_transitions: Tensor | None = ...,
    top_k: None = ...,
) -> tuple[list[int], Tensor]: ...


@overload
def viterbi_decode(
    tag_sequence: Tensor,
    transition_matrix: Tensor,
    tag_observations: Sequence[int] | None = ...,
    allowed_start_transitions: Tensor | None = ...,
    allowed_end_transitions: Tensor | None = ...,
    *,
    top_k: int,
) -> tuple[list[list[int]], Tensor]: ...


def viterbi_decode(
    tag_sequence: Tensor,
    transition_matrix: Tensor,
    tag_observations: Sequence[int] | None = None,
    allowed_start_transitions: Tensor | None = None,
    allowed_end_transitions: Tensor | None = None,
    top_k: int | None = None,
) -> tuple[list[int], Tensor] | tuple[list[list[int]], Tensor]:
    """The tag sequences of one sentence with the highest sum of emissions and transitions.

    Args:
        tag_sequence: score of each tag at each timestep.
        transition_matrix: score of a tag (column) after a tag (row); -inf forbids the pair.
        tag_observations: for each timestep the tag that is known to be right, or -1. At an observed timestep
            the score restarts at 100000, so scores are then no longer those of whole paths.
        allowed_start_transitions: score of each tag as the first, 0 or -inf for a plain yes or no. With start or
            end transitions every score is 100000.
        allowed_end_transitions: likewise for the last tag.
        top_k: how many sequences to return; None for the best one, not in a list.

    Shape:
        tag_sequence (T, C), transition_matrix (C, C), start and end transitions (C,).

    Returns:
        The best sequence and its score (0-d). With `top_k`: a list of the best sequences, best first and no more
        than there are, and their scores (number of sequences,).

    Raises:
        ValueError: `top_k` is less than 1.
        ConfigurationError: there is not one observation for each timestep.
    """
    num_steps = tag_sequence.size(0)
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, got {top_k}")
    if tag_observations is not None:
        if len(tag_observations) != num_steps:
            raise ConfigurationError(
                f"expected one observed tag or -1 for each of {num_steps} timesteps, got {len(tag_observations)}"
            )
        tag_sequence = _keep_observed(tag_sequence, transition_matrix, tag_observations)
    found, scores = best_paths(
        tag_sequence.unsqueeze(0),
        torch.tensor([num_steps], device=tag_sequence.device),
        transition_matrix,
        allowed_start_transitions,
        allowed_end_transitions,
        top_k or 1,
    )
    num_found = max(1, int((scores[0] > -torch.inf).sum()))
    paths: list[list[int]] = found[0, :num_found].tolist()
    values = scores[0, :num_found]
    if allowed_start_transitions is not None or allowed_end_transitions is not None:
        values = torch.full_like(values, _OBSERVED_SCORE)
    elif tag_observations is not None and max(tag_observations, default=-1) >= 0:
        values = _scores_after_last_observation(
            found[0, :num_found], tag_sequence, transition_matrix, tag_observations
        )
    if top_k is None:
        return paths[0], values[0]
    return paths, values


def _keep_observed(tag_sequence: Tensor, transition_matrix: Tensor, observations: Sequence[int]) -> Tensor:
    """The emissions with only the observed tag possible, at score zero, where there is one."""
    # (T,)
    observed = torch.tensor(observations, device=tag_sequence.device)
    pairs = [(a, b) for a, b in pairwise(observations) if a >= 0 and b >= 0]
    for previous, following in pairs:
        if transition_matrix[previous, following] < _DISCOURAGED:
            logger.warning(
                "The observed tags %d and %d follow each other, but their transition is as good as forbidden.",
                previous,
                following,
            )
    is_other = torch.arange(tag_sequence.size(1), device=tag_sequence.device) != observed.unsqueeze(1)
    # (T, 1)
    is_observed = (observed >= 0).unsqueeze(1)
    return tag_sequence.masked_fill(is_observed, 0.0).masked_fill(is_observed & is_other, -torch.inf)


def _scores_after_last_observation(
    paths: Tensor, tag_sequence: Tensor, transition_matrix: Tensor, observations: Sequence[int]
) -> Tensor:
    last = max(t for t, tag in enumerate(observations) if tag >= 0)
    rest = paths[:, last:]  # (N, steps from the last observation on)
    steps = torch.arange(last + 1, tag_sequence.size(0), device=paths.device)
    emissions = tag_sequence[steps, rest[:, 1:]].sum(dim=1)
    return _OBSERVED_SCORE + emissions + transition_matrix[rest[:, :-1], rest[:, 1:]].sum(dim=1)
