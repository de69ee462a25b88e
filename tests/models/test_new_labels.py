"""Fine-tuning on data with labels that the archived model does not know."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from every_model import CASES, RUNNING, make_predictor

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Batch, DatasetReader, Instance, Vocabulary
from nlpreg.models import Model, archive_model, load_archive
from nlpreg.models.crf_tagger import CrfTagger

EMBEDDER = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
LSTM = {"type": "lstm", "input_size": 4, "hidden_size": 3}
TAGGING = ["a###X b###Y", "b###Y a###X c###Z"]
TEXTS = ['{"text": "a b", "label": "X"}', '{"text": "b c", "label": "Y"}']
MORE_TAGGING = ["q###X r###NEW", "a###X"]
MORE_TEXTS = ['{"text": "q r", "label": "NEW"}', '{"text": "a", "label": "X"}']
MODELS: dict[str, dict[str, Any]] = {
    "simple_tagger": {"text_field_embedder": EMBEDDER, "encoder": LSTM},
    "crf_tagger": {"text_field_embedder": EMBEDDER, "encoder": LSTM},
    "hmm_tagger": {},
    "basic_classifier": {
        "text_field_embedder": EMBEDDER,
        "seq2vec_encoder": {"type": "boe", "embedding_dim": 4},
    },
}


def read(name: str, lines: list[str], folder: Path) -> list[Instance]:
    (folder / "data.txt").write_text("\n".join(lines) + "\n")
    return list(reader(name).read(str(folder / "data.txt")))


def reader(name: str) -> DatasetReader:
    return DatasetReader.from_params(Params(dict(reader_config(name))))


def reader_config(name: str) -> dict[str, Any]:
    if name == "basic_classifier":
        return {"type": "text_classification_json", "tokenizer": "whitespace"}
    return {"type": "sequence_tagging"}


@pytest.fixture
def parent(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[str, Path, Model]:
    """A model's name, its archive, and the model."""
    name = request.param
    instances = read(name, TEXTS if name == "basic_classifier" else TAGGING, tmp_path)
    vocab = Vocabulary.from_instances(instances)
    torch.manual_seed(0)
    model = Model.from_params(Params({"type": name, **MODELS[name]}), vocab=vocab)
    if name == "hmm_tagger":
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter)
    run = tmp_path / "run"
    run.mkdir()
    config = {"dataset_reader": reader_config(name), "model": {"type": name, **MODELS[name]}}
    (run / "config.json").write_text(json.dumps(config))
    torch.save(model.state_dict(), run / "best.th")
    vocab.save_to_files(str(run / "vocabulary"))
    return name, Path(archive_model(run)), model


def batch_of(instances: list[Instance], model: Model) -> dict[str, Any]:
    batch = Batch(instances)
    batch.index_instances(model.vocab)
    return batch.as_tensor_dict()


@pytest.mark.parametrize("parent", MODELS, indirect=True)
def test_a_new_label_is_an_error_unless_the_output_layer_is_to_be_extended(
    parent: tuple[str, Path, Model], tmp_path: Path
) -> None:
    name, archive, old = parent
    new = read(name, MORE_TEXTS if name == "basic_classifier" else MORE_TAGGING, tmp_path)
    vocab = Vocabulary.from_instances(new)
    number = old.vocab.get_vocab_size("labels")
    with pytest.raises(
        ConfigurationError,
        match=rf"made for {number} entries of the namespace 'labels'.*has {number + 1}: new are 'NEW'",
    ):
        Model.from_archive(str(archive), vocab)
    model = Model.from_archive(str(archive), vocab, extend_labels=True)
    assert type(model) is type(old)
    outputs = model(**batch_of(new, model))
    outputs["loss"].backward()
    assert torch.isfinite(outputs["loss"])
    # What it knew before is as it was: the old labels' scores of an old text.
    known = read(name, TEXTS if name == "basic_classifier" else TAGGING, tmp_path)
    before = old.eval()(**batch_of(known, old))
    after = model.eval()(**batch_of(known, model))
    if name == "hmm_tagger":
        torch.testing.assert_close(model.transition_scores[:number, -1], old.transition_scores[:, -1])
    else:
        torch.testing.assert_close(after["logits"][..., :number], before["logits"])
    if isinstance(model, CrfTagger) and isinstance(old, CrfTagger):
        torch.testing.assert_close(model.crf.transitions[:number, :number], old.crf.transitions)
        assert model.crf.transitions.shape == (number + 1, number + 1)


LANGUAGE_MODELS = {name for name in CASES if CASES[name][1] is RUNNING}


@pytest.mark.parametrize("name", sorted(CASES.keys() - LANGUAGE_MODELS))
def test_every_model_refuses_labels_that_it_was_not_made_for(name: str) -> None:
    model = make_predictor(name)._model
    for namespace in ("labels", "tokens"):  # the labels of a masked language model are words
        model.vocab.add_token_to_namespace("NEW", namespace)
    with pytest.raises(
        ConfigurationError, match=r"was made for \d+ entries of the namespace .* new are 'NEW'"
    ):
        model.extend_embedder_vocab()


@pytest.mark.parametrize("name", sorted(LANGUAGE_MODELS))
def test_every_language_model_predicts_words_that_were_added(name: str) -> None:
    predictor = make_predictor(name)
    model = predictor._model
    model.vocab.add_token_to_namespace("NEW", "tokens")
    model.extend_embedder_vocab()
    instance = predictor._dataset_reader.text_to_instance("the NEW dog")
    predictor._dataset_reader.apply_token_indexers(instance)
    outputs = model(**batch_of([instance], model))
    assert torch.isfinite(outputs["loss"])


@pytest.mark.parametrize("parent", ["simple_tagger"], indirect=True)
def test_without_new_labels_nothing_is_said(parent: tuple[str, Path, Model], tmp_path: Path) -> None:
    _, archive, old = parent
    vocab = Vocabulary.from_instances(read("simple_tagger", ["q###X r###Y"], tmp_path))
    model = Model.from_archive(str(archive), vocab)
    assert model.vocab.get_vocab_size("tokens") == old.vocab.get_vocab_size("tokens") + 2


@pytest.mark.parametrize("parent", ["simple_tagger", "crf_tagger"], indirect=True)
def test_the_archive_of_a_fine_tuned_model_stands_alone(
    parent: tuple[str, Path, Model], tmp_path: Path
) -> None:
    name, archive, _ = parent
    vocab = Vocabulary.from_instances(read(name, MORE_TAGGING, tmp_path))
    model = Model.from_archive(str(archive), vocab, extend_labels=True)
    run = tmp_path / "second"
    run.mkdir()
    config = {
        "dataset_reader": reader_config(name),
        "model": {"type": "from_archive", "archive_file": str(archive), "extend_labels": True},
    }
    (run / "config.json").write_text(json.dumps(config))
    torch.save(model.state_dict(), run / "best.th")
    model.vocab.save_to_files(str(run / "vocabulary"))
    second = archive_model(run)
    archive.unlink()
    loaded = load_archive(second)
    assert loaded.config["model"]["type"] == name
    for key, weights in model.state_dict().items():
        torch.testing.assert_close(loaded.model.state_dict()[key], weights)
