import copy
import logging
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Instance, TokenIndexer, Vocabulary
from nlpreg.data.fields import TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer
from nlpreg.data.vocabulary import (
    DEFAULT_OOV_TOKEN,
    DEFAULT_PADDING_TOKEN,
    NamespaceTables,
    check_min_count,
    check_padding_unchanged,
    find_vocabulary_folder,
    is_padded_by,
    items_to_keep,
    namespace_files,
    read_lines,
    read_patterns,
    read_pretrained_words,
    read_tokens,
    write_namespace,
    write_patterns,
)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\nb", ["a", "b"]),
        (b"a\n\n\nb\n", ["a", "", "", "b"]),
        (b"a\n\n", ["a", ""]),
        ("a\u2028b\x85c\x0bd\n".encode(), ["a\u2028b\x85c\x0bd"]),
        (b"a\rb\n", ["a\rb"]),
        ("\u00a0 \n".encode(), ["\u00a0 "]),
    ],
)
def test_only_line_feeds_end_lines(tmp_path: Path, content: bytes, lines: list[str]) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    assert read_lines(path) == lines


def test_tokens_of_every_kind_come_back(tmp_path: Path) -> None:
    tokens = ["@@UNKNOWN@@", "a\nb", "", " ", "\n", "é日🙂", "x\r", "\r", "a\rb", "\t", "x\u2028", "\ufeff"]
    write_namespace(tmp_path, "tokens", dict(enumerate(tokens, start=1)), 1)
    assert read_tokens(tmp_path / "tokens.txt") == tokens


def test_tokens_that_are_written_like_escapes_come_back(tmp_path: Path) -> None:
    tokens = [
        "@@NEWLINE@@",
        "a@@NEWLINE@@b",
        "@@NEWLINE\n",
        "\nNEWLINE@@",
        "@@CARRIAGERETURN@@",
        "@@QUOTED@@",
    ]
    tokens += ['@@QUOTED@@"x"', "@@QUOTED@@1", "@@NEWLINE@@\n\r", "é@@NEWLINE@@", "@@UNKNOWN@@"]
    write_namespace(tmp_path, "tokens", dict(enumerate(tokens)), 0)
    assert read_tokens(tmp_path / "tokens.txt") == tokens
    assert read_lines(tmp_path / "tokens.txt")[5:6] == ["@@QUOTED@@"]


def test_a_vocabulary_keeps_a_word_that_is_written_like_an_escape(tmp_path: Path) -> None:
    vocab = Vocabulary(tokens_to_add={"tokens": ["a@@NEWLINE@@b", "a\nb"], "labels": ["@@NEWLINE@@"]})
    vocab.save_to_files(tmp_path)
    again = Vocabulary.from_files(tmp_path)
    for namespace in ("tokens", "labels"):
        assert again.get_token_to_index_vocabulary(namespace) == vocab.get_token_to_index_vocabulary(
            namespace
        )


def test_files_without_quotes_are_read_as_before(tmp_path: Path) -> None:
    lines = [
        "@@UNKNOWN@@",
        "a@@NEWLINE@@b",
        "x@@CARRIAGERETURN@@",
        "@@QUOTED@@",
        '@@QUOTED@@"',
        "@@QUOTED@@[1]",
    ]
    (tmp_path / "tokens.txt").write_text("\n".join(lines) + "\n")
    assert read_tokens(tmp_path / "tokens.txt") == ["@@UNKNOWN@@", "a\nb", "x\r", *lines[3:]]


def test_the_format_itself(tmp_path: Path) -> None:
    write_namespace(tmp_path, "tokens", {0: "pad", 1: "unk", 2: "a\nb"}, 1)
    assert (tmp_path / "tokens.txt").read_bytes() == b"unk\na@@NEWLINE@@b\n"
    write_namespace(tmp_path, "tags", {0: "X"}, 0)
    assert (tmp_path / "tags.txt").read_bytes() == b"X\n"
    write_namespace(tmp_path, "empty", {}, 0)
    assert (tmp_path / "empty.txt").read_bytes() == b""


def test_ids_without_a_token_keep_their_line(tmp_path: Path) -> None:
    write_namespace(tmp_path, "tags", {0: "a", 3: "b"}, 0)
    assert read_tokens(tmp_path / "tags.txt") == ["a", "@@UNUSED1@@", "@@UNUSED2@@", "b"]


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/nlpreg-evil", "a/b", ".hidden", "..", "a\0b", "non_padded_namespaces"]
)
def test_names_that_lead_elsewhere(name: str, tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    with pytest.raises(ConfigurationError, match="this is not a valid file name"):
        write_namespace(tmp_path / "inside", name, {0: "a"}, 0)
    assert [path.name for path in tmp_path.rglob("*")] == ["inside"]


def test_patterns(tmp_path: Path) -> None:
    write_patterns(tmp_path, {"*tags", "x"})
    assert sorted(read_patterns(tmp_path)) == ["*tags", "x"]


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it has no non_padded_namespaces"):
        read_patterns(tmp_path)


def test_namespace_files(tmp_path: Path) -> None:
    for name in ("tokens.txt", "odd.name.txt", "plain", ".lock", "non_padded_namespaces.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder").mkdir()
    assert sorted(namespace_files(tmp_path)) == ["odd.name", "plain", "tokens"]


def test_where_the_vocabulary_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nlpreg.common.file_utils.CACHE_DIRECTORY", str(tmp_path / "cache"), raising=False)
    assert find_vocabulary_folder(tmp_path) == str(tmp_path)
    inner = tmp_path / "model" / "vocabulary"
    inner.mkdir(parents=True)
    assert find_vocabulary_folder(tmp_path / "model") == str(inner)
    plain = tmp_path / "plain.txt"
    plain.write_text("x")
    with pytest.raises(ConfigurationError, match="or an archive of one, got a plain file"):
        find_vocabulary_folder(plain)
    with pytest.raises(FileNotFoundError):
        find_vocabulary_folder(tmp_path / "missing")


def test_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "vocabulary"
    folder.mkdir()
    write_patterns(folder, ["*tags"])
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(folder, "vocabulary")
    found = find_vocabulary_folder(tmp_path / "model.tar.gz")
    assert read_patterns(found) == ["*tags"]


@pytest.mark.parametrize(
    "limits",
    [
        {"max_vocab_size": {"tokns": 3}},
        {"pretrained_files": {"tokns": "vectors.txt"}},
        {"min_pretrained_embeddings": {"tokns": 3}},
    ],
    ids=lambda limits: next(iter(limits)),
)
def test_a_limit_for_a_namespace_that_the_data_lack_is_told(limits, caplog):
    Vocabulary({"tokens": {"a": 2}}, **limits)
    assert f"vocabulary.{next(iter(limits))}: the data have no namespace 'tokns'" in caplog.text


def test_a_label_like_the_padding_token_is_refused():
    with pytest.raises(ConfigurationError, match="the data have '@@PADDING@@' in the namespace 'labels'"):
        Vocabulary({"labels": {"@@PADDING@@": 2, "X": 1}})
    assert Vocabulary({"tokens": {"@@PADDING@@": 2, "X": 1}}).get_vocab_size("tokens") == 3


def test_a_word_twice_and_blank_lines_are_named(tmp_path, caplog):
    folder = tmp_path / "v"
    Vocabulary({"tokens": {"a": 2, "b": 1}}).save_to_files(str(folder))
    path = folder / "tokens.txt"
    path.write_text("@@UNKNOWN@@\na\nb\na\n")
    (folder / ".digests.json").unlink()
    with pytest.raises(
        ConfigurationError, match=r"tokens.txt, line 4: expected every token once, got 'a', as in line 2"
    ):
        Vocabulary.from_files(folder)
    path.write_text("@@UNKNOWN@@\n\nb\n\n")
    with pytest.raises(ConfigurationError, match=r"tokens.txt, line 4: .* got a blank line, as in line 2"):
        Vocabulary.from_files(folder)
    path.write_text("@@UNKNOWN@@\n\nb\n")
    assert Vocabulary.from_files(folder).get_token_index("b") == 3
    assert "tokens.txt, line 2: a blank line" in caplog.text


@pytest.mark.parametrize("first", ["a", "\ufeffa", "\ufeff"])
def test_byte_order_marks(tmp_path, first):
    vocab = Vocabulary(non_padded_namespaces=["x"], tokens_to_add={"x": [first, "b"]})
    vocab.save_to_files(str(tmp_path / "v"))
    assert Vocabulary.from_files(tmp_path / "v") == vocab
    if first == "a":
        for path in (tmp_path / "v").glob("*.txt"):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        (tmp_path / "v" / ".digests.json").unlink()
        assert Vocabulary.from_files(tmp_path / "v") == vocab


def test_a_size_below_zero():
    for size in (-1, {"tokens": -1}):
        with pytest.raises(ConfigurationError, match="max_vocab_size: expected a number of entries"):
            Vocabulary({"tokens": {"a": 1}}, max_vocab_size=size)


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
        Vocabulary().add_token_to_namespace(3)


def test_many_tokens_are_added_as_one_by_one() -> None:
    class OneByOne(Vocabulary):
        def add_token_to_namespace(self, token: str, namespace: str = "tokens") -> int:
            return super().add_token_to_namespace(token, namespace)

    for cls in (Vocabulary, OneByOne):
        entries = cls(non_padded_namespaces=["*labels"])
        for namespace, first in (("tokens", 2), ("labels", 0)):
            assert entries.add_tokens_to_namespace([], namespace) == []
            ids = entries.add_tokens_to_namespace(["b", "a", "b", "c"], namespace)
            assert ids == [first, first + 1, first, first + 2]
            assert entries.add_tokens_to_namespace(["d", "a"], namespace) == [first + 3, first + 1]
            assert entries.get_token_from_index(first + 3, namespace) == "d"
        with pytest.raises(ValueError, match="expected str tokens"):
            entries.add_tokens_to_namespace(["e", 3])


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


def test_files_in_another_encoding_are_named(tmp_path: Path) -> None:
    (tmp_path / "non_padded_namespaces.txt").write_bytes(b"*tags\n")
    (tmp_path / "tokens.txt").write_bytes(b"@@UNKNOWN@@\ncaf\xe9\n")
    with pytest.raises(
        ConfigurationError, match=r"tokens\.txt, line 2: expected text in UTF-8, got the byte 0xe9"
    ):
        Vocabulary.from_files(tmp_path)


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


class OtherTokenizer:
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
    vocab.add_transformer_vocab(OtherTokenizer(), "model")
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


MakeInstance = Callable[..., Instance]


@pytest.fixture
def instances(make_instance: MakeInstance) -> list[Instance]:
    return [make_instance("b a a", "X Y X"), make_instance("c b a", "X X Z")]


def words_of(vocab: Vocabulary, namespace: str = "tokens") -> list[str]:
    tokens = vocab.get_index_to_token_vocabulary(namespace)
    return [tokens[index] for index in sorted(tokens)]


def test_from_instances(instances: list[Instance]) -> None:
    vocab = Vocabulary.from_instances(instances)
    assert words_of(vocab)[2:] == ["a", "b", "c"]
    assert words_of(vocab, "labels") == ["X", "Y", "Z"]
    assert words_of(vocab, "token_characters")[2:] == ["a", "b", "c"]
    assert vocab._retained_counter == {
        "tokens": {"b": 2, "a": 3, "c": 1},
        "token_characters": {"b": 2, "a": 3, "c": 1},
        "labels": {"X": 4, "Y": 1, "Z": 1},
    }
    assert Vocabulary.from_instances(iter(instances)) == vocab


def test_items_that_occur_equally_often_keep_their_order() -> None:
    indexers: dict[str, TokenIndexer] = {"tokens": SingleIdTokenIndexer()}
    texts = [TextField.from_words(words.split(), indexers) for words in ("z y", "x z", "w")]
    vocab = Vocabulary.from_instances([Instance({"text": text}) for text in texts])
    assert words_of(vocab)[2:] == ["z", "y", "x", "w"]


def test_limits(instances: list[Instance]) -> None:
    def size(**arguments: object) -> int:
        return Vocabulary.from_instances(instances, **arguments).get_vocab_size()

    assert size(max_vocab_size=1) == 3
    assert size(max_vocab_size={"tokens": 2}) == 4
    assert size(max_vocab_size={"labels": 2}) == 5
    assert size(min_count={"tokens": 2}) == 4
    assert size(min_count={"tokens": 3}, max_vocab_size=1) == 3
    with pytest.raises(ConfigurationError, match="got 'nothing'"):
        size(min_count={"nothing": 2})


def test_tokens_to_add_come_last_whatever_the_limits(instances: list[Instance]) -> None:
    vocab = Vocabulary.from_instances(
        instances, max_vocab_size=1, tokens_to_add={"tokens": ["q", "a"], "new_tags": ["T"]}
    )
    assert words_of(vocab)[2:] == ["a", "q"]
    assert words_of(vocab, "new_tags") == ["T"]


def test_pretrained_files(instances: list[Instance], tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("q 1\nc 1\na 1\n")
    files = {"tokens": str(path)}

    def words(**arguments: object) -> list[str]:
        return words_of(Vocabulary.from_instances(instances, pretrained_files=files, **arguments))[2:]

    assert words() == ["a", "b", "c"]
    assert words(min_count={"tokens": 3}) == ["a", "c"]
    assert words(only_include_pretrained_words=True) == ["a", "c"]
    assert words(only_include_pretrained_words=True, min_count={"tokens": 2}) == ["a"]
    assert words(min_pretrained_embeddings={"tokens": 1}) == ["a", "b", "c", "q"]
    assert words(only_include_pretrained_words=True, min_pretrained_embeddings={"tokens": -1}) == [
        "a",
        "c",
        "q",
    ]


def test_pretrained_files_in_archives(instances: list[Instance], tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(f"{name[0]} 1\n")
    with tarfile.open(tmp_path / "both.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "one.txt", "in/one.txt")
        archive.add(tmp_path / "two.txt", "in/two.txt")
    files = {"tokens": f"({tmp_path}/both.tar.gz)#in/two.txt"}
    vocab = Vocabulary.from_instances(
        instances, pretrained_files=files, min_pretrained_embeddings={"tokens": 5}
    )
    assert words_of(vocab)[-1] == "t"


def test_extending_keeps_the_old_ids(instances: list[Instance], make_instance: MakeInstance) -> None:
    vocab = Vocabulary.from_instances(instances)
    before = dict(vocab.get_token_to_index_vocabulary())
    vocab.extend_from_instances([make_instance("z z a", "W X X")])
    assert words_of(vocab)[2:] == ["a", "b", "c", "z"]
    assert words_of(vocab, "labels") == ["X", "Y", "Z", "W"]
    assert before.items() <= vocab.get_token_to_index_vocabulary().items()


def test_extending_by_a_vocabulary() -> None:
    vocab = Vocabulary({"tokens": {"a": 1}})
    other = Vocabulary({"tokens": {"b": 2, "a": 1}, "odd": {"X": 1}}, non_padded_namespaces=["odd"])
    vocab.extend_from_vocab(other)
    assert words_of(vocab)[2:] == ["a", "b"]
    assert words_of(vocab, "odd") == ["X"]
    assert vocab._non_padded_namespaces == {"*tags", "*labels", "odd"}


def test_extending_a_saved_one(instances: list[Instance], tmp_path: Path) -> None:
    saved = Vocabulary({"tokens": {"saved": 1}, "odd": {"y": 1}}, non_padded_namespaces=["*labels", "odd"])
    saved.save_to_files(str(tmp_path))
    vocab = Vocabulary.from_files_and_instances(instances, str(tmp_path), min_count={"tokens": 2})
    assert words_of(vocab)[2:] == ["saved", "a", "b"]
    assert vocab._non_padded_namespaces == {"*labels", "*tags", "odd"}
    with pytest.raises(ConfigurationError, match="has 'tokens' padded"):
        Vocabulary.from_files_and_instances(instances, str(tmp_path), non_padded_namespaces=["tokens"])
    with pytest.raises(ConfigurationError, match="has 'odd' non-padded"):
        Vocabulary.from_files_and_instances([], str(tmp_path), tokens_to_add={"odd": ["x"]})


def test_by_name_from_config(instances: list[Instance], tmp_path: Path) -> None:
    vocab = Vocabulary.from_params(Params({"min_count": {"tokens": 3}}), instances=instances)
    assert words_of(vocab)[2:] == ["a"]
    vocab.save_to_files(str(tmp_path))
    loaded = Vocabulary.from_params(
        Params({"type": "from_files", "directory": str(tmp_path)}), instances=instances
    )
    assert loaded == vocab
    extended = Vocabulary.from_params(
        Params({"type": "extend", "directory": str(tmp_path)}), instances=instances
    )
    assert words_of(extended)[2:] == ["a", "b", "c"]
    assert Vocabulary.from_params(Params({"type": "empty"}), instances=instances) == Vocabulary()
    assert Vocabulary.list_available() == [
        "from_instances",
        "from_files",
        "extend",
        "empty",
        "from_pretrained_transformer",
        "from_pretrained_transformer_and_instances",
    ]


def test_statistics(instances: list[Instance], capsys: pytest.CaptureFixture[str]) -> None:
    Vocabulary.from_instances(instances).print_statistics()
    printed = capsys.readouterr().out
    assert "most frequent items of the namespace 'tokens'" in printed
    assert "count: 3" in printed
    Vocabulary().print_statistics()
    assert "Namespace" in capsys.readouterr().out


class FakeTokenizer:
    unk_token = "[UNK]"

    def get_vocab(self) -> dict[str, int]:
        return {"late": 2, "[UNK]": 0, "b": 1}


@pytest.fixture
def fake_transformer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nlpreg.common.cached_transformers.get_tokenizer", lambda name: FakeTokenizer())


@pytest.mark.usefixtures("fake_transformer")
def test_from_pretrained_transformer() -> None:
    vocab = Vocabulary.from_pretrained_transformer("some-model", "pieces")
    assert words_of(vocab, "pieces") == ["[UNK]", "b", "late"]
    assert vocab.get_token_index("never", "pieces") == 0
    assert vocab._non_padded_namespaces == {"pieces"}
    assert Vocabulary.from_pretrained_transformer("m", oov_token="b").get_token_index("never") == 1


@pytest.mark.usefixtures("fake_transformer")
def test_from_pretrained_transformer_and_instances(instances: list[Instance]) -> None:
    vocab = Vocabulary.from_pretrained_transformer_and_instances(instances, {"pieces": "m", "tokens": "m"})
    assert words_of(vocab, "pieces") == ["[UNK]", "b", "late"]
    assert words_of(vocab)[2:] == ["a", "b", "c", "[UNK]", "late"]
    assert words_of(vocab, "labels") == ["X", "Y", "Z"]
