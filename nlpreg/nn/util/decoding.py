"""Decoding one sentence: the best tag sequences under transition scores and observed tags."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import pairwise
from typing import overload

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.util.viterbi import best_paths

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
