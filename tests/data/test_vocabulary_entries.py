import copy
import logging
import pickle
from pathlib import Path

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.data.vocabulary import DEFAULT_OOV_TOKEN, DEFAULT_PADDING_TOKEN
from nlpreg.data.vocabulary_entries import VocabularyEntries


def test_padded_and_non_padded_namespaces() -> None:
    vocab = Vocabulary()
    assert vocab.add_token_to_namespace("a") == 2
    assert vocab.add_token_to_namespace("X", "pos_tags") == 0
    assert vocab.add_token_to_namespace("a") == 2
    assert vocab.add_tokens_to_namespace(["b", "a", "c"]) == [3, 2, 4]
    assert vocab.get_token_from_index(0) == DEFAULT_PADDING_TOKEN
    assert vocab.get_token_from_index(1) == DEFAULT_OOV_TOKEN
    assert vocab.get_token_index("never seen") == 1
    assert vocab.is_padded("tokens")
    assert not vocab.is_padded("pos_tags")
    assert vocab.get_namespaces() == {"tokens", "pos_tags"}
    assert vocab.get_vocab_size() == 5


def test_only_strings() -> None:
    with pytest.raises(ValueError, match=r"expected str tokens in 'tokens', got 3 \(int\)"):
        Vocabulary().add_token_to_namespace(3)  # type: ignore[arg-type]


def test_many_tokens_are_added_as_one_by_one() -> None:
    class OneByOne(VocabularyEntries):
        def add_token_to_namespace(self, token: str, namespace: str = "tokens") -> int:
            return super().add_token_to_namespace(token, namespace)

    for cls in (VocabularyEntries, OneByOne):
        entries = cls(["*labels"])
        for namespace, first in (("tokens", 2), ("labels", 0)):
            assert entries.add_tokens_to_namespace([], namespace) == []
            ids = entries.add_tokens_to_namespace(["b", "a", "b", "c"], namespace)
            assert ids == [first, first + 1, first, first + 2]
            assert entries.add_tokens_to_namespace(["d", "a"], namespace) == [first + 3, first + 1]
            assert entries.get_token_from_index(first + 3, namespace) == "d"
        with pytest.raises(ValueError, match="expected str tokens"):
            entries.add_tokens_to_namespace(["e", 3])  # type: ignore[list-item]


def test_looking_changes_nothing() -> None:
    vocab = Vocabulary()
    assert vocab.get_vocab_size("x") == 2
    assert vocab.get_vocab_size("x_tags") == 0
    assert vocab.get_token_index("a", "x") == 1
    assert vocab.get_token_indices(["a"], "x") == [1]
    assert vocab.is_padded("x")
    assert not vocab.is_padded("x_tags")
    assert vocab.get_token_from_index(1, "x") == DEFAULT_OOV_TOKEN
    assert vocab.get_namespaces() == set()
    assert vocab == Vocabulary()


def test_the_tables_are_live() -> None:
    vocab = Vocabulary()
    table = vocab.get_token_to_index_vocabulary("x")
    vocab.add_token_to_namespace("a", "x")
    assert table["a"] == 2
    assert vocab.get_index_to_token_vocabulary("x")[2] == "a"
    assert vocab._token_to_index["new"] == {DEFAULT_PADDING_TOKEN: 0, DEFAULT_OOV_TOKEN: 1}


def test_unknown_labels_are_named_with_what_to_do() -> None:
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace([f"L{i}" for i in range(20)], "tags")
    for look in (
        lambda: vocab.get_token_index("X", "tags"),
        lambda: vocab.get_token_indices(["L1", "X"], "tags"),
    ):
        with pytest.raises(KeyError):
            look()
        with pytest.raises(
            ConfigurationError, match=r"^'X' is not in the namespace 'tags'.*It holds 20: 'L0'"
        ):
            look()
    with pytest.raises(ConfigurationError, match="It holds 0: nothing"):
        vocab.get_token_index("X", "empty_labels")


def test_unknown_ids() -> None:
    with pytest.raises(KeyError, match="expected an id below 2 in the namespace 'tokens', got 9"):
        Vocabulary().get_token_from_index(9)


def test_overriding_the_single_look_up_is_enough() -> None:
    class Odd(Vocabulary):
        def get_token_index(self, token: str, namespace: str = "tokens") -> int:
            return len(token)

    assert Odd().get_token_indices(["a", "bbb"]) == [1, 3]


def test_own_special_tokens() -> None:
    vocab = Vocabulary(padding_token="<pad>", oov_token="<unk>")
    vocab.add_token_to_namespace("a")
    assert vocab._token_to_index["tokens"] == {"<pad>": 0, "<unk>": 1, "a": 2}
    assert Vocabulary(padding_token=None, oov_token=None)._oov_token == DEFAULT_OOV_TOKEN


def test_save_and_load(tmp_path: Path) -> None:
    vocab = Vocabulary({"tokens": {"b": 3, "a\nb": 1, "": 2}, "tags": {"X": 1, "Y": 2}, "日本": {"é": 1}})
    folder = tmp_path / "new" / "vocabulary"
    vocab.save_to_files(str(folder))
    assert (folder / "tokens.txt").read_text(encoding="utf-8") == "@@UNKNOWN@@\nb\n\na@@NEWLINE@@b\n"
    assert (folder / "tags.txt").read_text() == "Y\nX\n"
    assert sorted((folder / "non_padded_namespaces.txt").read_text().split()) == ["*labels", "*tags"]
    assert (folder / ".lock").exists()
    loaded = Vocabulary.from_files(folder)
    assert loaded == vocab
    assert loaded._token_to_index == vocab._token_to_index


def test_saving_over_something_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "tokens.txt").write_text("old")
    vocab = Vocabulary({"tokens": {"new": 1}})
    with caplog.at_level(logging.WARNING):
        vocab.save_to_files(str(tmp_path))
    assert "is not empty" in caplog.text
    assert Vocabulary.from_files(tmp_path) == vocab


def test_files_with_windows_line_ends(tmp_path: Path) -> None:
    (tmp_path / "non_padded_namespaces.txt").write_bytes(b"*tags\r\n")
    (tmp_path / "tokens.txt").write_bytes(b"@@UNKNOWN@@\r\na\r\nb")
    vocab = Vocabulary.from_files(tmp_path)
    assert vocab.get_token_index("b") == 3
    assert vocab._non_padded_namespaces == {"*tags"}


def test_own_special_tokens_must_be_given_again(tmp_path: Path) -> None:
    vocab = Vocabulary({"tokens": {"a": 1}}, padding_token="<pad>", oov_token="<unk>")
    vocab.save_to_files(str(tmp_path))
    assert Vocabulary.from_files(tmp_path, padding_token="<pad>", oov_token="<unk>") == vocab
    with pytest.raises(AssertionError, match="expected a line '@@UNKNOWN@@'"):
        Vocabulary.from_files(tmp_path)


def test_set_from_file(tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_text("x\n<UNK>\ny")
    vocab = Vocabulary({"tokens": {"old": 1}})
    vocab.set_from_file(str(path), is_padded=True, oov_token="<UNK>")
    assert vocab._index_to_token["tokens"] == {0: DEFAULT_PADDING_TOKEN, 1: "x", 2: DEFAULT_OOV_TOKEN, 3: "y"}
    assert vocab.get_token_index("unheard of") == 2
    vocab.set_from_file(str(path), is_padded=False, namespace="other")
    assert vocab._token_to_index["other"] == {"x": 0, "<UNK>": 1, "y": 2}


class FakeTokenizer:
    def get_vocab(self) -> dict[str, int]:
        return {"b": 5, "a": 0, "[UNK]": 3}


class FakeSlowTokenizer:
    vocab_size = 2

    def get_vocab(self) -> dict[str, int]:
        raise NotImplementedError

    def convert_ids_to_tokens(self, index: int) -> str:
        return "ab"[index]


def test_tables_of_transformers_keep_their_ids(tmp_path: Path) -> None:
    vocab = Vocabulary()
    vocab.add_transformer_vocab(FakeTokenizer(), "model")
    assert vocab._index_to_token["model"] == {0: "a", 3: "[UNK]", 5: "b"}
    assert vocab.get_token_index("b", "model") == 5
    assert not vocab.is_padded("model")
    vocab.add_transformer_vocab(FakeSlowTokenizer(), "slow")
    assert vocab._token_to_index["slow"] == {"a": 0, "b": 1}
    vocab.save_to_files(str(tmp_path))
    assert Vocabulary.from_files(tmp_path).get_token_index("b", "model") == 5


def test_equality_copies_and_pickling() -> None:
    vocab = Vocabulary({"tokens": {"a": 1}, "tags": {"X": 1}})
    for copied in (copy.deepcopy(vocab), pickle.loads(pickle.dumps(vocab))):
        assert copied == vocab
        assert copied.get_token_index("new", "new") == 1
        copied._non_padded_namespaces.add("odd")
        assert copied.add_token_to_namespace("x", "odd") == 0
        assert copied != vocab
    assert vocab != "x"
    assert Vocabulary() != Vocabulary(non_padded_namespaces=[])


def test_as_text() -> None:
    vocab = Vocabulary({"tokens": {"a": 1}})
    assert "Namespace: tokens, Size: 3" in str(vocab)
    assert repr(vocab) == "<Vocabulary with namespaces tokens: 3>"
    assert repr(Vocabulary()) == "<Vocabulary with namespaces none>"
