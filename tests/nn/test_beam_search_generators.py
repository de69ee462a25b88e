from typing import Any

import pytest
import torch
from torch import nn

from nlpreg.common import Params
from nlpreg.nn.beam_search import StateType
from nlpreg.nn.beam_search_generators import BeamSearchGenerator, TransformerBeamSearchGenerator


class PretrainedTransformerEmbedder(nn.Module):
    pass


class BasicTextFieldEmbedder(nn.Module):
    def __init__(self, **embedders: nn.Module) -> None:
        super().__init__()
        self.token_embedders = embedders


def generator(**options: Any) -> BeamSearchGenerator:
    config = {
        "type": "transformer",
        "beam_search": {"end_index": 3, "max_steps": 4, "beam_size": 2},
        **options,
    }
    return BeamSearchGenerator.from_params(Params(config))


def test_the_embedder_gives_the_namespace() -> None:
    result = generator()
    assert isinstance(result, TransformerBeamSearchGenerator)
    result.validate_text_field_embedder(BasicTextFieldEmbedder(bert=PretrainedTransformerEmbedder()))
    assert result._namespace == "bert"


@pytest.mark.parametrize(
    ("embedder", "message"),
    [
        (nn.Linear(1, 1), "expected a BasicTextFieldEmbedder, got Linear"),
        (BasicTextFieldEmbedder(a=nn.Linear(1, 1)), "expected a PretrainedTransformerEmbedder, got Linear"),
        (BasicTextFieldEmbedder(), "expected one token embedder"),
    ],
)
def test_other_embedders(embedder: nn.Module, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        generator().validate_text_field_embedder(embedder)


def test_state_is_a_copy_of_the_only_indexer() -> None:
    tensors = {"token_ids": torch.ones(1, 2)}
    state = generator().get_step_state({"bert": tensors})
    assert state == tensors
    assert state is not tensors
    with pytest.raises(AssertionError, match="one indexer"):
        generator().get_step_state({"a": tensors, "b": tensors})


def test_predictions_go_behind_the_last_piece() -> None:
    state: StateType = {
        "token_ids": torch.tensor([[5, 6, 7], [5, 0, 0], [5, 6, 0]]),
        "mask": torch.tensor([[True, True, True], [True, False, False], [True, True, False]]),
        "type_ids": torch.tensor([[0, 0, 1], [0, 0, 0], [0, 1, 1]]),
    }
    inputs = generator(namespace="x").prepare_step_input(torch.tensor([11, 12, 13]), state)["x"]
    assert inputs["token_ids"].tolist() == [[5, 6, 7, 11], [5, 12, 0, 0], [5, 6, 13, 0]]
    assert inputs["mask"].long().tolist() == [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]]
    assert inputs["type_ids"].tolist() == [[0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 1, 1]]
    assert state["token_ids"] is inputs["token_ids"]


def test_search_feeds_predictions_back() -> None:
    result = generator(namespace="x")

    # A model that predicts the last word piece plus one.
    def step(predictions: torch.Tensor, state: StateType) -> tuple[torch.Tensor, StateType]:
        inputs = result.prepare_step_input(predictions, state)["x"]
        last = inputs["token_ids"].gather(1, inputs["mask"].sum(1, keepdim=True) - 1)
        scores = -(torch.arange(5) - last - 1).abs().float()
        return torch.log_softmax(scores * 5, -1), state

    state = {"token_ids": torch.tensor([[9, 0]]), "mask": torch.tensor([[True, False]])}
    indices, scores = result.search(torch.tensor([0]), state, step)
    assert indices[0, 0].tolist() == [1, 2, 3]
    assert scores.shape == (1, 2)


def test_namespace_is_needed() -> None:
    with pytest.raises(AssertionError, match="namespace"):
        generator().prepare_step_input(
            torch.tensor([1]), {"token_ids": torch.ones(1, 1), "mask": torch.ones(1, 1)}
        )
