"""Beam search, the constraints on it, and the scores by which it ranks complete sequences.

Letters in shapes: B sentences, C classes, G rows of the model: B in the first step, then B * beams.
"""

import copy
import inspect
import warnings
from collections.abc import Callable
from typing import Any, Protocol, Union, cast

import torch
from torch import Tensor

from nlpreg.common import Lazy, Registrable
from nlpreg.common.checks import ConfigurationError, check_at_least
from nlpreg.nn.beam_search.sampler import DeterministicSampler, Sampler, StateType
from nlpreg.nn.util.masks import min_value_of_dtype

StepFunctionTypeWithTimestep = Callable[[Tensor, StateType, int], tuple[Tensor, StateType]]
"""(last predictions (G,), state, timestep from 0) -> (log probabilities (G, C), state)."""

StepFunctionTypeNoTimestep = Callable[[Tensor, StateType], tuple[Tensor, StateType]]
"""(last predictions (G,), state) -> (log probabilities (G, C), state)."""

StepFunctionType = Union[StepFunctionTypeWithTimestep, StepFunctionTypeNoTimestep]

ConstraintStateType = list[list[dict[str, Any]]]
"""For each sentence and each of its beams what a constraint remembers."""


class VocabularyProtocol(Protocol):
    """What a constraint may ask a vocabulary; this package lies below the one that defines it."""

    def get_token_index(self, token: str, namespace: str = "tokens") -> int:
        """The index of a token."""

    def get_token_from_index(self, index: int, namespace: str = "tokens") -> str:
        """The token of an index."""

    def get_vocab_size(self, namespace: str = "tokens") -> int:
        """The number of tokens."""


class Constraint(Registrable):
    """Lowers the log probabilities of classes that a beam must not continue with.

    Subclasses implement `init_state`, `apply` and `_update_state`.

    Args:
        vocab: the vocabulary of the classes, for constraints that look at tokens.
    """

    constructor_extras = frozenset(["vocab"])

    def __init__(self, vocab: VocabularyProtocol | None = None) -> None:
        self.vocab = vocab

    def init_state(self, batch_size: int) -> ConstraintStateType:
        """What to remember before the first step: for each sentence a list with one dict."""
        raise NotImplementedError(f"{type(self).__name__} does not implement init_state")

    def apply(self, state: ConstraintStateType, class_log_probabilities: Tensor) -> Tensor | None:
        """Lower log probabilities.

        Args:
            state: what is remembered for each beam.
            class_log_probabilities: log probabilities of the classes, (B, beams, C). A subclass may write into them.

        Returns:
            Log probabilities of the same shape; forbidden classes have the most negative finite value. None for the ones
            that were given, written into.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement apply")

    def update_state(
        self, state: ConstraintStateType, last_prediction: Tensor, last_backpointer: Tensor | None = None
    ) -> ConstraintStateType:
        """Update the state for the new beams.

        Args:
            state: what is remembered for each old beam.
            last_prediction: the class that each new beam has just got, (B, beams).
            last_backpointer: the old beam that each new one continues, (B, beams); None after the first step, when
                there is one old beam for each sentence.
        """
        if last_backpointer is None:
            parents = [[0] * last_prediction.size(1) for _ in range(last_prediction.size(0))]
        else:
            parents = last_backpointer.tolist()
        new_state = [
            [copy.deepcopy(old_beams[parent]) for parent in row]
            for old_beams, row in zip(state, parents, strict=True)
        ]
        return self._update_state(new_state, last_prediction)

    def _update_state(self, state: ConstraintStateType, last_prediction: Tensor) -> ConstraintStateType:
        """Take note of new predictions; `state` is already that of each new beam's parent, and may be changed."""
        raise NotImplementedError(f"{type(self).__name__} does not implement _update_state")


@Constraint.register("repeated-ngram-blocking")
class RepeatedNGramBlockingConstraint(Constraint):
    """Forbids every class that would complete an n-gram for the second time in the same sequence.

    Args:
        ngram_size: the n.
        vocab: not used.
    """

    def __init__(self, ngram_size: int, vocab: VocabularyProtocol | None = None) -> None:
        super().__init__(vocab)
        self.ngram_size = ngram_size

    def init_state(self, batch_size: int) -> ConstraintStateType:
        """Nothing seen yet, see `Constraint.init_state`."""
        return [[{"seen_ngrams": {}, "current_prefix": []}] for _ in range(batch_size)]

    def apply(self, state: ConstraintStateType, class_log_probabilities: Tensor) -> Tensor:
        """Forbid repetitions, see `Constraint.apply`."""
        forbidden = [
            (sentence, beam, following)
            for sentence, beams in enumerate(state)
            for beam, memory in enumerate(beams)
            for following in memory["seen_ngrams"].get(tuple(memory["current_prefix"]), ())
        ]
        result = class_log_probabilities.clone()
        if forbidden:
            sentences, rows, classes = zip(*forbidden, strict=True)
            result[list(sentences), list(rows), list(classes)] = min_value_of_dtype(result.dtype)
        return result

    def _update_state(self, state: ConstraintStateType, last_prediction: Tensor) -> ConstraintStateType:
        for beams, predictions in zip(state, last_prediction.tolist(), strict=True):
            for memory, prediction in zip(beams, predictions, strict=True):
                prefix, keep = memory["current_prefix"], self.ngram_size - 1
                if len(prefix) == keep:
                    memory["seen_ngrams"].setdefault(tuple(prefix), []).append(prediction)
                memory["current_prefix"] = [*prefix, prediction][-keep:] if keep else []
        return state


@Constraint.register("repetition-penalty")
class RepetitionPenaltyConstraint(Constraint):
    """Lowers the log probability of every class that the sequence has already, by a factor.

    Args:
        penalty: the factor, 1 or more; 1 changes nothing.
        vocab: not used.

    Raises:
        ValueError: `penalty` is less than 1.

    Source: Keskar et al. (2019), https://arxiv.org/abs/1909.05858, section 4.1; there the logits are scaled.
    """

    def __init__(self, penalty: float, vocab: VocabularyProtocol | None = None) -> None:
        super().__init__(vocab)
        check_at_least(1, penalty=penalty)
        self.penalty = penalty

    def init_state(self, batch_size: int) -> ConstraintStateType:
        """Nothing seen yet, see `Constraint.init_state`."""
        return [[{"seen": set()}] for _ in range(batch_size)]

    def apply(self, state: ConstraintStateType, class_log_probabilities: Tensor) -> Tensor:
        """Lower what the sequence has, see `Constraint.apply`."""
        result = class_log_probabilities.clone()
        for row, beams in zip(result, state, strict=True):
            for scores, memory in zip(row, beams, strict=True):
                if memory["seen"]:
                    seen = torch.tensor(sorted(memory["seen"]), device=scores.device)
                    scores[seen] *= self.penalty  # log probabilities are negative
        return result

    def _update_state(self, state: ConstraintStateType, last_prediction: Tensor) -> ConstraintStateType:
        for beams, predictions in zip(state, last_prediction.tolist(), strict=True):
            for memory, prediction in zip(beams, predictions, strict=True):
                memory["seen"].add(prediction)
        return state


class FinalSequenceScorer(Registrable):
    """The score by which finished sequences are ordered."""

    default_implementation = "sequence-log-prob"

    def score(self, predictions: Tensor, log_probabilities: Tensor, end_index: int) -> Tensor:
        """Score sequences.

        Args:
            predictions: the classes of each sequence, (B, beams, steps).
            log_probabilities: the log probability of each sequence, (B, beams).
            end_index: the class that ends a sequence.

        Returns:
            Scores (B, beams), the higher the better.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement score")


@FinalSequenceScorer.register("sequence-log-prob")
class SequenceLogProbabilityScorer(FinalSequenceScorer):
    """The log probability of a sequence, as it is."""

    def score(self, predictions: Tensor, log_probabilities: Tensor, end_index: int) -> Tensor:
        """Score sequences, see `FinalSequenceScorer.score`."""
        return log_probabilities


@FinalSequenceScorer.register("length-normalized-sequence-log-prob")
class LengthNormalizedSequenceLogProbabilityScorer(FinalSequenceScorer):
    """The log probability of a sequence divided by a power of its length, its end symbol included.

    Args:
        length_penalty: the exponent; above 1 favours long sequences, below 1 short ones.
    """

    def __init__(self, length_penalty: float = 1.0) -> None:
        self.length_penalty = length_penalty

    def score(self, predictions: Tensor, log_probabilities: Tensor, end_index: int) -> Tensor:
        """Score sequences, see `FinalSequenceScorer.score`."""
        lengths = (predictions != end_index).long().sum(dim=2)
        is_finished = predictions[:, :, -1] == end_index
        lengths = lengths + is_finished.long()
        return log_probabilities / lengths.to(log_probabilities.dtype) ** self.length_penalty


# State tensors under these names have the layers of a decoder before the rows: (layers, G, H).
_LAYERS_FIRST = ("decoder_hidden", "decoder_context")


class BeamSearch(Registrable):
    """Finds likely sequences of classes by keeping the best few prefixes at each step.

    Args:
        end_index: the class that ends a sequence.
        max_steps: largest number of classes of a sequence, its end included.
        beam_size: number of prefixes to keep for each sentence.
        per_node_beam_size: number of continuations of each prefix to consider; the beam size if None.
        sampler: how continuations are picked; the most likely ones by default.
        min_steps: smallest number of classes of a sequence, without its end; 0 if None.
        final_sequence_scorer: what the result is ordered by; the log probability by default.
        constraints: what a sequence must not contain.
        vocab: handed to the constraints.

    Raises:
        ValueError: a size is not positive, or `min_steps` is negative or greater than `max_steps`.
    """

    default_implementation = "beam_search"

    def __init__(
        self,
        end_index: int,
        max_steps: int = 50,
        beam_size: int = 10,
        per_node_beam_size: int | None = None,
        sampler: Sampler | None = None,
        min_steps: int | None = None,
        final_sequence_scorer: FinalSequenceScorer | None = None,
        constraints: list[Lazy[Constraint]] | None = None,
        vocab: VocabularyProtocol | None = None,
    ) -> None:
        check_at_least(1, max_steps=max_steps, beam_size=beam_size, per_node_beam_size=per_node_beam_size)
        if min_steps is not None and not 0 <= min_steps <= max_steps:
            raise ValueError(
                f"min_steps: expected a number from 0 to max_steps, {max_steps}, got {min_steps}"
            )
        self._end_index = end_index
        self.max_steps = max_steps
        self.beam_size = beam_size
        self.per_node_beam_size = per_node_beam_size or beam_size
        self.sampler = sampler or DeterministicSampler()
        self.min_steps = min_steps or 0
        self.final_sequence_scorer = final_sequence_scorer or SequenceLogProbabilityScorer()
        self.constraints = [constraint.construct(vocab=vocab) for constraint in constraints or ()]

    @torch.no_grad()
    def search(
        self, start_predictions: Tensor, start_state: StateType, step: StepFunctionType
    ) -> tuple[Tensor, Tensor]:
        """Find sequences for each sentence of a batch.

        Args:
            start_predictions: the class before the first step, (B,).
            start_state: tensors (B, ...) for the step function; the dict is changed.
            step: makes log probabilities (G, C) and a new state out of the last predictions (G,), the state, and, if
                it takes a third argument, the number of the step, counted from 0.

        Returns:
            The classes without the first one, (B, beam_size, steps), best sequence first, filled up with the end
            index; and the score of each sequence, (B, beam_size).

        Raises:
            ConfigurationError: there are fewer classes than `per_node_beam_size` or `beam_size`.
        """
        return _Search(self, self._end_index, start_predictions, start_state, _with_timestep(step)).run()


BeamSearch.register("beam_search")(BeamSearch)


def _with_timestep(step: StepFunctionType) -> StepFunctionTypeWithTimestep:
    if len(inspect.signature(step).parameters) >= 3:
        return cast(StepFunctionTypeWithTimestep, step)
    without = cast(StepFunctionTypeNoTimestep, step)
    return lambda last_predictions, state, timestep: without(last_predictions, state)


class _Search:
    """One run of a beam search over one batch."""

    def __init__(
        self,
        settings: BeamSearch,
        end_index: int,
        start_predictions: Tensor,
        state: StateType,
        step: StepFunctionTypeWithTimestep,
    ) -> None:
        self.settings = settings
        self.step = step
        self.state = state
        self.start_predictions = start_predictions
        self.batch_size = start_predictions.size(0)
        self.end_index = end_index
        self.predictions: list[Tensor] = []  # (B, beams) for each step
        self.backpointers: list[Tensor] = []  # (B, beams) for each step but the first
        self.constraint_states: list[ConstraintStateType] = []

    def run(self) -> tuple[Tensor, Tensor]:
        """The sequences and their scores, best first."""
        scores = self._first_step()
        if self.settings.beam_size == 1 and bool((self.predictions[0] == self.end_index).all()):
            warnings.warn(
                "Empty sequences predicted: the first step ends every sequence; try a larger beam or min_steps.",
                RuntimeWarning,
            )
            return self.predictions[0].unsqueeze(-1), scores
        self._expand_state()
        for timestep in range(1, self.settings.max_steps):
            if bool((self.predictions[-1] == self.end_index).all()):
                break
            scores = self._next_step(scores, timestep)
        if not self.settings.constraints:
            lowest = min_value_of_dtype(scores.dtype)
            if bool((~torch.isfinite(scores) | (scores == lowest)).any()):
                warnings.warn(
                    "Infinite log probabilities found: some beams hold impossible sequences; a smaller beam_size "
                    "avoids that.",
                    RuntimeWarning,
                )
        sequences = self._trace_back()
        final = self.settings.final_sequence_scorer.score(sequences, scores, self.end_index)
        final, order = final.sort(dim=1, descending=True, stable=True)
        return sequences.gather(1, order.unsqueeze(-1).expand_as(sequences)), final

    def _first_step(self) -> Tensor:
        """Start the beams; returns their log probabilities (B, beams)."""
        settings = self.settings
        log_probs, self.state = self.step(self.start_predictions, self.state, 0)  # (B, C)
        num_classes = log_probs.size(1)
        for name in ("per_node_beam_size", "beam_size"):
            size = getattr(settings, name)
            if size > num_classes:
                raise ConfigurationError(
                    f"BeamSearch: {name} is {size}, but there are only {num_classes} classes"
                )
        self.constraint_states = [
            constraint.init_state(self.batch_size) for constraint in settings.constraints
        ]
        log_probs = self._restrict(log_probs, num_predicted=0)
        # The sampler may already draw here, and must not draw what is forbidden.
        self.sampler_state = settings.sampler.init_state(log_probs, self.batch_size, num_classes)
        scores, classes, self.sampler_state = settings.sampler.sample_beams(
            log_probs, settings.beam_size, self.sampler_state
        )
        self._record(classes, None)
        return scores

    def _next_step(self, scores: Tensor, timestep: int) -> Tensor:
        """Lengthen the beams by one class; returns their new log probabilities (B, beams)."""
        settings = self.settings
        num_beams, num_nodes = settings.beam_size, settings.per_node_beam_size
        last_predictions = self.predictions[-1].reshape(-1)  # (G,)
        log_probs, self.state = self.step(last_predictions, self.state, timestep)  # (G, C)
        log_probs = self._restrict(log_probs, num_predicted=timestep)
        # (1, C): a finished beam can only end again
        after_end = torch.full_like(log_probs[:1], -torch.inf)
        after_end[:, self.end_index] = 0.0
        is_finished = (last_predictions == self.end_index).unsqueeze(-1)
        log_probs = torch.where(is_finished, after_end, log_probs)
        node_log_probs, node_classes, self.sampler_state = settings.sampler.sample_nodes(
            log_probs, num_nodes, self.sampler_state
        )
        # (B, beams, nodes), of whole sequences
        summed = node_log_probs.view(self.batch_size, num_beams, num_nodes) + scores.unsqueeze(-1)
        scores, chosen, self.sampler_state = settings.sampler.sample_beams(
            summed.flatten(1), num_beams, self.sampler_state
        )
        # (B, beams), which beam each one continues
        parents = chosen // num_nodes
        self._record(node_classes.view(self.batch_size, -1).gather(1, chosen), parents)
        self.backpointers.append(parents)
        self._reorder_state(parents)
        return scores

    def _restrict(self, log_probs: Tensor, num_predicted: int) -> Tensor:
        """Apply the constraints and the least length to log probabilities (G, C)."""
        if self.settings.constraints:
            by_beam = log_probs.view(self.batch_size, -1, log_probs.size(-1))
            for constraint, state in zip(self.settings.constraints, self.constraint_states, strict=True):
                applied = constraint.apply(state, by_beam)
                # A constraint may also write into what it is given, and return nothing.
                by_beam = by_beam if applied is None else applied
            log_probs = by_beam.reshape(log_probs.shape)
        if num_predicted < self.settings.min_steps:
            log_probs = log_probs.clone()
            log_probs[:, self.end_index] = min_value_of_dtype(log_probs.dtype)
        return log_probs

    def _record(self, classes: Tensor, parents: Tensor | None) -> None:
        self.predictions.append(classes)
        self.constraint_states = [
            constraint.update_state(state, classes, parents)
            for constraint, state in zip(self.settings.constraints, self.constraint_states, strict=True)
        ]

    def _expand_state(self) -> None:
        """Repeat each row of the model's state for every beam."""
        for name, tensor in self.state.items():
            if tensor is not None:
                self.state[name] = tensor.repeat_interleave(
                    self.settings.beam_size, dim=_row_dim(name, tensor)
                )

    def _reorder_state(self, parents: Tensor) -> None:
        """Give each new beam the model's state of its parent."""
        # The first row of each sentence: (B, 1).
        starts = torch.arange(self.batch_size, device=parents.device).unsqueeze(1) * self.settings.beam_size
        rows = (starts + parents).reshape(-1)  # (G,)
        for name, tensor in self.state.items():
            if tensor is not None:
                self.state[name] = tensor.index_select(_row_dim(name, tensor), rows)

    def _trace_back(self) -> Tensor:
        """Follow the back pointers from the last step: (B, beams, steps)."""
        # (B, beams) each
        steps = [self.predictions[-1]]
        if self.backpointers:
            slots = self.backpointers[-1]
            for classes, parents in zip(self.predictions[-2:0:-1], self.backpointers[-2::-1], strict=True):
                steps.append(classes.gather(1, slots))
                slots = parents.gather(1, slots)
            steps.append(self.predictions[0].gather(1, slots))
        return torch.stack(steps[::-1], dim=2)


def _row_dim(name: str, tensor: Tensor) -> int:
    return 1 if tensor.dim() == 3 and name in _LAYERS_FIRST else 0
