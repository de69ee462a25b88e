"""Vectors of words against the states of the language model on the text as a string."""

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.data.token_indexers import TokenIndexer
from nlpreg.data.tokenizers import Token
from nlpreg.models import Model
from nlpreg.modules.token_embedders import TokenEmbedder, language_model
from nlpreg.modules.token_embedders.character_language_model import character_stream

CHARACTERS = "\n abcdefghijklmnopqrstuvwxyzé漢"
TEXTS = [["the", "cat", "sat"], ["a"], ["x" * 40, "漢", "unknown", "?é", "𝒳"], []]


class Archive:
    def __init__(self, bidirectional, kind="lstm", **options):
        vocab = Vocabulary()
        vocab.add_tokens_to_namespace(options.pop("tokens", list(CHARACTERS)))
        torch.manual_seed(0)
        encoder = {"type": kind, "input_size": 5, "hidden_size": 4, "bidirectional": bidirectional}
        config = {
            "type": "language_model",
            "bidirectional": bidirectional,
            "dropout": 0.5,
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 5}}},
            "contextualizer": {**encoder, **options},
        }
        self.model = Model.from_params(Params(config), vocab=vocab).eval()


@pytest.fixture
def archives(monkeypatch):
    made = {
        "both": Archive(True),
        "ahead": Archive(False, stateful=True),
        "layers": Archive(False, num_layers=2, return_all_layers=True),
        "words": Archive(False, tokens=["the", "cat", "sat", "down", "there", "now", "then"]),
    }
    monkeypatch.setattr(language_model, "_loader", lambda file, overrides: made[file])
    return made


def make(files, **options):
    params = Params({"type": "character_language_model", "archive_files": files, **options})
    return TokenEmbedder.from_params(params)


def indexed(texts):
    indexer = TokenIndexer.from_params(Params({"type": "code_points"}))
    rows = [indexer.tokens_to_indices([Token(word) for word in words], Vocabulary()) for words in texts]
    lengths = indexer.padding_lengths_of_many(rows)
    return indexer.pad_many(rows, lengths)["token_characters"]


def by_hand(model, words, bidirectional):
    """One text as a string, one state after another."""
    text = "\n" + " ".join(words) + "\n"
    ids = [model.vocab.get_token_index(character) for character in text]
    states = model({"tokens": torch.tensor([ids])})["lm_embeddings"]
    states = states[-1] if isinstance(states, list) else states
    vectors, place = [], 0
    for word in words:
        after = place + len(word) + 1
        parts = [states[0, after, :4], states[0, place, 4:]] if bidirectional else [states[0, after]]
        vectors.append(torch.cat(parts))
        place = after
    return torch.stack(vectors)


@pytest.mark.parametrize("files", [["both"], ["ahead"], ["both", "layers", "ahead"]])
@pytest.mark.parametrize("cache_size", [0, 2, 100])
def test_vectors_are_states_between_words(archives, files, cache_size):
    embedder = make(files, cache_size=cache_size)
    expected = [
        torch.cat([by_hand(archives[file].model, words, file == "both") for file in files], dim=1)
        for words in TEXTS
        if words
    ]
    assert embedder.get_output_dim() == expected[0].size(1)
    for _ in range(2):  # the second time from the cache, where there is one
        vectors = embedder(indexed(TEXTS))
        assert vectors.shape == (4, 5, embedder.get_output_dim())
        for row, words in zip(vectors, expected, strict=False):
            torch.testing.assert_close(row[: len(words)], words)
            assert not row[len(words) :].any()
        for words, by_itself in zip(TEXTS, expected, strict=False):
            torch.testing.assert_close(embedder(indexed([words]))[0], by_itself)
    assert not embedder(indexed([[], []])).any()


def test_a_text_is_read_once(archives):
    embedder = make(["both"], cache_size=3)
    read = []
    embedder.language_models[0].register_forward_hook(lambda _, inputs, __: read.append(len(inputs[0])))
    embedder(indexed(TEXTS[:3]))
    embedder.train()(indexed([TEXTS[1], TEXTS[0]]))
    embedder(indexed([["new"], ["new"]]))
    embedder(indexed(TEXTS[:2]))
    embedder(indexed([TEXTS[2]]))  # it was the oldest when a fourth came
    assert read == [3, 1, 1]


def test_frozen_models_stay_as_they_are(archives):
    embedder = make(["both"]).train()
    assert not embedder.language_models[0].model.training
    assert not embedder(indexed(TEXTS)).requires_grad
    tuned = make(["both"], requires_grad=True).train()
    assert tuned.language_models[0].model.training
    tuned(indexed(TEXTS)).sum().backward()
    gradients = [p.grad for p in tuned.parameters()]
    assert gradients and all(g is not None and g.any() for g in gradients)


def test_streams_by_hand():
    characters = indexed([["ab", "c"], ["d"]])
    stream, gaps = character_stream(characters, characters.ne(0).any(-1), 33, 11)
    a, b, c, d = (ord(x) + 1 for x in "abcd")
    assert stream.tolist() == [[11, a, b, 33, c, 11], [11, d, 11, 0, 0, 0]]
    assert gaps.tolist() == [[0, 3, 5], [0, 2, 2]]


def test_what_does_not_fit_is_refused(archives):
    with pytest.raises(
        ConfigurationError, match=r"words: expected a language model of single characters.*'the', 'cat'"
    ):
        make(["words"])
    with pytest.raises(ConfigurationError, match="cache_size: vectors of language models that are trained"):
        make(["both"], cache_size=3, requires_grad=True)
    with pytest.raises(ConfigurationError, match=r"boundary: expected a single character, got '<S>'"):
        make(["both"], boundary="<S>")
    with pytest.raises(ConfigurationError, match="archive_files: expected at least one archive"):
        make([])
