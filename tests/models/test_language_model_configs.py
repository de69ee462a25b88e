"""Options of language models, each from a config, trained for a few updates."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpreg.commands.check.checking import check_file
from nlpreg.commands.train import train_model, train_model_from_file
from nlpreg.common.params import Params
from nlpreg.common.plugins import import_builtin_parts
from nlpreg.data import Vocabulary
from nlpreg.models import Model, load_archive
from nlpreg.modules.sampled_softmax_loss import SampledSoftmaxLoss
from nlpreg.predictors import Predictor

PUBLISHED = Path(__file__).parent / "published" / "bidirectional_language_model.jsonnet"
SENTENCES = ["the dog barks", "a cat sleeps on the roof", "it rains all day", "the cat barks at a dog"] * 4


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("".join(sentence + "\n" for sentence in SENTENCES))
    return tmp_path / "text.txt"


def config(text: Path, **model: Any) -> dict[str, Any]:
    return {
        "dataset_reader": {"type": "simple_language_modeling", "tokenizer": "whitespace"},
        "train_data_path": str(text),
        "validation_data_path": str(text),
        "model": {
            "type": "language_model",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
            "contextualizer": {"type": "lstm", "input_size": 4, "hidden_size": 4},
            **model,
        },
        "data_loader": {"batch_size": 4},
        "trainer": {"num_epochs": 1, "optimizer": "dense_sparse_adam", "cuda_device": -1},
    }


def test_the_published_config_runs_as_it_stands(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_builtin_parts()
    vocab = Vocabulary()
    for word in ["<S>", "</S>", *sorted(set(" ".join(SENTENCES).split()))]:
        vocab.add_token_to_namespace(word)
    vocab.save_to_files(str(tmp_path / "vocabulary"))
    (tmp_path / "shards").mkdir()
    for number in range(2):
        (tmp_path / "shards" / f"{number}.txt").write_text(text.read_text())
    monkeypatch.setenv("BIDIRECTIONAL_LM_TRAIN_PATH", str(tmp_path / "shards" / "*"))
    monkeypatch.setenv("BIDIRECTIONAL_LM_VOCAB_PATH", str(tmp_path / "vocabulary"))
    problems = [str(problem) for problem in check_file(PUBLISHED).problems]
    assert not [problem for problem in problems if not problem.startswith("distributed.")]  # no GPU here
    small = {
        "distributed": None,
        "model.num_samples": 5,
        "model.text_field_embedder.token_embedders.token_characters.encoder": {
            "type": "cnn-highway", "activation": "relu", "embedding_dim": 16, "filters": [[1, 4], [2, 4]],
            "num_highway": 1, "projection_dim": 8, "projection_location": "after_highway", "do_layer_norm": True,
        },
        "model.contextualizer.input_dim": 8,
        "model.contextualizer.hidden_dim": 8,
        "model.contextualizer.num_layers": 2,
        "data_loader.batch_sampler.batch_size": 8,
        "trainer.num_epochs": 1,
    }  # fmt: skip
    model = train_model_from_file(PUBLISHED, tmp_path / "out", overrides=json.dumps(small))
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert math.isfinite(metrics["training_loss"])
    assert "training_sampled_perplexity" in metrics and "training_perplexity" not in metrics
    assert model.num_layers() == 3


@pytest.mark.parametrize("sparse", [False, True])
def test_sampled_words_in_training_and_all_words_in_validation(
    sparse: bool, text: Path, tmp_path: Path
) -> None:
    model = train_model(Params(config(text, num_samples=3, sparse_embeddings=sparse)), tmp_path / "out")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["validation_perplexity"] == pytest.approx(math.exp(metrics["validation_loss"]), rel=1e-5)
    assert "training_sampled_perplexity" in metrics
    assert isinstance(model._softmax_loss, SampledSoftmaxLoss) and model._softmax_loss.sparse is sparse


def test_evaluation_does_not_depend_on_the_size_of_chunks(text: Path) -> None:
    losses = []
    for chunk_size in (1, 3, None):
        torch.manual_seed(0)
        section = config(
            text, type="causal_language_model", softmax={"type": "softmax", "chunk_size": chunk_size}
        )["model"]
        vocab = Vocabulary()
        vocab.add_tokens_to_namespace(sorted(set(" ".join(SENTENCES).split())))
        model = Model.from_params(Params(section), vocab=vocab).eval()
        losses.append(model({"tokens": torch.tensor([[2, 3, 4, 5, 6], [7, 8, 9, 0, 0]])})["loss"].item())
    assert losses[1:] == pytest.approx(losses[:1] * 2, rel=1e-5)


def test_a_regularizer_adds_its_penalty_in_training(text: Path, tmp_path: Path) -> None:
    regularizer = {"regexes": [["_softmax_loss.softmax_w", {"type": "l2", "alpha": 0.5}]]}
    model = train_model(Params(config(text, regularizer=regularizer)), tmp_path / "out")
    weight = model._softmax_loss.softmax_w
    torch.testing.assert_close(model.get_regularization_penalty(), 0.5 * weight.pow(2).sum())
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["training_reg_loss"] > 0


def test_an_archive_without_its_softmax_gives_embeddings(text: Path, tmp_path: Path) -> None:
    train_model(Params(config(text)), tmp_path / "out")
    model = load_archive(tmp_path / "out" / "model.tar.gz").model
    model.delete_softmax()
    assert not any("softmax" in name for name in model.state_dict())
    output = model({"tokens": torch.tensor([[2, 3, 4]])})
    assert "loss" not in output and output["lm_embeddings"].shape == (1, 3, 4)


def test_the_predictor_of_an_archive_is_its_own_and_reads_words(text: Path, tmp_path: Path) -> None:
    train_model(Params(config(text)), tmp_path / "out")
    predictor = Predictor.from_path(tmp_path / "out" / "model.tar.gz")
    result = predictor.predict_json({"sentence": "the dog sleeps"})
    assert result["tokens"] == ["the", "dog", "sleeps"] and result["num_targets"] == 2
    assert result["perplexity"] == pytest.approx(math.exp(result["loss"]))


def test_the_predictor_splits_plain_sentences_for_a_reader_of_treebanks(tmp_path: Path) -> None:
    row = "{n}\t{word}\t_\tX\t_\t_\t0\t_\t_\t_\n"
    rows = [
        "".join(row.format(n=n, word=word) for n, word in enumerate(s.split(), 1)) + "\n" for s in SENTENCES
    ]
    (tmp_path / "text.conllu").write_text("".join(rows))
    settings = config(tmp_path / "text.conllu")
    settings["dataset_reader"] = {
        "type": "conllu_language_modeling",
        "start_tokens": ["<S>"],
        "end_tokens": ["</S>"],
    }
    train_model(Params(settings), tmp_path / "out")
    predictor = Predictor.from_path(tmp_path / "out" / "model.tar.gz")
    result = predictor.predict_json({"sentence": "the dog sleeps."})
    assert result["tokens"] == ["<S>", "the", "dog", "sleeps", ".", "</S>"]
