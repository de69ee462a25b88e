import itertools

import pytest
import torch
from torch.nn import functional

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.modules import BiMpmMatching
from nlpreg.modules.bimpm_matching import multi_perspective_match, multi_perspective_match_pairwise

torch.manual_seed(0)
FIRST, SECOND = torch.randn(2, 4, 5), torch.randn(2, 3, 5)
MASK_1 = torch.tensor([[True, True, True, False], [True, True, True, True]])
MASK_2 = torch.tensor([[True, True, True], [True, False, False]])


def test_widths() -> None:
    matching = BiMpmMatching.from_params(Params({"hidden_dim": 5, "num_perspectives": 3, "is_forward": True}))
    first, second = matching(FIRST, MASK_1, SECOND, MASK_2)
    assert torch.cat(first, -1).shape == (2, 4, matching.get_output_dim())
    assert torch.cat(second, -1).shape == (2, 3, matching.get_output_dim())
    assert matching.get_output_dim() == 2 + 3 * (3 + 1) + 2 * 3
    assert matching.full_match_weights is matching.full_match_weights_reversed
    apart = BiMpmMatching(5, 3, share_weights_between_directions=False, is_forward=True)
    assert apart.full_match_weights is not apart.full_match_weights_reversed


@pytest.mark.parametrize("is_forward", [True, False])
def test_plain_cosines_and_full_match(is_forward: bool) -> None:
    matching = BiMpmMatching(
        5,
        3,
        is_forward=is_forward,
        with_maxpool_match=False,
        with_attentive_match=False,
        with_max_attentive_match=False,
    )
    (largest, mean, plain, weighted), _ = matching(FIRST, MASK_1, SECOND, MASK_2)
    for b, length in enumerate((3, 1)):
        for i in range(3):
            cosines = functional.cosine_similarity(FIRST[b, i], SECOND[b, :length], dim=-1)
            torch.testing.assert_close(largest[b, i, 0], cosines.max())
            torch.testing.assert_close(mean[b, i, 0], cosines.mean())
            last = SECOND[b, length - 1 if is_forward else 0]
            torch.testing.assert_close(
                plain[b, i, 0], functional.cosine_similarity(FIRST[b, i], last, dim=-1)
            )
            for p, weight in enumerate(matching.full_match_weights):
                expected = functional.cosine_similarity(weight * FIRST[b, i], weight * last, dim=-1)
                torch.testing.assert_close(weighted[b, i, p], expected)


def test_maxpool_match() -> None:
    matching = BiMpmMatching(
        5, 3, with_full_match=False, with_attentive_match=False, with_max_attentive_match=False
    )
    _, (_, _, largest, mean) = matching(FIRST, MASK_1, SECOND, MASK_2)
    for p, weight in enumerate(matching.maxpool_match_weights):
        cosines = functional.cosine_similarity(weight * SECOND[0, 1], weight * FIRST[0, :3], dim=-1)
        torch.testing.assert_close(largest[0, 1, p], cosines.max())
        torch.testing.assert_close(mean[0, 1, p], cosines.mean())


def test_padding_has_no_influence() -> None:
    matching = BiMpmMatching(5, 3, is_forward=True)
    expected = torch.cat(matching(FIRST, MASK_1, SECOND, MASK_2)[0], -1)
    spoiled_1, spoiled_2 = FIRST.clone(), SECOND.clone()
    spoiled_1[~MASK_1] = 50.0
    spoiled_2[~MASK_2] = -50.0
    found = torch.cat(matching(spoiled_1, MASK_1, spoiled_2, MASK_2)[0], -1)
    torch.testing.assert_close(found[MASK_1], expected[MASK_1])


def test_wrong_options() -> None:
    with pytest.raises(ConfigurationError, match="needs is_forward"):
        BiMpmMatching()
    with pytest.raises(ConfigurationError, match="at least one of full_match"):
        BiMpmMatching(5, 3, True, None, False, False, False, False)


def test_matching_by_perspectives_against_loops():
    torch.manual_seed(4)
    first, second, weight = torch.randn(2, 3, 5), torch.randn(2, 4, 5), torch.randn(6, 5)
    pairs = multi_perspective_match_pairwise(first, second, weight)
    plain, weighted = multi_perspective_match(first, second[:, :3], weight)
    assert plain.shape == (2, 3, 1) and weighted.shape == (2, 3, 6) and pairs.shape == (2, 3, 4, 6)
    for row, word, other, p in itertools.product(range(2), range(3), range(4), range(6)):
        a, b = weight[p] * first[row, word], weight[p] * second[row, other]
        cosine = a @ b / (a.norm() * b.norm())
        torch.testing.assert_close(pairs[row, word, other, p], cosine)
        if word == other:
            torch.testing.assert_close(weighted[row, word, p], cosine)
