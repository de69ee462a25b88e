import logging
import pickle
from pathlib import Path

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.vocabulary_building import (
    NamespaceTables,
    check_min_count,
    check_padding_unchanged,
    is_padded_by,
    items_to_keep,
    read_pretrained_words,
)

COUNTS = {"b": 2, "a": 3, "d": 1, "c": 2}


def test_tables_start_according_to_the_patterns() -> None:
    tables: NamespaceTables[str, int] = NamespaceTables({"*tags", "exact"}, {"<pad>": 0})
    assert tables["tokens"] == {"<pad>": 0}
    assert tables["pos_tags"] == {}
    assert tables["exact"] == {}
    assert tables["inexact"] == {"<pad>": 0}


def test_peeking_makes_nothing() -> None:
    tables: NamespaceTables[str, int] = NamespaceTables(set(), {"<pad>": 0})
    assert tables.peek("x") == {"<pad>": 0}
    assert not tables
    tables["x"]["a"] = 1
    assert tables.peek("x") is tables["x"]


def test_tables_pickle_with_their_behaviour() -> None:
    tables: NamespaceTables[str, int] = NamespaceTables({"tags"}, {"<pad>": 0})
    tables["x"]["a"] = 1
    copied = pickle.loads(pickle.dumps(tables))
    assert copied == tables
    assert copied["new"] == {"<pad>": 0}
    assert copied["tags"] == {}


@pytest.mark.parametrize(
    ("namespace", "expected"), [("tags", False), ("my_tags", False), ("tags_x", True), ("exact", False)]
)
def test_is_padded_by(namespace: str, expected: bool) -> None:
    assert is_padded_by(["*tags", "exact"], namespace) is expected


@pytest.mark.parametrize(
    ("max_size", "min_count", "expected"),
    [
        (None, 1, ["a", "b", "c", "d"]),
        (0, 1, ["a", "b", "c", "d"]),
        (2, 1, ["a", "b"]),
        (None, 2, ["a", "b", "c"]),
        (3, 3, ["a"]),
        (None, 4, []),
    ],
)
def test_items_by_count(max_size: int | None, min_count: int, expected: list[str]) -> None:
    assert items_to_keep(COUNTS, max_size, min_count) == expected


def test_items_with_vectors() -> None:
    assert items_to_keep(COUNTS, None, 3, {"d", "x"}) == ["a", "d"]
    assert items_to_keep(COUNTS, None, 2, {"a", "d"}, only_pretrained=True) == ["a"]
    assert items_to_keep(COUNTS, 2, 1, {"d"}, only_pretrained=True) == []


def test_limits_for_what_was_not_counted() -> None:
    check_min_count({}, None)
    check_min_count({"tokens": 2}, {"tokens": {}})
    with pytest.raises(
        ConfigurationError, match=r"expected namespaces that occur.*\['tokens'\].*got 'token'"
    ):
        check_min_count({"token": 2}, {"tokens": {}})
    with pytest.raises(ConfigurationError, match="got 'tokens'"):
        check_min_count({"tokens": 2}, None)


def test_padding_of_an_extended_namespace_stays() -> None:
    check_padding_unchanged(["a", "b_tags"], ["*tags"], ["*tags", "c"])
    with pytest.raises(ConfigurationError, match="has 'a' padded, so it cannot become non-padded"):
        check_padding_unchanged(["a"], [], ["a"])
    with pytest.raises(ConfigurationError, match="has 'a' non-padded, so it cannot become padded"):
        check_padding_unchanged(["a"], ["a"], [])


def test_words_of_a_file_of_vectors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("3 2\nthe 1 2\nalone\n日本 3 4\nthe 5 6\n", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert read_pretrained_words(str(path)) == ["the", "日本"]
    assert "line 2 has no space" in caplog.text
