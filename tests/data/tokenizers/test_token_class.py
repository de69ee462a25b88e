import dataclasses
import pickle

import pytest

from nlpreg.data.tokenizers.token_class import Token, show_token


def test_fields_in_order_and_none_by_default() -> None:
    names = ["text", "idx", "idx_end", "lemma_", "pos_", "tag_", "dep_", "ent_type_", "text_id", "type_id"]
    assert [field.name for field in dataclasses.fields(Token)] == names
    assert all(getattr(Token(), name) is None for name in names)
    token = Token("cats", 0, 4, "cat", "NOUN", "NNS", "nsubj", "X", 7, 1)
    assert [getattr(token, name) for name in names] == [
        "cats", 0, 4, "cat", "NOUN", "NNS", "nsubj", "X", 7, 1,
    ]  # fmt: skip


def test_text_must_be_text() -> None:
    with pytest.raises(AssertionError, match="expected text to be a str or None, got 3"):
        Token(3)


def test_equality_copy_and_hash() -> None:
    assert Token("a", 1) == Token("a", 1)
    assert Token("a", 1) != Token("a", 2)
    assert dataclasses.replace(Token("a", 1), type_id=2) == Token("a", 1, type_id=2)
    assert pickle.loads(pickle.dumps(Token("ä", 3))) == Token("ä", 3)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Token("a"))


def test_slots() -> None:
    assert not hasattr(Token("a"), "__dict__")


def test_as_text() -> None:
    assert str(Token("añb")) == repr(Token("añb")) == "añb"
    assert str(Token(text_id=3)) == "None"
    assert Token("a").ensure_text() == "a"
    assert Token("").ensure_text() == ""
    with pytest.raises(ValueError, match="expected a token with text"):
        Token(text_id=3).ensure_text()


def test_show_token_is_one_line_of_everything() -> None:
    shown = show_token(Token("a", 1, type_id=2))
    assert shown.startswith("a (")
    assert "idx=1" in shown
    assert "type_id=2" in shown
    assert "\n" not in shown
