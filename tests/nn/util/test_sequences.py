import math

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn import util


def test_sorting_can_be_undone() -> None:
    tensor, lengths = torch.randn(4, 3, 2), torch.tensor([2, 3, 0, 3])
    sorted_tensor, sorted_lengths, restoration, permutation = util.sort_batch_by_length(tensor, lengths)
    assert sorted_lengths.tolist() == [3, 3, 2, 0]
    assert permutation.tolist() == [1, 3, 0, 2]
    assert torch.equal(sorted_tensor.index_select(0, restoration), tensor)
    assert torch.equal(sorted_lengths[restoration], lengths)
    with pytest.raises(ConfigurationError, match="must be tensors"):
        util.sort_batch_by_length(tensor, [1, 2])


def test_final_states() -> None:
    outputs = torch.arange(24.0).view(2, 3, 4)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    assert util.get_final_encoder_states(outputs, mask).tolist() == [[8, 9, 10, 11], [12, 13, 14, 15]]
    both = util.get_final_encoder_states(outputs, mask, bidirectional=True)
    assert both.tolist() == [[8, 9, 2, 3], [12, 13, 14, 15]]


def test_masked_flip_leaves_padding_behind() -> None:
    tensor = torch.arange(12.0).view(2, 3, 2)
    flipped = util.masked_flip(tensor, [2, 3])
    assert flipped[0].tolist() == [[2, 3], [0, 1], [0, 0]]
    assert flipped[1].tolist() == [[10, 11], [8, 9], [6, 7]]
    assert torch.equal(util.masked_flip(flipped, torch.tensor([2, 3]))[1], tensor[1])
    assert util.masked_flip(tensor[:, :, 0], [0, 1]).tolist() == [[0], [6]]
    assert util.masked_flip(tensor, [0, 0]).shape == (2, 0, 2)


def test_masked_flip_is_as_long_as_the_longest_sequence() -> None:
    tensor = torch.tensor([[[6.0], [1.0], [2.0]], [[3.0], [4.0], [5.0]]])
    assert util.masked_flip(tensor, [1, 2]).squeeze(-1).tolist() == [[6, 0], [4, 3]]
    with pytest.raises(AssertionError, match="1 lengths for 2"):
        util.masked_flip(tensor, [2])


def test_boundaries_of_words() -> None:
    ids = torch.tensor([[1, 2, 3], [4, 5, 0], [0, 0, 0]])
    result, mask = util.add_sentence_boundary_token_ids(ids, ids > 0, 9, 10)
    assert result.tolist() == [[9, 1, 2, 3, 10], [9, 4, 5, 10, 0], [9, 10, 0, 0, 0]]
    assert torch.equal(mask, result > 0)


def test_boundaries_of_characters() -> None:
    ids = torch.tensor([[[1, 2], [3, 4]], [[5, 6], [0, 0]]])
    begin, end = torch.tensor([8, 8]), torch.tensor([9, 0])
    result, mask = util.add_sentence_boundary_token_ids(ids, (ids > 0).any(-1), begin, end)
    assert result.tolist() == [[[8, 8], [1, 2], [3, 4], [9, 0]], [[8, 8], [5, 6], [9, 0], [0, 0]]]
    assert mask.tolist() == [[True] * 4, [True, True, True, False]]


def test_boundaries_need_two_or_three_dimensions() -> None:
    with pytest.raises(ValueError, match="expected ids"):
        util.add_sentence_boundary_token_ids(torch.ones(3), torch.ones(3), 1, 2)


def test_boundaries_are_removed_again() -> None:
    tensor = torch.randn(4, 5, 3)
    mask = util.get_mask_from_sequence_lengths(torch.tensor([5, 4, 2, 1]), 5)
    result, new_mask = util.remove_sentence_boundaries(tensor, mask)
    assert new_mask.tolist() == [[True] * 3, [True, True, False], [False] * 3, [False] * 3]
    assert torch.equal(result[0], tensor[0, 1:4])
    assert torch.equal(result[1, :2], tensor[1, 1:3])
    assert not result[~new_mask].any()


def test_positional_features() -> None:
    result = util.add_positional_features(torch.zeros(1, 2, 5))
    expected = [[0, 0, 1, 1, 0], [math.sin(1), math.sin(1e-4), math.cos(1), math.cos(1e-4), 0]]
    torch.testing.assert_close(result, torch.tensor([expected]))


@pytest.mark.parametrize("features", [1, 2, 3, 8])
def test_positional_features_by_the_formula(features: int) -> None:
    base = torch.randn(2, 6, features)
    added = util.add_positional_features(base, 2.0, 500.0) - base
    n = features // 2
    for t in range(6):
        for k in range(n):
            rate = 2.0 * math.exp(-k * math.log(500 / 2.0) / max(n - 1, 1))
            assert added[0, t, k].item() == pytest.approx(math.sin(t * rate), abs=1e-4)
            assert added[1, t, n + k].item() == pytest.approx(math.cos(t * rate), abs=1e-4)
    if features % 2:
        assert not added[:, :, -1].any()


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
