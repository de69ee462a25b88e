"""Archives as AllenNLP 2.x (and 1.x) writes them, made by hand: they load, evaluate and predict the numbers that follow
from their weights, which are computed here with numpy alone."""

import itertools
import json
import tarfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nlpreg.commands.evaluate import evaluate_from_archive
from nlpreg.models import Model, load_archive
from nlpreg.predictors import Predictor

Array = Any

WORDS = ["@@UNKNOWN@@", "the", "dog", "barks", "日本", "."]
"""Lines of `vocabulary/tokens.txt`; the first has id 1."""

EMBEDDING = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
LSTM = {"type": "lstm", "input_size": 4, "hidden_size": 3}
SENTENCES = [["the", "dog", "barks", "."], ["日本", "unheard-of"], ["dog"]]
TAGS = [["O", "B-X", "I-X", "O"], ["B-X", "O"], ["O"]]
LABELS = ["O", "B-X", "I-X"]

CONFIGS: dict[str, dict[str, Any]] = {
    "simple_tagger": {
        "dataset_reader": {"type": "sequence_tagging"},
        "model": {
            "type": "allennlp.models.simple_tagger.SimpleTagger",
            "text_field_embedder": EMBEDDING,
            "encoder": {**LSTM, "bidirectional": True},
            "initializer": {"regexes": [["encoder.*", {"type": "orthogonal"}]]},
        },
    },
    "crf_tagger": {
        "dataset_reader": {
            "type": "allennlp.data.dataset_readers.sequence_tagging.SequenceTaggingDatasetReader"
        },
        "model": {
            "type": "allennlp_models.tagging.models.crf_tagger.CrfTagger",
            "label_encoding": "BIO",
            "text_field_embedder": {
                "type": "allennlp.modules.text_field_embedders.basic_text_field_embedder.BasicTextFieldEmbedder",
                "token_embedders": {
                    "tokens": {
                        "type": "embedding",
                        "embedding_dim": 4,
                        "pretrained_file": "https://nowhere/v.txt.gz",
                    }
                },
            },
            "encoder": {
                **LSTM,
                "type": "allennlp.modules.seq2seq_encoders.pytorch_seq2seq_wrapper.LstmSeq2SeqEncoder",
            },
        },
    },
    "basic_classifier": {
        "dataset_reader": {"type": "text_classification_json", "tokenizer": "just_spaces"},
        "model": {
            "type": "basic_classifier",
            "text_field_embedder": EMBEDDING,
            "seq2vec_encoder": {"type": "bag_of_embeddings", "embedding_dim": 4, "averaged": True},
            "feedforward": {"input_dim": 4, "num_layers": 1, "hidden_dims": 5, "activations": "tanh"},
        },
    },
    "language_model": {
        "dataset_reader": {
            "type": "allennlp_models.lm.dataset_readers.simple_language_modeling.SimpleLanguageModelingDatasetReader",
            "tokenizer": {"type": "just_spaces"},
        },
        "model": {
            "type": "allennlp_models.lm.models.language_model.LanguageModel",
            "bidirectional": False,
            "text_field_embedder": EMBEDDING,
            "contextualizer": LSTM,
        },
    },
}

SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "simple_tagger": {
        "text_field_embedder.token_embedder_tokens.weight": (7, 4),
        **{
            f"encoder._module.{kind}_l0{direction}": shape
            for direction in ("", "_reverse")
            for kind, shape in {
                "weight_ih": (12, 4),
                "weight_hh": (12, 3),
                "bias_ih": (12,),
                "bias_hh": (12,),
            }.items()
        },
        "tag_projection_layer._module.weight": (3, 6),
        "tag_projection_layer._module.bias": (3,),
    },
    "crf_tagger": {
        "text_field_embedder.token_embedder_tokens.weight": (7, 4),
        "encoder._module.weight_ih_l0": (12, 4),
        "encoder._module.weight_hh_l0": (12, 3),
        "encoder._module.bias_ih_l0": (12,),
        "encoder._module.bias_hh_l0": (12,),
        "tag_projection_layer._module.weight": (3, 3),
        "tag_projection_layer._module.bias": (3,),
        "crf.transitions": (3, 3),
        "crf._constraint_mask": (5, 5),
        "crf.start_transitions": (3,),
        "crf.end_transitions": (3,),
    },
    "basic_classifier": {
        "_text_field_embedder.token_embedder_tokens.weight": (7, 4),
        "_feedforward._linear_layers.0.weight": (5, 4),
        "_feedforward._linear_layers.0.bias": (5,),
        "_classification_layer.weight": (2, 5),
        "_classification_layer.bias": (2,),
    },
    "language_model": {
        "_last_average_loss": (1,),
        "_text_field_embedder.token_embedder_tokens.weight": (7, 4),
        "_contextualizer._module.weight_ih_l0": (12, 4),
        "_contextualizer._module.weight_hh_l0": (12, 3),
        "_contextualizer._module.bias_ih_l0": (12,),
        "_contextualizer._module.bias_hh_l0": (12,),
        "_softmax_loss.softmax_w": (3, 7),
        "_softmax_loss.softmax_b": (7,),
    },
}
"""The names that the parameters have in AllenNLP, with their sizes."""

DATA = {
    "simple_tagger": [
        " ".join(map("###".join, zip(*pair, strict=True))) for pair in zip(SENTENCES, TAGS, strict=True)
    ],
    "basic_classifier": [
        json.dumps({"text": " ".join(words), "label": label})
        for words, label in zip(SENTENCES, ["good", "bad", "good"], strict=True)
    ],
    "language_model": [" ".join(words) for words in SENTENCES],
}
DATA["crf_tagger"] = DATA["simple_tagger"]


@pytest.fixture(params=[True, False], ids=["zip format", "legacy format"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., str]:
    """Writes an archive of a model, as it is packed by AllenNLP, and returns its path."""

    def write(name: str, meta: str | None = '{"version": "2.10.1"}', **changes: Any) -> str:
        folder = tmp_path / "files"
        (folder / "vocabulary").mkdir(parents=True, exist_ok=True)
        config = CONFIGS[name] | {
            "train_data_path": "https://nowhere/train",
            "data_loader": {"batch_size": 2},
        }
        config |= {"trainer": {"type": "gradient_descent", "num_epochs": 3, "optimizer": "adam"}} | changes
        if "iterator" in config:  # of 0.x
            del config["data_loader"]
        (folder / "config.json").write_text(json.dumps(config, indent=4))
        (folder / "vocabulary" / "tokens.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
        labels = ["good", "bad"] if name == "basic_classifier" else LABELS
        if name != "language_model":
            (folder / "vocabulary" / "labels.txt").write_text("\n".join(labels) + "\n")
        (folder / "vocabulary" / "non_padded_namespaces.txt").write_text("*labels\n*tags\n")
        (folder / "vocabulary" / ".lock").write_text("")
        if meta is not None:
            (folder / "meta.json").write_text(meta)
        torch.save(weights_of(name), folder / "weights.th", _use_new_zipfile_serialization=request.param)
        path = tmp_path / "model.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for member in (
                "config.json",
                "weights.th",
                "vocabulary",
                *(["meta.json"] if meta is not None else []),
            ):
                tar.add(folder / member, member)
        return str(path)

    return write


def weights_of(name: str) -> "OrderedDict[str, torch.Tensor]":
    generator = torch.Generator().manual_seed(3)
    weights = OrderedDict(
        (key, torch.randn(shape, generator=generator)) for key, shape in SHAPES[name].items()
    )
    if name == "crf_tagger":
        weights["crf._constraint_mask"] = torch.ones(5, 5)
        weights["crf._constraint_mask"][0, 2] = 0.0  # no I-X after O, nor at the start
        weights["crf._constraint_mask"][3, 2] = 0.0
    return weights


def numbers(name: str) -> dict[str, Array]:
    return {key: value.double().numpy() for key, value in weights_of(name).items()}


def ids_of(words: list[str]) -> list[int]:
    return [WORDS.index(word) + 1 if word in WORDS else 1 for word in words]


def lstm(inputs: Array, weights: dict[str, Array], prefix: str, suffix: str = "") -> Array:
    """The states of an LSTM over (T, E), gates in torch's order: input, forget, cell, output."""
    state = cell = np.zeros(3)
    states = []
    for vector in inputs[::-1] if suffix else inputs:
        gates = weights[f"{prefix}.weight_ih_l0{suffix}"] @ vector + weights[f"{prefix}.bias_ih_l0{suffix}"]
        gates = (
            gates
            + weights[f"{prefix}.weight_hh_l0{suffix}"] @ state
            + weights[f"{prefix}.bias_hh_l0{suffix}"]
        )
        enter, keep, new, out = np.split(gates, 4)
        cell = cell / (1 + np.exp(-keep)) + np.tanh(new) / (1 + np.exp(-enter))
        state = np.tanh(cell) / (1 + np.exp(-out))
        states.append(state)
    return np.stack(states[::-1] if suffix else states)


def log_softmax(scores: Array) -> Array:
    return scores - np.log(np.exp(scores).sum(-1, keepdims=True))


def tag_scores(words: list[str], name: str) -> Array:
    weights = numbers(name)
    inputs = weights["text_field_embedder.token_embedder_tokens.weight"][ids_of(words)]
    states = lstm(inputs, weights, "encoder._module")
    if name == "simple_tagger":
        states = np.concatenate([states, lstm(inputs, weights, "encoder._module", "_reverse")], -1)
    layer = "tag_projection_layer._module"
    return states @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]


def write_data(name: str, folder: Path) -> str:
    (folder / "data.txt").write_text("\n".join(DATA[name]) + "\n", encoding="utf-8")
    return str(folder / "data.txt")


def test_simple_tagger(archive: Callable[..., str], tmp_path: Path) -> None:
    path = archive("simple_tagger")
    scores = [tag_scores(words, "simple_tagger") for words in SENTENCES]
    predictor = Predictor.from_path(path, dataset_reader_to_load="train")
    instances = list(predictor._dataset_reader.read(write_data("simple_tagger", tmp_path)))
    for expected, words, found in zip(
        scores, SENTENCES, predictor.predict_batch_instance(instances), strict=True
    ):
        assert np.allclose(np.array(found["logits"])[: len(words)], expected, atol=1e-5)
        assert found["tags"][: len(words)] == [LABELS[i] for i in expected.argmax(-1)]
        assert found["words"] == words
    gold = np.concatenate([[LABELS.index(tag) for tag in tags] for tags in TAGS])
    metrics = evaluate_from_archive(path, write_data("simple_tagger", tmp_path))
    assert metrics["accuracy"] == pytest.approx((np.concatenate(scores).argmax(-1) == gold).mean())
    assert metrics["accuracy3"] == 1.0
    # the mean over words, then over sentences
    losses = [
        -log_softmax(s)[range(len(t)), [LABELS.index(tag) for tag in t]]
        for s, t in zip(scores, TAGS, strict=True)
    ]
    means = [loss.mean() for loss in losses]
    assert metrics["loss"] == pytest.approx(np.mean(means), abs=1e-5)


def test_crf_tagger(archive: Callable[..., str], tmp_path: Path) -> None:
    path = archive("crf_tagger", meta=None)  # 1.x wrote no meta.json
    weights = numbers("crf_tagger")
    best, losses = [], []
    for words, tags in zip(SENTENCES, TAGS, strict=True):
        emissions = tag_scores(words, "crf_tagger")
        scored = {}
        for sequence in itertools.product(range(3), repeat=len(words)):
            score = (
                weights["crf.start_transitions"][sequence[0]] + weights["crf.end_transitions"][sequence[-1]]
            )
            score += emissions[range(len(words)), sequence].sum()
            scored[sequence] = score + sum(
                weights["crf.transitions"][pair] for pair in itertools.pairwise(sequence)
            )
        legal = [s for s in scored if s[0] != 2 and (0, 2) not in itertools.pairwise(s)]
        best.append([LABELS[i] for i in max(legal, key=lambda s: scored[s])])
        normalizer = np.log(np.exp(list(scored.values())).sum())
        losses.append(normalizer - scored[tuple(LABELS.index(tag) for tag in tags)])
    predictor = Predictor.from_path(path)
    instances = list(predictor._dataset_reader.read(write_data("crf_tagger", tmp_path)))
    found = predictor.predict_batch_instance(instances)
    assert [prediction["tags"] for prediction in found] == best
    assert predictor._model(**_batch(predictor._model, instances))["loss"].item() == pytest.approx(
        sum(losses), abs=1e-4
    )
    metrics = evaluate_from_archive(path, write_data("crf_tagger", tmp_path))
    right = [a == b for pair in zip(best, TAGS, strict=True) for a, b in zip(*pair, strict=True)]
    assert metrics["accuracy"] == pytest.approx(sum(right) / len(right))
    assert {"precision-overall", "recall-overall", "f1-measure-overall"} <= metrics.keys()


def _batch(model: Model, instances: list[Any]) -> Any:
    from nlpreg.data import Batch

    batch = Batch(instances)
    batch.index_instances(model.vocab)
    return batch.as_tensor_dict()


def test_basic_classifier(archive: Callable[..., str], tmp_path: Path) -> None:
    path = archive("basic_classifier")
    weights = numbers("basic_classifier")
    logits = []
    for words in SENTENCES:
        mean = weights["_text_field_embedder.token_embedder_tokens.weight"][ids_of(words)].mean(0)
        hidden = weights["_feedforward._linear_layers.0.weight"] @ mean
        hidden = np.tanh(hidden + weights["_feedforward._linear_layers.0.bias"])
        logits.append(
            weights["_classification_layer.weight"] @ hidden + weights["_classification_layer.bias"]
        )
    predictor = Predictor.from_path(path)
    for words, expected in zip(SENTENCES, logits, strict=True):
        found = predictor.predict_json({"sentence": " ".join(words)})
        assert found["logits"] == pytest.approx(expected.tolist(), abs=1e-5)
        assert found["probs"] == pytest.approx(np.exp(log_softmax(expected)).tolist(), abs=1e-5)
        assert found["label"] == ["good", "bad"][expected.argmax()]
    metrics = evaluate_from_archive(path, write_data("basic_classifier", tmp_path))
    gold = [0, 1, 0]
    losses = [-log_softmax(expected)[label] for expected, label in zip(logits, gold, strict=True)]
    assert metrics["accuracy"] == pytest.approx(
        np.mean([s.argmax() == g for s, g in zip(logits, gold, strict=True)])
    )
    assert metrics["loss"] == pytest.approx(np.mean(losses), abs=1e-5)


def test_language_model(archive: Callable[..., str], tmp_path: Path) -> None:
    path = archive("language_model")
    weights = numbers("language_model")
    losses: list[float] = []
    for words in SENTENCES:
        ids = ids_of(words)
        inputs = weights["_text_field_embedder.token_embedder_tokens.weight"][ids]
        states = lstm(inputs, weights, "_contextualizer._module")
        log_probabilities = log_softmax(
            states @ weights["_softmax_loss.softmax_w"] + weights["_softmax_loss.softmax_b"]
        )
        # the padding id is no class of the softmax
        losses += [-log_probabilities[i, word - 1] for i, word in enumerate(ids[1:])]
    model = load_archive(path).model.eval()
    predictor = Predictor.from_path(path)
    instances = list(predictor._dataset_reader.read(write_data("language_model", tmp_path)))
    assert model(**_batch(model, instances))["forward_loss"].item() == pytest.approx(
        np.mean(losses), abs=1e-5
    )
    metrics = evaluate_from_archive(path, write_data("language_model", tmp_path))
    assert metrics["perplexity"] == pytest.approx(np.exp(np.mean(losses)), rel=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.filterwarnings("ignore:.*AllenNLP 0.x")
def test_one_of_0x_loads_as_migrate_would_rewrite_it(name: str, archive: Callable[..., str]) -> None:
    today = load_archive(archive(name))
    model = dict(CONFIGS[name]["model"])
    embedder = dict(model["text_field_embedder"])
    model["text_field_embedder"] = {**embedder.pop("token_embedders"), "allow_unmatched_keys": True}
    reader = {**CONFIGS[name]["dataset_reader"], "lazy": False}
    with pytest.warns(UserWarning, match=r"this is an archive of AllenNLP 0\.x"):
        old = load_archive(
            archive(
                name,
                meta=None,
                dataset_reader=reader,
                model=model,
                iterator={"type": "basic", "batch_size": 2},
                trainer={"num_serialized_models_to_keep": 1, "nonsense_of_then": 3},
            )
        )
    assert old.config["data_loader"]["batch_size"] == 2
    for name, weights in today.model.state_dict().items():
        torch.testing.assert_close(old.model.state_dict()[name], weights)
