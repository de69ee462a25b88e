"""What holds for every predictor and every model: an input's answer does not depend on its batch, or on what came before."""

import math
from typing import Any

import pytest
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


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return math.isclose(one, other, abs_tol=1e-5) if isinstance(one, float) else one == other


def texts_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    return [t for item in value for t in texts_in(item)] if isinstance(value, list) else [str(value)]


def test_every_model_and_predictor_is_looked_at() -> None:
    names = {name.split(",")[0] for name in CASES}
    registered = {
        name for name in Model.list_available() if Model.by_name(name).__module__.startswith("nlpreg.models.")
    }
    assert names == registered - NEEDS_A_PRETRAINED_MODEL - MAKES_NO_MODEL_OF_ITS_OWN
    used = {
        predictor or Model.by_name(name.split(",")[0]).default_predictor
        for name, (_, _, predictor) in CASES.items()
    }
    ours = {
        name
        for name in Predictor.list_available()
        if Predictor.by_name(name).__module__.startswith("nlpreg.")
    }
    assert used == ours


@pytest.mark.parametrize("name", CASES)
def test_an_answer_is_the_same_alone_and_in_any_batch(name: str) -> None:
    predictor = make_predictor(name)
    sentences = WITH_GAPS if name.startswith("masked") else SENTENCES
    inputs = [
        {"sentence": sentence} | ({"task": "sentiment"} if name == "multitask" else {})
        for sentence in sentences
    ]
    alone = [predictor.predict_json(dict(value)) for value in inputs]
    assert all("@@PADDING@@" not in texts_in(answer) for answer in alone)
    assert same(alone, [predictor.predict_json(dict(value)) for value in inputs]), "state carries over"
    # what only a batch of one can have
    for answer in alone:
        if not name.partition(",")[0].replace("-", "_").endswith("language_model") or name.startswith(
            "masked"
        ):
            assert not {"loss", "batch_weight"} & set(answer)
    together = predictor.predict_batch_json([dict(value) for value in inputs])
    assert same(alone, together), next((a, b) for a, b in zip(alone, together, strict=True) if not same(a, b))
    backwards = predictor.predict_batch_json([dict(value) for value in reversed(inputs)])
    assert same(alone, backwards[::-1])


@pytest.mark.parametrize("name", [name for name in CASES if "tagger" in name])
def test_a_tagger_gives_as_many_tags_as_words(name: str) -> None:
    predictor = make_predictor(name)
    for answer, sentence in zip(
        predictor.predict_batch_json([{"sentence": sentence} for sentence in ["the dog ate", "", "Zoë"]]),
        [3, 0, 1],
        strict=True,
    ):
        assert len(answer["tags"]) == len(answer["words"]) == sentence
        for key in ("logits", "class_probabilities", "mask"):
            assert len(answer.get(key, answer["tags"])) == sentence
