import copy
import pickle
import random

import numpy as np
import pytest

from nlpreg.data import columns
from nlpreg.data.columns import (
    CharacterColumn,
    RowTable,
    TableRows,
    WordColumn,
    can_use_batched,
    lengths_of,
    lengths_of_elements,
    pad_elements,
    pad_rows,
    padding_mask,
    smallest,
    split_rows,
    with_ends,
)


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
    monkeypatch.setattr(columns, "_LONGEST_HEAD", longest_head)
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


def test_word_column_keeps_each_word_once() -> None:
    column = WordColumn([["b", "a"], [], ["a", "c", "b"]])
    assert column.words == ["b", "a", "c"]
    assert column.numbers.tolist() == [0, 1, 1, 2, 0]
    assert column.lengths.tolist() == [2, 0, 3]


def test_word_column_of_nothing() -> None:
    column = WordColumn([])
    assert column.words == []
    assert len(column.numbers) == len(column.lengths) == 0


@pytest.mark.parametrize(
    "words", [[], [""], ["abba", "", "cab"], ["é漢🙂e", "\ud800\u0301"], ["z" * 300, "a\x00b"]]
)
def test_a_column_of_characters_is_one_of_words_of_one_character(words: list[str]) -> None:
    column, expected = CharacterColumn(words), WordColumn(words)
    assert column.words == expected.words
    assert column.numbers.tolist() == expected.numbers.tolist()
    assert column.lengths.tolist() == expected.lengths.tolist()


@pytest.mark.parametrize(
    ("largest", "expected"), [(0, np.uint8), (255, np.uint8), (256, np.uint16), (70000, np.uint32)]
)
def test_smallest_type(largest: int, expected: type) -> None:
    ids = np.array([0, largest])
    assert smallest(ids).dtype == expected
    assert smallest(ids).tolist() == [0, largest]


def test_smallest_type_of_nothing() -> None:
    assert len(smallest(np.zeros(0, np.int64))) == 0


def test_split_rows_gives_views() -> None:
    values = np.arange(5)
    rows = split_rows(values, np.array([2, 0, 3]))
    assert [row.tolist() for row in rows] == [[0, 1], [], [2, 3, 4]]
    assert np.shares_memory(rows[0], values)


@pytest.mark.parametrize(("start", "end"), [([], []), ([8], []), ([], [9]), ([7, 8], [9, 10])])
def test_with_ends(start: list[int], end: list[int]) -> None:
    rows = [[1, 2], [], [3]]
    values, lengths = with_ends(np.array([1, 2, 3]), np.array([2, 0, 1]), start, end)
    found = [row.tolist() for row in split_rows(values, lengths)]
    assert found == [[*start, *row, *end] for row in rows]


def test_padding_mask() -> None:
    assert padding_mask(np.array([2, 0, 3]), 3).tolist() == [
        [True, True, False],
        [False, False, False],
        [True, True, True],
    ]


@pytest.mark.parametrize("width", [0, 1, 2, 5])
@pytest.mark.parametrize("as_arrays", [True, False])
def test_pad_rows_pads_and_cuts(width: int, as_arrays: bool) -> None:
    rows = [[4, 5, 6], [], [7]]
    given = [np.array(row, np.int32) for row in rows] if as_arrays else rows
    expected = [(row + [0] * width)[:width] for row in rows]
    padded = pad_rows(given, width)
    assert padded.dtype == np.int64
    assert padded.tolist() == expected


def test_pad_rows_of_booleans_and_other_filling() -> None:
    padded = pad_rows([[], [True, True]], 3)
    assert padded.dtype == np.bool_
    assert padded.tolist() == [[False] * 3, [True, True, False]]
    assert pad_rows([[1]], 3, fill=9).tolist() == [[1, 9, 9]]


def test_pad_rows_keeps_large_ids() -> None:
    large = 2**40 + 1
    assert pad_rows([[large], []], 2).tolist() == [[large, 0], [0, 0]]


def test_lengths_of() -> None:
    assert lengths_of([[1], [], "abc"]).tolist() == [1, 0, 3]


class Base:
    def one(self) -> int:
        return 1

    def many(self) -> int:
        return 1


class OneOverridden(Base):
    def one(self) -> int:
        return 2


class BothOverridden(OneOverridden):
    def many(self) -> int:
        return 2


class Grandchild(BothOverridden):
    pass


class Without:
    def one(self) -> int:
        return 1


def test_the_whole_list_method_counts_where_nobody_below_it_overrides_the_single_one() -> None:
    assert can_use_batched(Base, "many", "one")
    assert not can_use_batched(OneOverridden, "many", "one")
    assert can_use_batched(BothOverridden, "many", "one")
    assert can_use_batched(Grandchild, "many", "one")


def test_a_class_without_the_method() -> None:
    assert not can_use_batched(Without, "many", "one")


def test_every_single_method_counts() -> None:
    assert not can_use_batched(OneOverridden, "many", "other", "one")
    assert can_use_batched(OneOverridden, "many", "other")
