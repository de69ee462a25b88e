"""Beam search.

Letters in shapes: B sentences, C classes, G rows of the model: B in the first step, then B * beams.
"""

from __future__ import annotations

import inspect
import warnings
from typing import cast

import torch
from torch import Tensor

from nlpreg.common import Lazy, Registrable
from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.beam_search.constraint import (
    Constraint,
    ConstraintStateType,
    StateType,
    StepFunctionType,
    StepFunctionTypeNoTimestep,
    StepFunctionTypeWithTimestep,
    VocabularyProtocol,
)
from nlpreg.nn.beam_search.final_sequence_scorer import FinalSequenceScorer, SequenceLogProbabilityScorer
from nlpreg.nn.beam_search.sampler import DeterministicSampler, Sampler
from nlpreg.nn.util.masks import min_value_of_dtype

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
        for name, size in (
            ("max_steps", max_steps),
            ("beam_size", beam_size),
            ("per_node_beam_size", per_node_beam_size),
        ):
            if size is not None and size < 1:
                raise ValueError(f"BeamSearch: {name} must be positive, got {size}")
        if min_steps is not None and not 0 <= min_steps <= max_steps:
            raise ValueError(
                f"BeamSearch: min_steps must lie between 0 and max_steps {max_steps}, got {min_steps}"
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
        return _Search(self, start_predictions, start_state, _with_timestep(step)).run()


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
        start_predictions: Tensor,
        state: StateType,
        step: StepFunctionTypeWithTimestep,
    ) -> None:
        self.settings = settings
        self.step = step
        self.state = state
        self.start_predictions = start_predictions
        self.batch_size = start_predictions.size(0)
        self.end_index = settings._end_index
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
        for name, size in (
            ("per_node_beam_size", settings.per_node_beam_size),
            ("beam_size", settings.beam_size),
        ):
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
        lowest = min_value_of_dtype(log_probs.dtype)
        if self.settings.constraints:
            by_beam = log_probs.view(self.batch_size, -1, log_probs.size(-1))
            for constraint, state in zip(self.settings.constraints, self.constraint_states, strict=True):
                applied = constraint.apply(state, by_beam)
                # A constraint may also write into what it is given, and return nothing.
                by_beam = by_beam if applied is None else applied
            log_probs = by_beam.reshape(log_probs.shape)
        if num_predicted < self.settings.min_steps:
            log_probs = log_probs.clone()
            log_probs[:, self.end_index] = lowest
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
