import numpy as np
import pytest

from nlpreg.data.columns import (
    CharacterColumn,
    WordColumn,
    lengths_of,
    pad_rows,
    padding_mask,
    smallest,
    split_rows,
    with_ends,
)


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
