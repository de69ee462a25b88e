"""The base of beam search generators."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from nlpreg.common import Registrable
from nlpreg.nn.beam_search import BeamSearch, StateType, StepFunctionType


class BeamSearchGenerator(Registrable):
    """Turns the inputs of a language model into the state of a beam search, and predictions into inputs.

    Args:
        beam_search: the search.
    """

    def __init__(self, beam_search: BeamSearch) -> None:
        self._beam_search = beam_search

    def validate_text_field_embedder(self, text_field_embedder: torch.nn.Module) -> None:
        """Complain if the generator does not work with a text field embedder."""
        raise NotImplementedError

    def get_step_state(self, inputs: Mapping[str, StateType]) -> StateType:
        """The state at the start of the search: the tensors of the only indexer.

        Args:
            inputs: text field tensors.

        Raises:
            AssertionError: there is not exactly one indexer.
        """
        assert len(inputs) == 1, f"expected a text field with one indexer, got {sorted(inputs)}"
        (tensors,) = inputs.values()
        return dict(tensors)

    def prepare_step_input(self, predictions: Tensor, state: StateType) -> dict[str, StateType]:
        """The text field tensors for the next step, from the last predictions (G,) and the state, which changes."""
        raise NotImplementedError

    def search(
        self, start_predictions: Tensor, state: StateType, step_function: StepFunctionType
    ) -> tuple[Tensor, Tensor]:
        """Run the search, see `BeamSearch.search`."""
        return self._beam_search.search(start_predictions, state, step_function)
