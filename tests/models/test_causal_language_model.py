"""Softmaxes and documents chosen by the config; losses against those of the plain model."""

import json

import pytest
import torch

from nlpreg.commands.train import train_model
from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.models import LanguageModel, Model
from nlpreg.models.generation import GenerationOptions
from nlpreg.predictors.generator import Generator

NUM_WORDS = 40
IDS = torch.tensor([[2, 3, 4, 39, 6], [7, 8, 9, 0, 0], [20, 30, 1, 0, 0]])


def make_vocab():
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace([f"word{i}" for i in range(NUM_WORDS - 2)])
    return vocab


def make_model(**options):
    torch.manual_seed(0)
    config = {
        "type": "causal_language_model",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}},
        "contextualizer": {
            "type": "transformer_lm",
            "input_dim": 8,
            "num_layers": 1,
            "num_attention_heads": 2,
        },
        **options,
    }
    return Model.from_params(Params(config), vocab=make_vocab())


def log_probabilities(model, states):
    """Those of every word, (N, V), by the layer's own formula for all words."""
    return model._softmax_loss.log_probabilities(states)


SOFTMAXES = [
    None,
    "softmax",
    "tied_softmax",
    {"type": "softmax", "chunk_size": 2},
    {"type": "adaptive_softmax", "cutoffs": [10, 20], "div_value": 2},
    {"type": "sampled_softmax", "num_samples": 5},
    {"type": "tied_sampled_softmax", "num_samples": 5},
]


@pytest.mark.parametrize("softmax", SOFTMAXES)
def test_the_loss_is_that_of_the_log_probabilities(softmax):
    model = make_model(softmax=softmax).eval()
    with torch.no_grad():
        output = model({"tokens": IDS})
        states = output["lm_embeddings"]
        total, count = 0.0, 0
        for row, ids in enumerate(IDS.tolist()):
            for position in range(4):
                if ids[position + 1]:
                    table = log_probabilities(model, states[row, position : position + 1])
                    torch.testing.assert_close(table.exp().sum(), torch.tensor(1.0))
                    total -= table[0, ids[position + 1] - 1].item()
                    count += 1
    assert output["loss"].item() == pytest.approx(total / count, rel=1e-5)
    assert model.get_metrics()["perplexity"] == pytest.approx(
        torch.tensor(total / count).exp().item(), rel=1e-5
    )


@pytest.mark.parametrize("softmax", SOFTMAXES)
def test_every_softmax_is_trained_saved_and_loaded(softmax):
    model = make_model(softmax=softmax)
    model({"tokens": IDS})["loss"].backward()
    for name, parameter in model.named_parameters():  # no gradient reaches a cluster without a target
        assert parameter.grad is not None or "softmax.tail" in name
    other = make_model(softmax=softmax)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1.0)
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other.eval()({"tokens": IDS})["loss"], model.eval()({"tokens": IDS})["loss"])


def test_a_tied_softmax_has_the_vectors_of_the_embedding():
    model = make_model(softmax="tied_softmax")
    table = model._text_field_embedder.token_embedder_tokens.weight
    plain = LanguageModel(model.vocab, model._text_field_embedder, model._contextualizer)
    with torch.no_grad():
        plain._softmax_loss.softmax_w.copy_(torch.cat([table[1:], table[:1]]).t())
        plain._softmax_loss.softmax_b.zero_()
    tied, expected = model({"tokens": IDS})["loss"], plain({"tokens": IDS})["loss"]
    torch.testing.assert_close(tied, expected)
    (gradient,) = torch.autograd.grad(tied, table)
    by_input, by_output = torch.autograd.grad(expected, [table, plain._softmax_loss.softmax_w])
    torch.testing.assert_close(gradient, by_input + by_output.t().roll(1, 0))
    assert len(list(model.parameters())) < len(list(plain.parameters()))


@pytest.mark.parametrize("sampling", [{}, {"type": "tied_character_sampled_softmax", "num_samples": 3}])
def test_a_softmax_tied_to_characters_is_trained_from_a_config(sampling, tmp_path):
    (tmp_path / "text.txt").write_text("the cat sat\nthe dog sat on the cat\n" * 4)
    indexer = {"type": "characters", "min_padding_length": 2}
    encoder = {"type": "cnn", "embedding_dim": 3, "num_filters": 4, "ngram_filter_sizes": [1, 2]}
    characters = {"embedding_dim": 3, "vocab_namespace": "token_characters"}
    config = {
        "dataset_reader": {
            "type": "simple_language_modeling",
            "tokenizer": "whitespace",
            "token_indexers": {"tokens": {"type": "single_id"}, "token_characters": indexer},
        },
        "train_data_path": str(tmp_path / "text.txt"),
        "validation_data_path": str(tmp_path / "text.txt"),
        "model": {
            "type": "causal_language_model",
            "text_field_embedder": {
                "token_embedders": {
                    "tokens": {"type": "empty"},
                    "token_characters": {
                        "type": "character_encoding",
                        "embedding": characters,
                        "encoder": encoder,
                    },
                }
            },
            "contextualizer": {"type": "lstm", "input_size": 8, "hidden_size": 6},
            "softmax": {"type": "tied_character_softmax", "indexer": indexer, **sampling},
        },
        "data_loader": {"batch_size": 2},
        "trainer": {"num_epochs": 3, "optimizer": {"type": "adam", "lr": 0.05}, "cuda_device": -1},
    }
    train_model(Params(config), str(tmp_path / "out"))
    generator = Generator.from_path(str(tmp_path / "out" / "model.tar.gz"))
    (generation,) = generator.generate("the", GenerationOptions(max_tokens=3, temperature=0))
    assert set(generation.text.split()) <= {"the", "cat", "sat", "dog", "on"}
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["validation_perplexity"] < 8  # of a uniform choice among the words


def test_documents_of_a_row_are_independent():
    model = make_model(document_end="word5").eval()
    end = model.vocab.get_token_index("word5")
    first, second = [2, 3, 4, end], [9, 8, 6, 4, end]
    packed = model({"tokens": torch.tensor([first + second])})["lm_embeddings"][0]
    for part, ids in ((packed[:4], first), (packed[4:], second)):
        torch.testing.assert_close(part, model({"tokens": torch.tensor([ids])})["lm_embeddings"][0])
    directions, _ = model.word_log_probabilities({"tokens": torch.tensor([first + second])})
    assert directions[0][0, 1:].isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bidirectional": True}, "model.bidirectional: a causal_language_model has no such choice"),
        ({"num_samples": 3}, "model.num_samples: a causal_language_model has no such choice"),
        (
            {"document_end": "word1", "contextualizer": {"type": "lstm", "input_size": 8, "hidden_size": 8}},
            "model.document_end: LstmSeq2SeqEncoder cannot keep the documents of a row apart",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        make_model(**options)
