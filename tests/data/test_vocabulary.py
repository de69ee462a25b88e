import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Instance, TokenIndexer, Vocabulary
from nlpreg.data.fields import TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer

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
        return Vocabulary.from_instances(instances, **arguments).get_vocab_size()  # type: ignore[arg-type]

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
        return words_of(Vocabulary.from_instances(instances, pretrained_files=files, **arguments))[2:]  # type: ignore[arg-type]

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
