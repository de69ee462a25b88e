"""Distinct rows of ids, hash collisions included."""

import pytest
import torch

from nlpreg.modules import distinct_rows as module
from nlpreg.modules.distinct_rows import distinct_rows


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
