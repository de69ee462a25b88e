"""Text generation: how a beam search feeds its predictions back to a model."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nlpreg.common import Registrable
from nlpreg.nn.beam_search import BeamSearch, StateType, StepFunctionType
from nlpreg.nn.util.modules import is_instance_of_named


class BeamSearchGenerator(Registrable):
    """Turns the inputs of a language model into the state of a beam search, and predictions into inputs.

    Args:
        beam_search: the search.
    """

    def __init__(self, beam_search: BeamSearch) -> None:
        self._beam_search = beam_search

    def validate_text_field_embedder(self, text_field_embedder: torch.nn.Module) -> None:
        """Raise an error if the generator does not work with a text field embedder."""
        raise NotImplementedError(f"{type(self).__name__} does not implement validate_text_field_embedder")

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
        raise NotImplementedError(f"{type(self).__name__} does not implement prepare_step_input")

    def search(
        self, start_predictions: Tensor, state: StateType, step_function: StepFunctionType
    ) -> tuple[Tensor, Tensor]:
        """Run the search, see `BeamSearch.search`."""
        return self._beam_search.search(start_predictions, state, step_function)


@BeamSearchGenerator.register("transformer")
class TransformerBeamSearchGenerator(BeamSearchGenerator):
    """Appends each prediction after the last word piece.

    Args:
        beam_search: the search.
        namespace: name of the indexer; that of the embedder if None.
    """

    def __init__(self, beam_search: BeamSearch, *, namespace: str | None = None) -> None:
        super().__init__(beam_search)
        self._namespace = namespace

    def validate_text_field_embedder(self, text_field_embedder: torch.nn.Module) -> None:
        """Require a basic embedder with one pretrained transformer, whose name becomes the namespace.

        Raises:
            AssertionError: the embedder is another one.
        """
        assert is_instance_of_named(text_field_embedder, "BasicTextFieldEmbedder"), (
            f"expected a BasicTextFieldEmbedder, got {type(text_field_embedder).__name__}"
        )
        embedders: dict[str, torch.nn.Module] = getattr(text_field_embedder, "token_embedders")  # noqa: B009
        assert len(embedders) == 1, f"expected one token embedder, got {sorted(embedders)}"
        ((key, embedder),) = embedders.items()
        assert is_instance_of_named(embedder, "PretrainedTransformerEmbedder"), (
            f"expected a PretrainedTransformerEmbedder, got {type(embedder).__name__}"
        )
        self._namespace = key

    def prepare_step_input(self, predictions: Tensor, state: StateType) -> dict[str, StateType]:
        """Insert each prediction at the first masked position, or at the end.

        Args:
            predictions: the last predictions, (G,).
            state: `token_ids` and `mask` (G, T), and `type_ids` (G, T) if the model has them; it changes.
        """
        assert self._namespace is not None, (
            "validate_text_field_embedder must be called first, or a namespace given"
        )
        token_ids, mask = state["token_ids"], state["mask"].bool()
        num_pieces = mask.size(1)
        positions = torch.arange(num_pieces + 1, device=mask.device)
        # The first masked position: all positions before it are unmasked.
        first_masked = mask.long().cumprod(dim=1).sum(dim=1, keepdim=True)  # (G, 1)
        source = torch.where(positions <= first_masked, positions, positions - 1).clamp(max=num_pieces - 1)
        is_new = positions == first_masked
        state["token_ids"] = torch.where(is_new, predictions.unsqueeze(1), token_ids.gather(1, source))
        state["mask"] = is_new | mask.gather(1, source)
        inputs = {"token_ids": state["token_ids"], "mask": state["mask"]}
        type_ids = state.get("type_ids")
        if type_ids is not None:
            state["type_ids"] = torch.cat([type_ids, type_ids[:, -1:]], dim=1)
            inputs["type_ids"] = state["type_ids"]
        return {self._namespace: inputs}
