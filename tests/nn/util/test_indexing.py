"""Distinct rows of ids, hash collisions included."""

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn import util
from nlpreg.nn.util import indexing as module
from nlpreg.nn.util.indexing import distinct_rows

TARGET = torch.arange(24.0).view(2, 4, 3)


def test_range_vector() -> None:
    assert util.get_range_vector(3, -1).tolist() == [0, 1, 2]
    assert util.get_range_vector(0, torch.device("cpu")).shape == (0,)


def test_flatten_and_shift() -> None:
    indices = torch.tensor([[[1, 2], [0, 3]], [[2, 2], [3, 0]]])
    assert util.flatten_and_batch_shift_indices(indices, 4).tolist() == [1, 2, 0, 3, 6, 6, 7, 4]
    assert util.flatten_and_batch_shift_indices(torch.zeros(2, 0, dtype=torch.long), 4).shape == (0,)
    for bad in (4, -1):
        with pytest.raises(ConfigurationError, match=r"\[0, 4\)"):
            util.flatten_and_batch_shift_indices(torch.tensor([[bad]]), 4)


def test_batched_index_select() -> None:
    indices = torch.tensor([[[0, 3]], [[2, 1]]])
    selected = util.batched_index_select(TARGET, indices)
    assert selected.shape == (2, 1, 2, 3)
    assert torch.equal(selected[0, 0, 1], TARGET[0, 3])
    assert torch.equal(selected[1, 0, 0], TARGET[1, 2])
    known = util.flatten_and_batch_shift_indices(indices, 4)
    assert torch.equal(util.batched_index_select(TARGET, indices, known), selected)


def test_masked_index_fill_writes_only_where_unmasked() -> None:
    target = torch.zeros(2, 4, dtype=torch.long)
    indices = torch.tensor([[1, 3], [0, 0]])
    mask = torch.tensor([[True, True], [False, True]])
    assert util.masked_index_fill(target, indices, mask, 7).tolist() == [[0, 7, 0, 7], [7, 0, 0, 0]]
    assert not target.any()


def test_masked_index_replace() -> None:
    indices = torch.tensor([[1, 2], [0, 3]])
    mask = torch.tensor([[True, False], [False, True]])
    replace = -torch.ones(2, 2, 3)
    result = util.masked_index_replace(TARGET, indices, mask, replace)
    expected = TARGET.clone()
    expected[0, 1] = -1
    expected[1, 3] = -1
    assert torch.equal(result, expected)
    assert TARGET.min() == 0


def test_masked_index_replace_passes_gradients() -> None:
    target = torch.randn(1, 3, 2, dtype=torch.float64, requires_grad=True)
    replace = torch.randn(1, 2, 2, dtype=torch.float64, requires_grad=True)
    indices, mask = torch.tensor([[0, 2]]), torch.tensor([[True, False]])
    assert torch.autograd.gradcheck(
        lambda a, b: util.masked_index_replace(a, indices, mask, b), (target, replace)
    )


def test_batched_span_select() -> None:
    spans = torch.tensor([[[0, 2], [3, 3]], [[1, 2], [2, 5]]])
    selected, mask = util.batched_span_select(TARGET, spans)
    assert selected.shape == (2, 2, 4, 3)
    assert mask[0].tolist() == [[True, True, True, False], [True, False, False, False]]
    assert mask[1].tolist() == [[True, True, False, False], [True, True, False, False]]
    assert torch.equal(selected[0, 0, :3], TARGET[0, :3])
    assert torch.equal(selected[1, 1, :2], TARGET[1, 2:])
    assert torch.equal(selected[1, 1, 2], TARGET[1, 0])


def test_no_spans() -> None:
    selected, mask = util.batched_span_select(TARGET, torch.zeros(2, 0, 2, dtype=torch.long))
    assert selected.shape == (2, 0, 0, 3)
    assert mask.shape == (2, 0, 0)


def test_flattened_index_select() -> None:
    selected = util.flattened_index_select(TARGET, torch.tensor([[0, 1], [3, 2]]))
    assert selected.shape == (2, 2, 2, 3)
    assert torch.equal(selected[1, 1, 0], TARGET[1, 3])
    with pytest.raises(ConfigurationError, match="2 dimensions"):
        util.flattened_index_select(TARGET, torch.tensor([0, 1]))


def test_default_buckets() -> None:
    distances = torch.tensor([0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 31, 32, 63, 64, 1000])
    assert util.bucket_values(distances).tolist() == [0, 1, 2, 3, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9]


def test_buckets_by_the_rule() -> None:
    distances = torch.arange(3000)
    expected = [d if d <= 2 else min(d.bit_length() - 1 + 2 - 1, 6) for d in range(3000)]
    assert util.bucket_values(distances, 2, 7).tolist() == expected


def check(ids):
    rows, places = distinct_rows(ids)
    assert torch.equal(rows[places], ids)
    assert {tuple(row) for row in rows.tolist()} == {tuple(row) for row in ids.tolist()}
    assert len(rows) == len({tuple(row) for row in ids.tolist()})


def test_random_rows():
    generator = torch.Generator().manual_seed(0)
    check(torch.randint(0, 3, (200, 4), generator=generator))
    check(torch.randint(0, 300, (50, 30), generator=generator))


@pytest.mark.parametrize(
    "ids",
    [
        [[0, 0], [0, 0]],
        [[1, 0], [0, 1], [1, 0]],
        [[2**62, 5], [2**62, 5], [5, 2**62]],
        [[7]],
    ],
)
def test_rows_that_resemble_each_other(ids):
    check(torch.tensor(ids))


def test_no_rows():
    rows, places = distinct_rows(torch.zeros(0, 3, dtype=torch.long))
    assert rows.shape == (0, 3) and places.shape == (0,)


def test_rows_of_one_hash_are_told_apart(monkeypatch):
    monkeypatch.setattr(module, "_multipliers", lambda count, device: torch.ones(count, dtype=torch.long))
    check(torch.tensor([[1, 2], [2, 1], [3, 0], [1, 2]]))
