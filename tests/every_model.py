"""A small model of every registered kind, untrained, with the reader and the predictor that go with it."""

from typing import Any

import torch

import nlpreg.modules
import nlpreg.predictors  # noqa: F401
from nlpreg.common import Params
from nlpreg.data import DatasetReader, Vocabulary
from nlpreg.models import Model
from nlpreg.models.tnt_tagger import TntTagger
from nlpreg.predictors import Predictor

WORDS = ["the", "dog", "ate", "apple", ".", "Zoë", "lives", "in", "New", "York", "[MASK]"]
LETTERS = sorted(set("".join(WORDS)))
SENTENCES = [
    "the dog ate the apple .",
    "",
    "the",
    "Zoë lives",
    "Žižek 東京 ate \u200d",
    "the dog ate the apple . Zoë lives in New York . the dog ate the dog .",
    "the",
]
WITH_GAPS = ["the [MASK] ate [MASK] .", "[MASK]", "Zoë lives in New [MASK] and 東京", "[MASK] [MASK]"]

EMBEDDER = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
LSTM = {"type": "lstm", "input_size": 4, "hidden_size": 4}
TAGGING = {"type": "sequence_tagging"}
TEXT = {"type": "text_classification_json", "tokenizer": "whitespace"}
RUNNING = {"type": "simple_language_modeling", "tokenizer": "whitespace"}
HEAD = {"type": "linear", "input_dim": 4, "vocab_namespace": "tokens"}


def classifier(**encoder: Any) -> dict[str, Any]:
    return {"type": "basic_classifier", "text_field_embedder": EMBEDDER, "seq2vec_encoder": encoder}


def tagger(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "text_field_embedder": EMBEDDER, "encoder": LSTM, **more}


CHARACTERS = {
    "token_embedders": {
        "characters": {
            "type": "character_encoding",
            "embedding": {"embedding_dim": 3, "vocab_namespace": "token_characters"},
            "encoder": {
                "type": "cnn",
                "embedding_dim": 3,
                "num_filters": 2,
                "ngram_filter_sizes": [2, 5],
                "output_dim": 4,
            },
        }
    }
}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "simple_tagger": (tagger("simple_tagger"), TAGGING, None),
    "simple_tagger, characters": (
        tagger("simple_tagger", text_field_embedder=CHARACTERS),
        TAGGING | {"token_indexers": {"characters": {"type": "characters", "min_padding_length": 1}}},
        None,
    ),
    "crf_tagger": (tagger("crf_tagger", top_k=2), TAGGING, None),
    "crf_tagger, constrained": (tagger("crf_tagger", label_encoding="BIOUL"), TAGGING, None),
    "multi_tagger": (tagger("multi_tagger", heads={"tags": {}}), TAGGING, None),
    "tagger_ensemble": (
        {"type": "tagger_ensemble", "members": [tagger("simple_tagger"), tagger("simple_tagger")]},
        TAGGING,
        None,
    ),
    "tagger_ensemble, crf": (
        {
            "type": "tagger_ensemble",
            "members": [tagger("crf_tagger", label_encoding="BIOUL"), tagger("crf_tagger")],
        },
        TAGGING,
        None,
    ),
    "hmm_tagger": ({"type": "hmm_tagger"}, TAGGING, None),
    "tnt_tagger": ({"type": "tnt_tagger", "confidences": True}, TAGGING, None),
    "causal_language_model, transformer": (
        {
            "type": "causal_language_model",
            "text_field_embedder": EMBEDDER,
            "contextualizer": {
                "type": "transformer_lm",
                "input_dim": 4,
                "num_layers": 2,
                "num_attention_heads": 2,
            },
        },
        RUNNING,
        "language_model",
    ),
    "basic_classifier": (classifier(type="boe", embedding_dim=4), TEXT, None),
    "basic_classifier, cnn": (
        classifier(type="cnn", embedding_dim=4, num_filters=2, ngram_filter_sizes=[2, 5]),
        TEXT,
        None,
    ),
    "basic_classifier, lstm": (
        classifier(type="lstm", input_size=4, hidden_size=3, bidirectional=True),
        TEXT,
        None,
    ),
    "bcn": (
        {
            "type": "bcn",
            "text_field_embedder": EMBEDDER,
            "embedding_dropout": 0.1,
            "pre_encode_feedforward": {
                "input_dim": 4,
                "num_layers": 1,
                "hidden_dims": 4,
                "activations": "relu",
            },
            "encoder": LSTM,
            "integrator": LSTM | {"input_size": 12},
            "integrator_dropout": 0.1,
            "output_layer": {
                "input_dim": 16,
                "num_layers": 1,
                "output_dims": 6,
                "pool_sizes": 2,
                "dropout": 0.0,
            },
        },
        TEXT,
        None,
    ),
    "language_model": (
        {"type": "language_model", "text_field_embedder": EMBEDDER, "contextualizer": LSTM},
        RUNNING,
        "language_model",
    ),
    "language_model, stateful": (
        {
            "type": "language_model",
            "text_field_embedder": EMBEDDER,
            "contextualizer": LSTM | {"stateful": True},
        },
        RUNNING,
        "language_model",
    ),
    "bidirectional-language-model": (
        {
            "type": "bidirectional-language-model",
            "text_field_embedder": EMBEDDER,
            "contextualizer": LSTM | {"bidirectional": True},
        },
        RUNNING,
        "language_model",
    ),
    "causal_language_model, recurrent": (
        {"type": "causal_language_model", "text_field_embedder": EMBEDDER, "contextualizer": LSTM},
        RUNNING,
        "language_model",
    ),
    "next_token_lm": (
        {
            "type": "next_token_lm",
            "text_field_embedder": EMBEDDER,
            "contextualizer": LSTM,
            "language_model_head": HEAD,
            "target_namespace": "tokens",
        },
        {"type": "next_token_lm", "tokenizer": "whitespace"},
        None,
    ),
    "masked_language_model": (
        {
            "type": "masked_language_model",
            "text_field_embedder": EMBEDDER,
            "contextualizer": LSTM,
            "language_model_head": HEAD,
            "target_namespace": "tokens",
        },
        {"type": "masked_language_modeling", "tokenizer": "whitespace"},
        None,
    ),
    "multitask": (
        {
            "type": "multitask",
            "arg_name_mapping": {"backbone": {"tokens": "text"}},
            "backbone": {"type": "text", "text_field_embedder": EMBEDDER},
            "heads": {
                "sentiment": {"type": "classifier", "seq2vec_encoder": {"type": "boe", "embedding_dim": 4}}
            },
        },
        {"type": "multitask", "readers": {"sentiment": TEXT}},
        None,
    ),
}
NEEDS_A_PRETRAINED_MODEL = {"transformer_classification_tt"}
MAKES_NO_MODEL_OF_ITS_OWN = {"from_archive"}


def make_predictor(name: str) -> Predictor:
    model_config, reader_config, predictor = CASES[name]
    vocab = Vocabulary()
    for word in WORDS:
        vocab.add_token_to_namespace(word, "tokens")
    for letter in LETTERS:
        vocab.add_token_to_namespace(letter, "token_characters")
    for label in ["O", "B-LOC", "I-LOC", "L-LOC", "U-LOC", "U-PER"]:
        vocab.add_token_to_namespace(label, "labels")
    torch.manual_seed(1)
    model = Model.from_params(Params(dict(model_config)), vocab=vocab)
    reader = DatasetReader.from_params(Params(dict(reader_config)))
    if isinstance(model, TntTagger):  # which is trained by counting, and knows nothing before
        ids = torch.tensor([[vocab.get_token_index(word) for word in WORDS]])
        model.count({"tokens": {"tokens": ids}}, torch.arange(len(WORDS)).unsqueeze(0) % 6)
        model.finish_counting()
    kind = predictor or model.default_predictor
    assert kind is not None
    made: Predictor = Predictor.by_name(kind)(model, reader)
    return made
