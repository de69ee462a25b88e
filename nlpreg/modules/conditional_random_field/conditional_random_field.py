"""A linear-chain conditional random field, plain and with weighted labels, and the transitions that encodings allow.

Letters in shapes: B sentences, T words, C tags, N paths.
"""

from dataclasses import dataclass
from typing import overload

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.conditional_random_field.forward_scores import forward_scores
from nlpreg.nn.util.decoding import best_paths

_DISALLOWED = -10000.0  # score of a transition that the constraints forbid
# Replaces log 0; not lower, so that its sum over a sentence stays above the score of a forbidden transition.
_IMPOSSIBLE = -100.0

ScoredPath = tuple[list[int], float]

_START = "START"
_END = "END"


@dataclass(frozen=True)
class _Encoding:
    """The allowed transitions of a label encoding; every string is a set of one-letter tags.

    Attributes:
        first: tags that may begin a sentence.
        last: tags that may end a sentence.
        free: pairs of sets (from, to): each tag of the first may be followed by each tag of the second.
        same_entity: like `free`, but only between labels of the same entity type.
    """

    first: str
    last: str
    free: tuple[tuple[str, str], ...]
    same_entity: tuple[tuple[str, str], ...]


_ENCODINGS = {
    "BIO": _Encoding("OB", "OBI", (("OBI", "OB"),), (("BI", "I"),)),
    "IOB1": _Encoding("OI", "OBI", (("OBI", "OI"),), (("BI", "B"),)),
    "BIOUL": _Encoding("OBU", "OLU", (("OLU", "OBU"),), (("BI", "IL"),)),
    "BMES": _Encoding("OBS", "OES", (("OES", "OBS"),), (("BM", "ME"),)),
}


def is_transition_allowed(
    constraint_type: str, from_tag: str, from_entity: str, to_tag: str, to_entity: str
) -> bool:
    """Whether one label may follow another.

    Args:
        constraint_type: "BIO", "IOB1", "BIOUL" or "BMES".
        from_tag: one letter such as "B", or "START".
        from_entity: the rest of the label, such as "-PER".
        to_tag: one letter such as "I", or "END".
        to_entity: the rest of the label.

    Raises:
        ConfigurationError: the constraint type is unknown.
    """
    encoding = _ENCODINGS.get(constraint_type)
    if encoding is None:
        raise ConfigurationError(
            f"{constraint_type!r} is not a known encoding of spans; choose one of {', '.join(_ENCODINGS)}"
        )
    if to_tag == _START or from_tag == _END:
        return False
    if from_tag == _START:
        return to_tag in encoding.first
    if to_tag == _END:
        return from_tag in encoding.last
    pairs = encoding.free + encoding.same_entity if from_entity == to_entity else encoding.free
    return any(from_tag in before and to_tag in after for before, after in pairs)


def allowed_transitions(constraint_type: str, labels: dict[int, str]) -> list[tuple[int, int]]:
    """All pairs of label indices (from, to) such that the second label may follow the first.

    Args:
        constraint_type: "BIO", "IOB1", "BIOUL" or "BMES".
        labels: label of each index, such as {0: "O", 1: "B-PER"}.

    Returns:
        Pairs of indices; `len(labels)` stands for the start of a sentence and `len(labels) + 1` for its end.

    Raises:
        ConfigurationError: the constraint type is unknown.
    """
    parts = [(index, label[:1], label[1:]) for index, label in labels.items()]
    parts += [(len(labels), _START, ""), (len(labels) + 1, _END, "")]
    return [
        (from_index, to_index)
        for from_index, from_tag, from_entity in parts
        for to_index, to_tag, to_entity in parts
        if is_transition_allowed(constraint_type, from_tag, from_entity, to_tag, to_entity)
    ]


class ConditionalRandomField(torch.nn.Module):
    """A linear-chain CRF: scores tag sequences by emission scores and learned transition scores.

    Args:
        num_tags: number of tags.
        constraints: allowed transitions (from tag, to tag), where `num_tags` is the start and `num_tags + 1` the end of a
            sentence. They apply to decoding, not to the likelihood. None allows all transitions.
        include_start_end_transitions: whether to learn start and end transition scores too.

    Shape:
        inputs (B, T, num_tags), tags (B, T), mask (B, T) -> scalar.

    Source: Lafferty, McCallum and Pereira (2001).
    """

    def __init__(
        self,
        num_tags: int,
        constraints: list[tuple[int, int]] | None = None,
        include_start_end_transitions: bool = True,
    ) -> None:
        super().__init__()
        self.num_tags = num_tags
        self.include_start_end_transitions = include_start_end_transitions
        self.transitions = torch.nn.Parameter(torch.empty(num_tags, num_tags))
        allowed = torch.full((num_tags + 2, num_tags + 2), 1.0 if constraints is None else 0.0)
        for before, after in constraints or ():
            allowed[before, after] = 1.0
        self._constraint_mask = torch.nn.Parameter(allowed, requires_grad=False)
        if include_start_end_transitions:
            self.start_transitions = torch.nn.Parameter(torch.empty(num_tags))
            self.end_transitions = torch.nn.Parameter(torch.empty(num_tags))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize the transition scores from their random distribution."""
        torch.nn.init.xavier_normal_(self.transitions)
        if self.include_start_end_transitions:
            torch.nn.init.normal_(self.start_transitions)
            torch.nn.init.normal_(self.end_transitions)

    def forward(self, inputs: Tensor, tags: Tensor, mask: Tensor | None = None) -> Tensor:
        """The log-likelihood of the tags given the inputs, summed over the batch.

        Args:
            inputs: emission scores.
            tags: the gold tags.
            mask: true for words that are scored; all by default. A sentence without any contributes nothing.
        """
        inputs, mask = self._prepare(inputs, mask)
        return self._log_likelihood(inputs, tags, mask, self.transitions)

    def _log_likelihood(self, inputs: Tensor, tags: Tensor, mask: Tensor, transitions: Tensor) -> Tensor:
        joint = self._joint_likelihood(inputs, transitions, tags, mask)
        log_likelihood = joint - self._input_likelihood(inputs, transitions, mask)
        return log_likelihood.masked_fill(~mask.any(dim=1), 0.0).sum()

    @staticmethod
    def _prepare(inputs: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        if inputs.dtype in (torch.float16, torch.bfloat16):
            inputs = inputs.float()  # half precision is not sufficient for sums over a sentence
        if mask is None:
            mask = torch.ones(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
        return inputs, mask.bool()

    def _start_and_end(self) -> tuple[Tensor, Tensor]:
        """The start and end transition scores, (C,) each; zeros if they are not learned."""
        if self.include_start_end_transitions:
            return self.start_transitions, self.end_transitions
        zeros = self.transitions.new_zeros(self.num_tags)
        return zeros, zeros

    def _input_likelihood(self, logits: Tensor, transitions: Tensor, mask: Tensor) -> Tensor:
        """The log-partition function: log-sum-exp of the scores of all tag sequences, (B,). Subclasses may override it."""
        return _log_partition(logits, mask, transitions, *self._start_and_end())

    def _joint_likelihood(
        self,
        logits: Tensor,
        transitions: Tensor,
        tags: Tensor,
        mask: Tensor,
        label_weights: Tensor | None = None,
    ) -> Tensor:
        """The unnormalized score of the given tags, (B,). Subclasses may override it.

        A word adds its emission, and the transition into it, if it is unmasked. The first tag starts the sequence
        whether or not it is masked.

        Args:
            logits: score of each tag for each word (B, T, C).
            transitions: score of a tag (column) after a tag (row).
            tags: the given tags (B, T).
            mask: true at words that count (B, T).
            label_weights: factor of the emission of each tag and of the transitions from it, (C,).
        """
        start, end = self._start_and_end()
        weights = mask.to(logits.dtype)
        last = (mask.sum(dim=1, keepdim=True) - 1).clamp(min=0)
        last_tags = tags.gather(1, last)  # (B, 1)
        # The last column scores the sequence's last tag, which differs from tags[:, -1] if the mask has gaps.
        emitted = torch.cat([tags[:, :-1], last_tags], dim=1)
        emissions = logits.gather(2, emitted.unsqueeze(2)).squeeze(2)
        moves = transitions.view(-1)[tags[:, :-1] * self.num_tags + tags[:, 1:]]  # (B, T - 1)
        if label_weights is not None:
            emissions = emissions * label_weights[emitted]
            moves = moves * label_weights[tags[:, :-1]]
        score = (emissions * weights).sum(dim=1) + (moves * weights[:, 1:]).sum(dim=1)
        # not end[last_tags]: the compiled backward pass expects its stride to be the length of the first batch
        return score + start[tags[:, 0]] + end[emitted[:, -1]]

    def allows(self, tags: Tensor, mask: Tensor | None = None) -> Tensor:
        """Whether the constraints allow the given tags of each sentence; always true without constraints.

        Args:
            tags: tags of each word; masked words are dropped first.
            mask: true at words that count; all of them by default.

        Shape:
            tags (B, T), mask (B, T) -> (B,) bool.
        """
        mask = torch.ones_like(tags, dtype=torch.bool) if mask is None else mask.bool()
        is_real, order = mask.sort(dim=1, descending=True, stable=True)
        start, end = self.num_tags, self.num_tags + 1
        packed = tags.gather(1, order).masked_fill(~is_real, end)  # (B, T)
        before = torch.cat([packed.new_full((len(tags), 1), start), packed], dim=1)  # (B, T + 1)
        after = torch.cat([packed, packed.new_full((len(tags), 1), end)], dim=1)
        allowed = self._constraint_mask.bool()[before, after]
        return (allowed | (before == end)).all(dim=1) | ~mask.any(dim=1)

    def decoding_scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """The scores that decoding adds to the emissions: transitions (C from, C to), start (C,) and end (C,).

        Forbidden transitions have a very low score.
        """
        scores = zip(self._unconstrained(), self._is_allowed(), strict=True)
        transitions, start, end = (score.masked_fill(~allowed, _DISALLOWED) for score, allowed in scores)
        return transitions, start, end

    def constraint_scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """The scores of `decoding_scores` by the constraints alone: 0 where they allow it, else very low."""
        transitions, start, end = (
            self.transitions.new_zeros(allowed.shape).masked_fill(~allowed, _DISALLOWED)
            for allowed in self._is_allowed()
        )
        return transitions, start, end

    def _is_allowed(self) -> tuple[Tensor, Tensor, Tensor]:
        """Which transitions (C from, C to), first tags (C,) and last tags (C,) the constraints allow."""
        allowed, num_tags = self._constraint_mask.bool(), self.num_tags
        return allowed[:num_tags, :num_tags], allowed[num_tags, :num_tags], allowed[:num_tags, num_tags + 1]

    @overload
    def viterbi_tags(
        self, logits: Tensor, mask: Tensor | None = ..., top_k: None = ...
    ) -> list[ScoredPath]: ...

    @overload
    def viterbi_tags(
        self, logits: Tensor, mask: Tensor | None = ..., *, top_k: int
    ) -> list[list[ScoredPath]]: ...

    @torch.no_grad()
    def viterbi_tags(
        self, logits: Tensor, mask: Tensor | None = None, top_k: int | None = None
    ) -> list[ScoredPath] | list[list[ScoredPath]]:
        """Viterbi decoding: the best tag sequences of each sentence under the constraints. Masked words are dropped first.

        Args:
            logits: score of each tag for each word.
            mask: true at words that count; all of them by default.
            top_k: number of sequences for each sentence; None for the best one, not in a list.

        Returns:
            For each sentence a pair (tags of the unmasked words, score). With `top_k` a list of at most `top_k` such pairs,
            best first, of all sequences that the constraints allow. Where they allow none, only the best one that they forbid.

        Raises:
            ValueError: `top_k` is less than 1.
        """
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k must be at least 1, got {top_k}")
        logits, mask = self._prepare(logits, mask)
        packed, is_real, _ = _drop_masked(logits, mask)
        transitions, start, end = self.decoding_scores()
        lengths = mask.sum(dim=1)
        found, scores = best_paths(packed, lengths, transitions, start, end, top_k or 1)
        if found.size(1) > 1:
            allowed = self.allows(found.flatten(0, 1), is_real.repeat_interleave(found.size(1), dim=0))
            # The first is kept in any case: each sentence gets tags.
            scores[:, 1:] = scores[:, 1:].masked_fill(~allowed.view_as(scores)[:, 1:], -torch.inf)
        if found.device.type != "cpu":
            found, scores, lengths = _on_cpu(found, scores, lengths)
        best: list[list[ScoredPath]] = [
            [
                (path[:length], score)
                for path, score in zip(sentence_paths, sentence_scores, strict=True)
                if score > -torch.inf
            ]
            for sentence_paths, sentence_scores, length in zip(
                found.tolist(), scores.tolist(), lengths.tolist(), strict=True
            )
        ]
        return best if top_k is not None else [paths[0] for paths in best]

    def marginals(self, logits: Tensor, mask: Tensor | None = None, constrained: bool = False) -> Tensor:
        """The marginal probability of each tag of each word; masked words are dropped first. No gradient.

        Args:
            logits: score of each tag for each word.
            mask: true at words that count; all of them by default.
            constrained: whether to apply the constraints, which the likelihood ignores.

        Shape:
            logits (B, T, C), mask (B, T) -> (B, T, C), zeros at masked words.
        """
        with torch.enable_grad():
            logits, mask = self._prepare(logits.detach(), mask)
            packed, is_real, order = _drop_masked(logits, mask)
            packed.requires_grad_()
            scores = (part.detach() for part in self._scores(constrained))
            log_partition = _log_partition(packed, is_real, *scores).sum()
            (probabilities,) = torch.autograd.grad(log_partition, packed)
        places = order.unsqueeze(2).expand_as(probabilities)
        return torch.zeros_like(probabilities).scatter(1, places, probabilities) * mask.unsqueeze(2)

    def tags_of_marginals(self, marginals: Tensor, mask: Tensor | None = None) -> list[list[int]]:
        """The allowed tag sequence with the highest product of marginals, for each sentence.

        Without constraints they are the most probable tag of each word. With marginals averaged over several CRFs, this decodes
        their ensemble.

        Args:
            marginals: the probability of each tag for each word.
            mask: true at words that count; all of them by default.

        Shape:
            marginals (B, T, C), mask (B, T).
        """
        marginals, mask = self._prepare(marginals.detach(), mask)
        packed, _, _ = _drop_masked(marginals.log().clamp(min=_IMPOSSIBLE), mask)
        lengths = mask.sum(dim=1)
        transitions, start, end = (scores.to(packed.dtype) for scores in self.constraint_scores())
        found, _ = best_paths(packed, lengths, transitions, start, end)
        return [path[:length] for (path, *_), length in zip(found.tolist(), lengths.tolist(), strict=True)]

    @torch.no_grad()
    def log_partition(self, logits: Tensor, mask: Tensor | None = None, constrained: bool = False) -> Tensor:
        """The log-partition function: log-sum-exp of the scores of all tag sequences. Masked words are dropped first. No
        gradient.

        The score of a path from `viterbi_tags` minus this is the log-probability of the path.

        Args:
            logits: score of each tag for each word.
            mask: true at words that count; all of them by default.
            constrained: whether to apply the constraints, which the likelihood ignores.

        Shape:
            logits (B, T, C), mask (B, T) -> (B,), 0 for a sentence without words.
        """
        logits, mask = self._prepare(logits, mask)
        packed, is_real, _ = _drop_masked(logits, mask)
        log_partition = _log_partition(packed, is_real, *self._scores(constrained))
        return log_partition.masked_fill(~mask.any(dim=1), 0.0)

    def log_probability_of_sets(
        self, logits: Tensor, allowed: Tensor, mask: Tensor | None = None, constrained: bool = False
    ) -> Tensor:
        """The log of the total probability of all sequences in which the tag of each word is in a given set.

        If the sets contain only the gold tag for labelled words and all tags for the others, this is the log-likelihood of a
        partially labelled sentence; if they contain the tags of a span, it is the log-probability of the span.

        Args:
            logits: score of each tag for each word.
            allowed: true for the tags in the set of the word.
            mask: true at words that count; all of them by default.
            constrained: whether to apply the constraints, which the likelihood ignores.

        Shape:
            logits and allowed (B, T, C), mask (B, T) -> (B,), 0 for a sentence without words.
        """
        logits, mask = self._prepare(logits, mask)
        scores = self._scores(constrained)
        within = _log_partition(logits.masked_fill(~allowed, _DISALLOWED), mask, *scores)
        return (within - _log_partition(logits, mask, *scores)).masked_fill(~mask.any(dim=1), 0.0)

    def _scores(self, constrained: bool) -> tuple[Tensor, Tensor, Tensor]:
        return self.decoding_scores() if constrained else self._unconstrained()

    def _unconstrained(self) -> tuple[Tensor, Tensor, Tensor]:
        return (self.transitions, *self._start_and_end())


class WeightedConditionalRandomField(ConditionalRandomField):
    """Base class of CRFs with a weight for each tag; subclasses use the weights in the likelihood only.

    Args:
        num_tags: number of tags.
        label_weights: weight of each tag.
        constraints: pairs of tags of which the second may follow the first, see `ConditionalRandomField`.
        include_start_end_transitions: learn scores for the first and the last tag too.

    Shape:
        as in `ConditionalRandomField`.

    Raises:
        ConfigurationError: the number of weights is not `num_tags`.
    """

    label_weights: Tensor

    def __init__(
        self,
        num_tags: int,
        label_weights: list[float],
        constraints: list[tuple[int, int]] | None = None,
        include_start_end_transitions: bool = True,
    ) -> None:
        super().__init__(num_tags, constraints, include_start_end_transitions)
        if label_weights is None:
            raise ConfigurationError("label_weights must be given, one weight for each tag")
        if len(label_weights) != num_tags:
            raise ConfigurationError(
                f"expected {num_tags} label weights, one for each tag, got {len(label_weights)}"
            )
        self.register_buffer("label_weights", torch.tensor(label_weights, dtype=torch.float32))


def _log_partition(logits: Tensor, mask: Tensor, transitions: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Log-sum-exp of the scores of all tag sequences, (B,)."""
    if not logits.numel():  # the recursion needs a first word
        return logits.sum(dim=(1, 2))
    scores = forward_scores(logits.transpose(0, 1), mask.t(), transitions, start.to(logits.dtype))
    return torch.logsumexp(scores[-1] + end, dim=1)


def _drop_masked(logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The logits with unmasked words first, in their order; their mask; and the original position of each word (B, T)."""
    is_real, order = mask.sort(dim=1, descending=True, stable=True)
    return logits.gather(1, order.unsqueeze(2).expand_as(logits)), is_real, order


def _on_cpu(paths: Tensor, scores: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Copy paths (B, N, T), scores (B, N) and lengths (B,) to the CPU with a single synchronization."""
    parts = [paths.flatten(1), scores, lengths.unsqueeze(1)]
    copied = torch.cat([part.double() for part in parts], dim=1).cpu()
    flat_paths, copied_scores, copied_lengths = torch.split(copied, [part.size(1) for part in parts], dim=1)
    return flat_paths.long().view(paths.shape), copied_scores, copied_lengths.long().squeeze(1)
