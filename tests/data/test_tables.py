import copy
import pickle
import random

import numpy as np
import pytest

from nlpreg.data import tables
from nlpreg.data.tables import RowTable, TableRows, lengths_of_elements, pad_elements


def table_of(rows: list[list[int]]) -> RowTable:
    return RowTable(
        np.array([x for row in rows for x in row], np.int64), np.array([len(row) for row in rows], np.int64)
    )


ROWS = [[5, 6, 7], [], [300], [1, 2]]


@pytest.mark.parametrize("width", [0, 1, 2, 3, 7, 12])
def test_windows_are_padded_or_cut_rows(width: int) -> None:
    numbers = np.array([3, 0, 1, 2, 0])
    expected = [(ROWS[number] + [0] * width)[:width] for number in numbers]
    assert table_of(ROWS).windows(numbers, width).tolist() == expected


@pytest.mark.parametrize("longest_head", [0, 2, 50])
@pytest.mark.parametrize("width", [0, 1, 3, 7])
def test_sequences_of_rows_are_padded_on_both_axes(
    width: int, longest_head: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_LONGEST_HEAD", longest_head)
    sequences = [[3, 0], [], [1, 2, 0]]
    numbers, lengths = np.array([3, 0, 1, 2, 0]), np.array([2, 0, 3])
    expected = [
        [((ROWS[number] if number is not None else []) + [0] * width)[:width] for number in row]
        for row in [[*sequence, None, None, None, None][:4] for sequence in sequences]
    ]
    assert table_of(ROWS).padded(numbers, lengths, 4, width).tolist() == expected


def test_windows_of_an_empty_table() -> None:
    table = table_of([])
    assert table.windows(np.zeros(0, np.int64), 3).shape == (0, 3)
    assert table_of([[]]).windows(np.array([0]), 2).tolist() == [[0, 0]]


def test_table_rows_are_a_list_of_lists() -> None:
    rows = TableRows(table_of(ROWS), np.array([1, 0, 0]))
    assert len(rows) == 3
    assert rows[1] == [5, 6, 7]
    assert rows[-1] == [5, 6, 7]
    assert rows[:2] == [[], [5, 6, 7]]
    assert list(rows) == rows.tolist() == [[], [5, 6, 7], [5, 6, 7]]
    assert rows == rows.tolist()
    assert rows != [[]]
    assert rows != 3
    assert repr(rows) == repr(rows.tolist())


def test_copies_leave_the_table_behind() -> None:
    rows = TableRows(table_of(ROWS), np.array([2, 3]))
    assert type(copy.deepcopy(rows)) is list
    assert pickle.loads(pickle.dumps(rows)) == [[300], [1, 2]]
    assert len(pickle.dumps(TableRows(table_of([[1] * 10000]), np.zeros(0, np.int64)))) < 100


@pytest.mark.parametrize("kind", ["one table", "two tables", "lists", "table and empty list"])
def test_padding_of_elements(kind: str) -> None:
    generator = random.Random(3)
    table = table_of(ROWS)
    numbers = [[generator.randrange(4) for _ in range(length)] for length in (0, 3, 1, 5)]
    plain = [[ROWS[number] for number in row] for row in numbers]
    sequences: list = {
        "one table": [TableRows(table, np.array(row, np.int64)) for row in numbers],
        "two tables": [TableRows(table_of(ROWS), np.array(row, np.int64)) for row in numbers],
        "lists": plain,
        "table and empty list": [[], *(TableRows(table, np.array(row, np.int64)) for row in numbers[1:])],
    }[kind]
    assert lengths_of_elements(sequences).tolist() == [len(row) for rows in plain for row in rows]
    for length, width in [(5, 3), (2, 1), (7, 9), (0, 2)]:
        expected = [
            [(row + [0] * width)[:width] for row in (rows + [[]] * length)[:length]] for rows in plain
        ]
        padded = pad_elements(sequences, length, width)
        assert padded.shape == (4, length, width)
        assert padded.tolist() == expected
