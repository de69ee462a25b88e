"""Whatever the texts are: their padded tensors hold all of them and nothing else, and lead back to the words."""

import tempfile
from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nlpreg.data import Batch, Instance, Token, Vocabulary
from nlpreg.data.fields import LabelField, ListField, SequenceLabelField, TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer
from nlpreg.nn.util import get_text_field_mask

WORDS = st.text(min_size=1, max_size=5)
SENTENCES = st.lists(st.lists(st.tuples(WORDS, st.sampled_from("XYZ")), max_size=6), min_size=1, max_size=6)


def instances_of(sentences, as_tokens=False):
    """Tagged sentences with a label each; made of tokens, they take the way of single tokens."""
    indexers = {
        "tokens": SingleIdTokenIndexer(),
        "characters": TokenCharactersIndexer(min_padding_length=2),
    }
    instances = []
    for pairs in sentences:
        words = [word for word, _ in pairs]
        if as_tokens:
            text = TextField([Token(word) for word in words], indexers)
        else:
            text = TextField.from_words(words, indexers)
        tags = SequenceLabelField([tag for _, tag in pairs], text)
        instances.append(
            Instance({"text": text, "tags": tags, "label": LabelField(str(len(pairs)), "sizes")})
        )
    return instances


def words_of(vocab, ids, namespace="tokens"):
    return [vocab.get_token_from_index(index, namespace) for index in ids.tolist()]


@given(SENTENCES, st.booleans())
def test_tensors_lead_back_to_the_words(sentences, as_tokens):
    instances = instances_of(sentences, as_tokens)
    vocab = Vocabulary.from_instances(instances)
    batch = Batch(instances)
    batch.index_instances(vocab)
    tensors = batch.as_tensor_dict()
    ids = tensors["text"]["tokens"]["tokens"]
    characters = tensors["text"]["characters"]["token_characters"]
    longest = max(map(len, sentences))
    assert ids.shape == tensors["tags"].shape == (len(sentences), longest)
    assert characters.shape[2] == max(2, *(len(word) for pairs in sentences for word, _ in pairs), 0)
    mask = get_text_field_mask(tensors["text"])
    assert mask.sum(1).tolist() == [len(pairs) for pairs in sentences]
    assert not ids[~mask].any()
    assert not characters[~mask].any()
    assert not tensors["tags"][~mask].any()
    for row, pairs in enumerate(sentences):
        words = [word for word, _ in pairs]
        assert words_of(vocab, ids[row, : len(words)]) == words
        assert words_of(vocab, tensors["tags"][row, : len(words)], "labels") == [tag for _, tag in pairs]
        for at, word in enumerate(words):
            spelt = words_of(vocab, characters[row, at, : len(word)], "token_characters")
            assert "".join(spelt) == word
            assert not characters[row, at, len(word) :].any()
    assert words_of(vocab, tensors["label"], "sizes") == [str(len(pairs)) for pairs in sentences]


@given(SENTENCES)
def test_words_and_tokens_take_different_ways_to_the_same_place(sentences):
    results = []
    for as_tokens in (False, True):
        instances = instances_of(sentences, as_tokens)
        vocab = Vocabulary.from_instances(instances)
        for instance in instances:
            if as_tokens:  # one by one
                instance.index_fields(vocab)
        batch = Batch(instances)
        batch.index_instances(vocab)
        results.append((vocab, batch.as_tensor_dict()))
    (vocab, first), (other_vocab, second) = results
    assert vocab == other_vocab
    assert torch.equal(first["text"]["tokens"]["tokens"], second["text"]["tokens"]["tokens"])
    characters = [one["text"]["characters"]["token_characters"] for one in (first, second)]
    assert torch.equal(*characters)
    assert torch.equal(first["tags"], second["tags"])


@given(SENTENCES)
def test_a_batch_holds_what_its_instances_hold_alone(sentences):
    instances = instances_of(sentences)
    vocab = Vocabulary.from_instances(instances)
    batch = Batch(instances)
    batch.index_instances(vocab)
    tensors = batch.as_tensor_dict()
    for row, instance in enumerate(instances):
        (alone,) = (Batch([instance]).as_tensor_dict()["text"]["tokens"]["tokens"],)
        assert torch.equal(tensors["text"]["tokens"]["tokens"][row, : alone.size(1)], alone[0])


@given(st.lists(st.lists(st.lists(WORDS, max_size=4), min_size=1, max_size=3), min_size=1, max_size=4))
def test_lists_of_texts(documents):
    indexers = {"tokens": SingleIdTokenIndexer()}
    instances = [
        Instance({"texts": ListField([TextField.from_words(list(words), indexers) for words in document])})
        for document in documents
    ]
    vocab = Vocabulary.from_instances(instances)
    batch = Batch(instances)
    batch.index_instances(vocab)
    ids = batch.as_tensor_dict()["texts"]["tokens"]["tokens"]
    assert ids.shape[:2] == (len(documents), max(map(len, documents)))
    for row, document in enumerate(documents):
        for at, words in enumerate(document):
            assert words_of(vocab, ids[row, at, : len(words)]) == words
            assert not ids[row, at, len(words) :].any()
        assert not ids[row, len(document) :].any()


@settings(max_examples=30)
@given(SENTENCES)
def test_a_saved_vocabulary_reads_the_same_ids(sentences):
    instances = instances_of(sentences)
    vocab = Vocabulary.from_instances(instances)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocabulary"
        vocab.save_to_files(str(path))
        assert Vocabulary.from_files(path) == vocab
