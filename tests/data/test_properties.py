"""What holds of any text at all."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlpreg.data import Batch, Instance, TokenIndexer, Vocabulary
from nlpreg.data.columns import WordColumn, pad_rows, split_rows
from nlpreg.data.fields import SequenceLabelField, TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

# any characters that can be written to a file
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TEXTS = st.lists(st.lists(WORDS, max_size=6), min_size=1, max_size=6)
quick = hypothesis.settings(max_examples=60)


@quick
@hypothesis.given(TEXTS)
def test_ids_become_the_same_words_and_characters_again(texts: list[list[str]]) -> None:
    single, characters = SingleIdTokenIndexer(), TokenCharactersIndexer(min_padding_length=1)
    indexers: dict[str, TokenIndexer] = {"tokens": single, "chars": characters}
    instances = []
    for words in texts:
        text = TextField.from_words(words, indexers)
        tags = SequenceLabelField([f"T{len(word)}" for word in words], text)
        instances.append(Instance({"text": text, "tags": tags}))
    vocab = Vocabulary.from_instances(instances)
    batch = Batch(instances)
    batch.index_instances(vocab)
    tensors: dict[str, Any] = batch.as_tensor_dict()
    ids, tags = tensors["text"]["tokens"]["tokens"], tensors["tags"]
    symbols = tensors["text"]["chars"]["token_characters"]
    assert ids.shape == tags.shape == symbols.shape[:2] == (len(texts), max(map(len, texts)))
    for row, words in enumerate(texts):
        found = single.indices_to_tokens({"tokens": ids[row, : len(words)].tolist()}, vocab)
        assert [token.text for token in found] == words
        assert not ids[row, len(words) :].any()
        assert not symbols[row, len(words) :].any()
        for place, word in enumerate(words):
            spelt = [
                vocab.get_token_from_index(symbol, "token_characters")
                for symbol in symbols[row, place].tolist()
                if symbol
            ]
            assert "".join(spelt) == word
            assert vocab.get_token_from_index(int(tags[row, place]), "labels") == f"T{len(word)}"


@quick
@hypothesis.given(TEXTS)
def test_a_column_holds_the_texts(texts: list[list[str]]) -> None:
    column = WordColumn(texts)
    rows = split_rows(column.numbers, column.lengths)
    assert [[column.words[number] for number in row] for row in rows] == texts
    assert len(set(column.words)) == len(column.words)


@quick
@hypothesis.given(st.lists(st.lists(st.integers(0, 2**40), max_size=5), max_size=5), st.integers(0, 7))
def test_padding_keeps_what_fits(rows: list[list[int]], width: int) -> None:
    padded = pad_rows(rows, width)
    assert padded.shape == (len(rows), width)
    for row, values in zip(padded.tolist(), rows, strict=True):
        assert row == (values + [0] * width)[:width]
    arrays = [np.array(values, np.int64) for values in rows]
    assert np.array_equal(pad_rows(arrays, width), padded)


@quick
@hypothesis.given(st.dictionaries(st.sampled_from(["tokens", "tags", "日本"]), st.lists(WORDS, unique=True)))
def test_a_vocabulary_survives_its_files(tmp_path_factory: Any, namespaces: dict[str, list[str]]) -> None:
    special = {"@@PADDING@@", "@@UNKNOWN@@"}
    hypothesis.assume(not any(special & set(words) for words in namespaces.values()))
    vocab = Vocabulary()
    for namespace, words in namespaces.items():
        vocab.add_tokens_to_namespace(words, namespace)
    folder: Path = tmp_path_factory.mktemp("vocabulary")
    vocab.save_to_files(str(folder))
    loaded = Vocabulary.from_files(folder)
    for namespace in namespaces:
        assert loaded.get_index_to_token_vocabulary(namespace) == vocab.get_index_to_token_vocabulary(
            namespace
        )
