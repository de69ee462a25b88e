import pytest
import torch

from nlpreg.nn import util

IDS = torch.tensor([[3, 4, 0], [1, 0, 0]])
CHARACTERS = torch.tensor([[[1, 2], [0, 3], [0, 0]], [[1, 0], [0, 0], [0, 0]]])
EXPECTED = [[True, True, False], [True, False, False]]


def test_mask_from_ids_nested_and_flat() -> None:
    assert util.get_text_field_mask({"words": {"tokens": IDS}}).tolist() == EXPECTED
    assert util.get_text_field_mask({"words": IDS}).tolist() == EXPECTED


def test_mask_from_characters() -> None:
    assert util.get_text_field_mask({"c": {"token_characters": CHARACTERS}}).tolist() == EXPECTED
    assert util.get_text_field_mask({"c": CHARACTERS}).tolist() == EXPECTED


def test_ids_with_fewest_dimensions_decide() -> None:
    both = {"c": {"token_characters": torch.ones_like(CHARACTERS)}, "w": {"tokens": IDS}}
    assert util.get_text_field_mask(both).tolist() == EXPECTED


def test_padding_id_other_than_zero() -> None:
    assert util.get_text_field_mask({"w": {"tokens": IDS}}, padding_id=4)[0].tolist() == [True, False, True]


def test_an_indexer_may_bring_the_mask() -> None:
    mask = torch.tensor([[1, 0, 0], [1, 1, 1]])
    found = util.get_text_field_mask({"w": {"tokens": IDS, "mask": mask}})
    assert found.dtype == torch.bool
    assert found.tolist() == mask.bool().tolist()
    with pytest.raises(ValueError, match="more than one mask"):
        util.get_text_field_mask({"a": {"mask": mask}, "b": {"mask": mask}})


def test_text_fields_inside_lists() -> None:
    ids = torch.stack([IDS, torch.zeros_like(IDS)])  # two sentences of two words lists
    assert util.get_text_field_mask({"w": {"tokens": ids}}, num_wrapping_dims=1).tolist() == [
        EXPECTED,
        [[False] * 3] * 2,
    ]
    characters = CHARACTERS.unsqueeze(0)
    found = util.get_text_field_mask({"c": {"token_characters": characters}}, num_wrapping_dims=1)
    assert found.tolist() == [EXPECTED]


def test_wrong_number_of_dimensions() -> None:
    with pytest.raises(ValueError, match="expected ids"):
        util.get_text_field_mask({"w": {"tokens": IDS[0]}})
    with pytest.raises(ValueError, match="no tensors"):
        util.get_text_field_mask({})


@pytest.mark.parametrize("name", ["tokens", "token_ids", "input_ids"])
def test_ids_by_name(name: str) -> None:
    tensors = {"x": {"mask": IDS > 0, name: IDS}}
    assert util.get_token_ids_from_text_field_tensors(tensors) is IDS


def test_ids_of_the_flat_form() -> None:
    assert util.get_token_ids_from_text_field_tensors({"tokens": IDS}) is IDS
    assert util.get_token_ids_from_text_field_tensors({"anything": IDS}) is IDS
    assert util.get_token_ids_from_text_field_tensors({"token_characters": CHARACTERS, "tokens": IDS}) is IDS


def test_no_ids() -> None:
    with pytest.raises(NotImplementedError, match="token_ids"):
        util.get_token_ids_from_text_field_tensors({"x": {"token_characters": CHARACTERS}})


def test_offsets() -> None:
    offsets = torch.tensor([[[0, 1]]])
    assert util.get_token_offsets_from_text_field_inputs([{"x": {"offsets": offsets}}]) is offsets
    assert util.get_token_offsets_from_text_field_inputs([{"x": {"tokens": IDS}}, None]) is None
