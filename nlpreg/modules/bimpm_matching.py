"""Matching of two sentences from several perspectives.

Letters in shapes: B pairs, L1 and L2 words of the two sentences, D features, P perspectives.
"""

import torch
from torch import Tensor
from torch.nn import functional

from nlpreg.common import FromParams
from nlpreg.common.checks import ConfigurationError, PositiveInt
from nlpreg.nn.util import get_final_encoder_states, masked_max, masked_mean, masked_softmax

_PATTERNS = ("full_match", "maxpool_match", "attentive_match", "max_attentive_match")


class BiMpmMatching(torch.nn.Module, FromParams):
    """Compares every word of each sentence with the other sentence, by cosines of reweighted vectors.

    Args:
        hidden_dim: width of the vectors of both sentences.
        num_perspectives: number of learned reweightings in each pattern.
        share_weights_between_directions: use the same reweightings for both sentences.
        is_forward: whether the vectors come from a left-to-right encoder, so that its last state is at the end;
            needed with `with_full_match`.
        with_full_match: compare with the last state of the other sentence.
        with_maxpool_match: compare with every word of it, and take maximum and mean.
        with_attentive_match: compare with the attention-weighted sum of its words, after a softmax.
        with_max_attentive_match: compare with the attention-weighted maximum of its words.

    Shape:
        context_1 (B, L1, D), mask_1 (B, L1), context_2 (B, L2, D), mask_2 (B, L2) -> two lists of tensors
        (B, L1, ...) and (B, L2, ...), whose last dimensions add up to `get_output_dim()`.

    Raises:
        ConfigurationError: no pattern is enabled, or the full match without `is_forward`.

    Source: Wang, Hamza and Florian (2017), https://arxiv.org/abs/1702.03814
    """

    def __init__(
        self,
        hidden_dim: PositiveInt = 100,
        num_perspectives: PositiveInt = 20,
        share_weights_between_directions: bool = True,
        is_forward: bool | None = None,
        with_full_match: bool = True,
        with_maxpool_match: bool = True,
        with_attentive_match: bool = True,
        with_max_attentive_match: bool = True,
    ) -> None:
        super().__init__()
        if with_full_match and is_forward is None:
            raise ConfigurationError("BiMpmMatching: with_full_match needs is_forward, true or false")
        self.hidden_dim = hidden_dim
        self.num_perspectives = num_perspectives
        self.is_forward = is_forward
        enabled = (with_full_match, with_maxpool_match, with_attentive_match, with_max_attentive_match)
        self._patterns = [pattern for pattern, is_on in zip(_PATTERNS, enabled, strict=True) if is_on]
        if not self._patterns:
            raise ConfigurationError(f"BiMpmMatching: enable at least one of {', '.join(_PATTERNS)}")
        self.output_dim = 2  # maximum and mean of the plain cosines
        for pattern in self._patterns:
            weights = self._new_weights()
            other = weights if share_weights_between_directions else self._new_weights()
            self.register_parameter(f"{pattern}_weights", weights)
            self.register_parameter(f"{pattern}_weights_reversed", other)
            self.output_dim += 2 * num_perspectives if pattern == "maxpool_match" else num_perspectives + 1

    def _new_weights(self) -> torch.nn.Parameter:
        weights = torch.nn.Parameter(torch.empty(self.num_perspectives, self.hidden_dim))
        torch.nn.init.kaiming_normal_(weights)
        return weights

    def get_output_dim(self) -> int:
        """The summed width of the tensors in each list."""
        return self.output_dim

    def forward(
        self, context_1: Tensor, mask_1: Tensor, context_2: Tensor, mask_2: Tensor
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Match two batches of sentences.

        Args:
            context_1: vectors of the words of the first sentences.
            mask_1: true at words.
            context_2: vectors of the words of the second sentences.
            mask_2: true at words.
        """
        mask_1, mask_2 = mask_1.bool(), mask_2.bool()
        context_1 = context_1 * mask_1.unsqueeze(-1)
        context_2 = context_2 * mask_2.unsqueeze(-1)
        cosines = functional.normalize(context_1, dim=-1) @ functional.normalize(context_2, dim=-1).transpose(
            1, 2
        )
        return (
            self._match(context_1, mask_1, context_2, mask_2, cosines, "weights"),
            self._match(context_2, mask_2, context_1, mask_1, cosines.transpose(1, 2), "weights_reversed"),
        )

    def _match(
        self, words: Tensor, mask: Tensor, others: Tensor, other_mask: Tensor, cosines: Tensor, weights: str
    ) -> list[Tensor]:
        """The match vectors of one sentence with the other; `cosines` is (B, L, L of the other)."""
        # (B, 1, L of the other)
        columns = other_mask.unsqueeze(1)
        vectors = [
            masked_max(cosines, columns, dim=2, keepdim=True),
            masked_mean(cosines, columns, dim=2, keepdim=True),
        ]
        attended = others.unsqueeze(1) * cosines.unsqueeze(-1)  # (B, L, L of the other, D)
        for pattern in self._patterns:
            weight: Tensor = getattr(self, f"{pattern}_{weights}")
            if pattern == "maxpool_match":
                # (B, L, L of the other, P)
                pairs = multi_perspective_match_pairwise(words, others, weight)
                vectors.append(masked_max(pairs, columns.unsqueeze(-1), dim=2))
                vectors.append(masked_mean(pairs, columns.unsqueeze(-1), dim=2))
                continue
            if pattern == "full_match":
                final = get_final_encoder_states(others, other_mask) if self.is_forward else others[:, 0]
                # (B, L, D)
                partner = final.unsqueeze(1).expand_as(words)
            elif pattern == "attentive_match":
                partner = masked_softmax(attended.sum(dim=2), mask.unsqueeze(-1))
            else:
                partner = masked_max(attended, columns.unsqueeze(-1), dim=2)
            vectors.extend(multi_perspective_match(words, partner, weight))
        return vectors


def multi_perspective_match(vector1: Tensor, vector2: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine of each vector with its partner, plain and from each perspective.

    Args:
        vector1: (B, L, D).
        vector2: (B, L, D), or (B, 1, D) for one partner of all.
        weight: (P, D), what each perspective multiplies both vectors by.

    Returns:
        (B, L, 1) and (B, L, P).
    """
    plain = functional.cosine_similarity(vector1, vector2, dim=-1).unsqueeze(-1)
    weighted = functional.cosine_similarity(
        vector1.unsqueeze(2) * weight, vector2.unsqueeze(2) * weight, dim=-1
    )
    return plain, weighted


def multi_perspective_match_pairwise(vector1: Tensor, vector2: Tensor, weight: Tensor) -> Tensor:
    """Cosine of all pairs of vectors from each perspective.

    Args:
        vector1: (B, L1, D).
        vector2: (B, L2, D).
        weight: (P, D), what each perspective multiplies both vectors by.

    Returns:
        (B, L1, L2, P).
    """
    # (1, P, 1, D)
    perspectives = weight.view(1, weight.size(0), 1, -1)
    unit_first = functional.normalize(vector1.unsqueeze(1) * perspectives, dim=-1)  # (B, P, L1, D)
    unit_second = functional.normalize(vector2.unsqueeze(1) * perspectives, dim=-1)  # (B, P, L2, D)
    return (unit_first @ unit_second.transpose(-1, -2)).permute(0, 2, 3, 1)
