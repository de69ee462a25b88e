"""Layers of an archived language model."""

import json
from types import SimpleNamespace

import pytest
import torch

import nlpreg.models  # noqa: F401 - says how archives are loaded
from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data.token_indexers import ELMoTokenCharactersIndexer, SingleIdTokenIndexer
from nlpreg.data.tokenizers import Token
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models import Model, archive_model
from nlpreg.modules.token_embedders import LanguageModelTokenEmbedder, TokenEmbedder
from nlpreg.modules.token_embedders import language_model as archive_loading

CHARACTERS = {
    "indexer": {"type": "elmo_characters"},
    "embedder": {
        "type": "character_encoding",
        "embedding": {"num_embeddings": 262, "embedding_dim": 4},
        "encoder": {"type": "cnn", "embedding_dim": 4, "num_filters": 8, "ngram_filter_sizes": [2]},
    },
}
WORDS = {"indexer": {"type": "single_id"}, "embedder": {"type": "embedding", "embedding_dim": 8}}
TRANSFORMER = {
    "type": "bidirectional_language_model_transformer", "input_dim": 8, "hidden_dim": 12, "num_layers": 2,
}  # fmt: skip
LSTM = {"type": "lstm", "input_size": 8, "hidden_size": 8}


def archive(folder, kind, contextualizer=TRANSFORMER, **more):
    """A language model with random weights over `kind` under the key `lm`."""
    config = {
        "dataset_reader": {
            "type": "simple_language_modeling",
            "tokenizer": "whitespace",
            "token_indexers": {"tokens": {"type": "single_id"}, "lm": kind["indexer"]},
        },
        "model": {
            "type": "language_model",
            "bidirectional": contextualizer["type"] == TRANSFORMER["type"],
            "text_field_embedder": {
                "token_embedders": {"tokens": {"type": "empty"}, "lm": kind["embedder"], **more}
            },
            "contextualizer": contextualizer,
        },
    }
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(["<S>", "</S>", "the", "cat"])
    vocab.save_to_files(str(folder / "vocabulary"))
    torch.manual_seed(1)
    model = Model.from_params(Params(json.loads(json.dumps(config["model"]))), vocab=vocab)
    torch.save(model.state_dict(), folder / "best.th")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    archive_model(folder, weights="best.th")
    return str(folder / "model.tar.gz"), model.eval()


def ids_of(kind, words, vocab):
    indexer = ELMoTokenCharactersIndexer() if kind is CHARACTERS else SingleIdTokenIndexer()
    (ids,) = indexer.tokens_to_indices([Token(word) for word in words], vocab).values()
    return torch.tensor(ids)


def padded(rows):
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def expected_layers(model, kind, words):
    """The three layers of a sentence with its boundaries, by the model itself: (3, T + 2, 16)."""
    model._contextualizer._return_all_layers = True
    for transformer in (
        model._contextualizer._forward_transformer,
        model._contextualizer._backward_transformer,
    ):
        transformer.return_all_layers = True
    ids = ids_of(kind, ["<S>", *words, "</S>"], model.vocab).unsqueeze(0)
    embedded = model._text_field_embedder({"lm": {"any": ids}})
    layers = model._contextualizer(embedded, torch.ones(ids.shape[:2]).bool())
    return torch.stack([torch.cat([embedded, embedded], -1), *layers])[:, 0]


@pytest.mark.parametrize("kind", [CHARACTERS, WORDS], ids=["characters", "words"])
@pytest.mark.parametrize("name", ["language_model_token_embedder", "bidirectional_lm_token_embedder"])
def test_mix_of_all_layers(tmp_path, kind, name):
    file, model = archive(tmp_path, kind)
    embedder = TokenEmbedder.from_params(Params({"type": name, "archive_file": file})).eval()
    assert embedder.get_output_dim() == 16
    sentences = [["the", "cat", "the"], ["cat"]]
    ids = padded([ids_of(kind, words, model.vocab) for words in sentences])
    vectors = embedder(ids)
    assert vectors.shape == (2, 3, 16)
    for row, words in enumerate(sentences):
        expected = expected_layers(model, kind, words).mean(0)[1:-1]
        torch.testing.assert_close(vectors[row, : len(words)], expected, atol=1e-5, rtol=1e-4)
    assert not any(parameter.requires_grad for parameter in embedder._lm.parameters())
    assert {key.split(".")[0] for key in embedder.state_dict()} == {"_lm", "_scalar_mix"}
    assert not any("softmax" in key for key in embedder.state_dict())


def test_boundaries_that_the_reader_adds(tmp_path):
    file, model = archive(tmp_path, WORDS)
    bare = LanguageModelTokenEmbedder(file, bos_eos_tokens=None).eval()
    kept = LanguageModelTokenEmbedder(file, remove_bos_eos=False).eval()
    inner = ids_of(WORDS, ["the", "cat"], model.vocab).unsqueeze(0)
    outer = ids_of(WORDS, ["<S>", "the", "cat", "</S>"], model.vocab).unsqueeze(0)
    expected = LanguageModelTokenEmbedder(file).eval()(inner)
    torch.testing.assert_close(bare(outer), expected)
    torch.testing.assert_close(kept(inner)[:, 1:-1], expected)


def test_short_rows_of_characters_grow_to_hold_the_boundaries(tmp_path):
    kind = {**CHARACTERS, "indexer": {"type": "characters", "min_padding_length": 3}}
    file, _ = archive(tmp_path, kind)
    embedder = LanguageModelTokenEmbedder(file, bos_eos_tokens=("<beginning>", "<end>")).eval()
    assert embedder(torch.ones(1, 2, 3, dtype=torch.long)).shape == (1, 2, 16)


def test_training(tmp_path):
    file, model = archive(tmp_path, WORDS)
    embedder = LanguageModelTokenEmbedder(file, dropout=0.5, requires_grad=True)
    vectors = embedder(ids_of(WORDS, ["the"] * 50, model.vocab).unsqueeze(0))
    assert 0.3 < (vectors == 0).float().mean() < 0.7
    vectors.sum().backward()
    assert all(parameter.grad is not None for parameter in embedder._lm._text_field_embedder.parameters())


def test_models_that_do_not_fit(tmp_path):
    file, _ = archive(
        tmp_path, WORDS, other=WORDS["embedder"], contextualizer={**TRANSFORMER, "input_dim": 16}
    )
    with pytest.raises(
        ConfigurationError, match=r"one token embedder that is not empty, got \['lm', 'other'\]"
    ):
        LanguageModelTokenEmbedder(file)


@pytest.mark.parametrize(
    ("kind", "num_layers"),
    [("lstm", 2), ("gru", 2), ("rnn", 2), ("alternating_lstm", 2), ("awd_lstm", 2), ("augmented_lstm", None)],
)
def test_recurrent_models_of_several_layers(tmp_path, kind, num_layers):
    size = {} if num_layers is None else {"num_layers": num_layers}
    file, model = archive(tmp_path, WORDS, contextualizer={**LSTM, "type": kind, **size})
    embedder = LanguageModelTokenEmbedder(file).eval()
    ids = ids_of(WORDS, ["the", "cat"], model.vocab).unsqueeze(0)
    whole = ids_of(WORDS, ["<S>", "the", "cat", "</S>"], model.vocab).unsqueeze(0)
    embedded = model._text_field_embedder({"lm": {"any": whole}})
    model._contextualizer.return_all_layers = True
    layers = model._contextualizer(embedded, torch.ones(1, 4).bool())
    assert len(layers) == (num_layers or 1) and model.num_layers() == len(layers) + 1
    expected = torch.stack([embedded, *layers]).mean(0)[:, 1:-1]
    torch.testing.assert_close(embedder(ids), expected)


def test_a_text_does_not_depend_on_the_one_before(tmp_path):
    file, model = archive(tmp_path, WORDS, contextualizer={**LSTM, "stateful": True})
    embedder = LanguageModelTokenEmbedder(file).eval()
    ids = ids_of(WORDS, ["the", "cat"], model.vocab).unsqueeze(0)
    assert torch.equal(embedder(ids), embedder(ids))


def test_nobody_said_how_archives_are_loaded(monkeypatch):
    monkeypatch.setattr(archive_loading, "_loader", None)
    with pytest.raises(RuntimeError, match="model.tar.gz: loading an archive needs nlpreg.models"):
        LanguageModelTokenEmbedder("model.tar.gz")


def test_the_loader_is_called(monkeypatch):
    monkeypatch.setattr(archive_loading, "_loader", None)
    calls = []

    def load(file, overrides):
        calls.append((file, overrides))
        model = torch.nn.Linear(1, 1)
        model.contextualizer = SimpleNamespace(stateful=True)
        model.delete_softmax = lambda: calls.append("delete_softmax")
        return SimpleNamespace(model=model)

    archive_loading.set_archive_loader(load)
    model = archive_loading.load_language_model("x.tar.gz", False, {"a.b": 1}).model
    assert calls == [("x.tar.gz", {"a.b": 1}), "delete_softmax"]
    assert not model.contextualizer.stateful and not model.weight.requires_grad
