import copy
import logging
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.hints import signature_of
from nlpreg.common.params import Params
from nlpreg.data import Instance, Vocabulary
from nlpreg.data.fields import LabelField, TensorField
from nlpreg.models import Model
from nlpreg.models.model import (
    _warn_about_output,
    remove_pretrained_embedding_params,
    remove_weights_related_keys_from_params,
)
from nlpreg.models.weights import ArchiveError
from nlpreg.nn.regularizers import RegularizerApplicator


class Classifier(Model):
    """Two numbers in, a label out; its outputs can be set by a test."""

    def __init__(self, vocab: Vocabulary, width: int = 2, **kwargs: Any) -> None:
        super().__init__(vocab, **kwargs)
        self.linear = torch.nn.Linear(width, vocab.get_vocab_size("labels"))
        self.more: dict[str, Any] = {}

    def forward(self, numbers: torch.Tensor, label: torch.Tensor | None = None) -> dict[str, Any]:
        logits = self.linear(numbers)
        outputs = {"logits": logits, **self.more}
        if label is not None:
            outputs["loss"] = torch.nn.functional.cross_entropy(logits, label)
        return outputs

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        best = output_dict["logits"].argmax(-1).tolist()
        output_dict["label"] = [self.vocab.get_token_from_index(i, "labels") for i in best]
        return output_dict


@pytest.fixture
def vocab() -> Vocabulary:
    vocab = Vocabulary()
    for label in ("yes", "no", "perhaps"):
        vocab.add_token_to_namespace(label, "labels")
    return vocab


@pytest.fixture
def model(vocab: Vocabulary) -> Classifier:
    torch.manual_seed(3)
    _warn_about_output.cache_clear()
    return Classifier(vocab)


def instances(count: int) -> list[Instance]:
    rows = torch.arange(2 * count, dtype=torch.float).reshape(count, 2)
    return [Instance({"numbers": TensorField(row), "label": LabelField("no")}) for row in rows]


def test_outputs_are_split_by_instance(model: Classifier) -> None:
    results = model.forward_on_instances(instances(3))
    expected = torch.arange(6.0).reshape(3, 2) @ model.linear.weight.T + model.linear.bias
    assert len(results) == 3
    for row, result in zip(expected.detach(), results, strict=True):
        assert isinstance(result["logits"], numpy.ndarray)
        assert numpy.allclose(result["logits"], row.numpy())
        assert result["label"] == ["yes", "no", "perhaps"][int(row.argmax())]
        assert "loss" not in result


def test_the_loss_of_a_batch_of_one_survives(model: Classifier) -> None:
    result = model.forward_on_instance(instances(1)[0])
    assert result["loss"].shape == ()
    assert result["loss"] > 0


def test_outputs_of_any_kind(model: Classifier, caplog: pytest.LogCaptureFixture) -> None:
    model.more = {
        "nothing": None,
        "bf16": torch.ones(3, 1, dtype=torch.bfloat16),
        "list": [[1], [], "x"],
        "array": numpy.zeros((3, 2)),
        "too long": torch.zeros(4),
        "text": "abc",
        "scalar": 3.0,
        "dict": {"a": 1, "b": 2, "c": 3},
    }
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            result = model.forward_on_instances(instances(3))[2]
    assert set(result) == {"logits", "label", "bf16", "list", "array"}
    assert result["bf16"].tolist() == [1.0]
    assert result["list"] == "x"
    warned = [record.args[0] for record in caplog.records if record.args]
    assert sorted(warned) == ["dict", "loss", "scalar", "text", "too long"]  # each once


def test_no_gradients_and_no_change_of_mode(model: Classifier) -> None:
    seen = []
    model.linear.register_forward_hook(lambda *_: seen.append((torch.is_grad_enabled(), model.training)))
    model.train()
    model.forward_on_instances(instances(1))
    model.eval()
    model.forward_on_instances(instances(1))
    assert seen == [(False, True), (False, False)]


def test_no_instances(model: Classifier) -> None:
    assert model.forward_on_instances([]) == []


def test_a_model_without_forward(vocab: Vocabulary) -> None:
    with pytest.raises(NotImplementedError, match="Model has no forward"):
        Model(vocab)(x=1)


class Fixed(RegularizerApplicator):
    def __init__(self, value: Any) -> None:
        super().__init__([])
        self.value = value

    def __call__(self, module: torch.nn.Module) -> Any:
        return self.value


def test_regularization_penalty(vocab: Vocabulary) -> None:
    assert Classifier(vocab).get_regularization_penalty() is None
    penalty = Classifier(vocab, regularizer=Fixed(0.0)).get_regularization_penalty()
    assert isinstance(penalty, torch.Tensor) and penalty.shape == () and penalty == 0
    tensor = torch.tensor(2.0)
    assert Classifier(vocab, regularizer=Fixed(tensor)).get_regularization_penalty() is tensor
    with pytest.raises(RuntimeError, match="expected a tensor, got the number 2.0"):
        Classifier(vocab, regularizer=Fixed(2.0)).get_regularization_penalty()


def test_defaults(model: Classifier) -> None:
    assert model.get_metrics() == {}
    assert model.get_parameters_for_histogram_logging() == ["linear.weight", "linear.bias"]
    assert model.get_parameters_for_histogram_tensorboard_logging() == ["linear.weight", "linear.bias"]
    assert model.default_predictor is None
    assert model._get_prediction_device() == -1
    assert Model(model.vocab)._get_prediction_device() == -1


def test_parameters_on_several_devices(model: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nlpreg.nn.util.get_device_of", lambda tensor: tensor.dim())
    with pytest.raises(ConfigurationError, match="on several devices"):
        model._get_prediction_device()


class Growing(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def extend_vocab(self, vocab: Vocabulary, **options: Any) -> None:
        self.calls.append((vocab, options))


def test_embeddings_of_a_model_with_its_own_vocabulary_are_left_alone(model: Classifier) -> None:
    own, shared = Classifier(copy.deepcopy(model.vocab)), Classifier(model.vocab)
    for inner in (own, shared):
        inner.words = torch.nn.Sequential(Growing())
    model.features = torch.nn.ModuleList([own, shared])
    model.extend_embedder_vocab()
    assert own.words[0].calls == []
    assert len(shared.words[0].calls) == 1


def test_embeddings_are_extended_with_their_sources(model: Classifier) -> None:
    model.outer = torch.nn.Sequential(Growing())
    model.extend_embedder_vocab({"outer.0": "vectors.txt"})
    model.extend_embedder_vocab()
    files = ["vectors.txt", None]
    assert model.outer[0].calls == [
        (model.vocab, {"extension_pretrained_file": file, "model_path": "outer.0"}) for file in files
    ]


def saved(model: Classifier, folder: Path, weights: str = "best.th") -> None:
    model.vocab.save_to_files(folder / "vocabulary")
    torch.save(model.state_dict(), folder / weights)


@pytest.mark.parametrize("section", [{"type": "test_classifier"}, "test_classifier"])
def test_load(section: Any, model: Classifier, tmp_path: Path) -> None:
    Model.register("test_classifier")(Classifier)
    saved(model, tmp_path)
    loaded = Model.load(Params({"model": section}), tmp_path)
    assert isinstance(loaded, Classifier)
    assert torch.equal(loaded.linear.weight, model.linear.weight)
    assert loaded.serialization_dir == str(tmp_path)


def test_load_takes_other_weights_and_special_tokens(vocab: Vocabulary, tmp_path: Path) -> None:
    Model.register("test_classifier")(Classifier)
    special = Vocabulary(padding_token="[PAD]", oov_token="[UNK]")
    for label in ("a", "b"):
        special.add_token_to_namespace(label, "labels")
    special.add_token_to_namespace("word", "tokens")
    model = Classifier(special)
    saved(model, tmp_path, "other.th")
    config = {
        "model": {"type": "test_classifier"},
        "vocabulary": {
            "type": "from_instances",
            "padding_token": "[PAD]",
            "oov_token": "[UNK]",
            "min_count": {"tokens": 3},
        },
    }
    loaded = Model.load(Params(config), tmp_path, tmp_path / "other.th")
    assert torch.equal(loaded.linear.bias, model.linear.bias)
    assert loaded.vocab.get_token_index("[UNK]", "tokens") == 1


def test_weights_that_do_not_fit(model: Classifier, tmp_path: Path) -> None:
    Model.register("test_classifier")(Classifier)
    saved(model, tmp_path)
    with pytest.raises(
        ArchiveError, match=r"linear\.weight is \(3, 2\) in the file and \(3, 5\) in the model"
    ):
        Model.load(Params({"model": {"type": "test_classifier", "width": 5}}), tmp_path)
    with pytest.raises(RuntimeError, match="do not fit|another shape"):
        Model.load(Params({"model": {"type": "test_classifier", "width": 5}}), tmp_path)


def test_what_only_training_needs_is_not_read(model: Classifier, tmp_path: Path) -> None:
    class Greedy(Classifier):
        def __init__(self, vocab: Vocabulary, parts: dict[str, Any] | None = None, **kwargs: Any) -> None:
            super().__init__(vocab, **kwargs)
            assert parts == {"inner": {"dim": 3}}

    Model.register("test_greedy")(Greedy)
    saved(model, tmp_path)
    section = {
        "type": "test_greedy",
        "initializer": {"regexes": [["x", "y"]]},
        "parts": {"pretrained_file": "/nowhere", "inner": {"dim": 3, "pretrained_file": "/nowhere"}},
    }
    Model.load(Params({"model": section}), tmp_path)


def test_a_class_that_loads_itself(tmp_path: Path) -> None:
    calls = []

    class Odd(Classifier):
        @classmethod
        def _load(cls, *arguments: Any) -> Model:
            calls.append(arguments)
            return "loaded"

    Model.register("test_odd")(Odd)
    config = Params({"model": {"type": "test_odd"}})
    assert Model.load(config, tmp_path, "w.th", 3) == "loaded"
    assert calls == [(config, tmp_path, "w.th", 3)]


@pytest.mark.parametrize("section", [{}, {"type": 3}])
def test_a_config_without_type(section: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"model\.type: expected the registered name"):
        Model.load(Params({"model": section}), tmp_path)


def test_removing_keys() -> None:
    config = {"initializer": 1, "keep": 2, "inner": {"pretrained_file": 3, "initializer": 4, "x": 5}}
    params = Params(config)
    remove_pretrained_embedding_params(params)
    assert params.as_dict(quiet=True) == {"initializer": 1, "keep": 2, "inner": {"initializer": 4, "x": 5}}
    remove_weights_related_keys_from_params(params)
    assert params.as_dict(quiet=True) == {"keep": 2, "inner": {"x": 5}}


@pytest.mark.parametrize("name", sorted(Model.list_available()))
def test_every_model_takes_the_arguments_of_the_base_class(name):
    registered, constructor = Model.resolve_class_name(name)
    if constructor is None:
        assert {"vocab", "regularizer", "serialization_dir", "ddp_accelerator"} <= set(
            signature_of(registered).parameters
        )
