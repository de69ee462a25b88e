import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nlpreg.common.testing import (
    ModelTestCase,
    assert_equal_parameters,
    assert_metrics_values,
    global_distributed_metric,
)
from nlpreg.data import TextFieldTensors, Vocabulary
from nlpreg.data.data_loaders import SimpleDataLoader
from nlpreg.data.fields import TextField
from nlpreg.models import Model, SimpleTagger
from nlpreg.nn.util import get_text_field_mask
from nlpreg.training import GradientDescentTrainer
from nlpreg.training.metrics import Average, BooleanAccuracy


def test_metrics_that_agree_pass() -> None:
    metrics = {"loss": 1.0 + 1e-6, "per_class": {"a": [0.5, 1.0]}, "other": 3}
    assert_metrics_values(metrics, {"loss": 1.0, "per_class": {"a": [0.5, 1.0]}})


@pytest.mark.parametrize(
    ("desired", "match"), [({"loss": 1.1}, "loss"), ({"per_class": {"a": [0.5, 0.9]}}, r"per_class\.a")]
)
def test_a_metric_that_differs_is_named(desired: dict[str, object], match: str) -> None:
    with pytest.raises(AssertionError, match=match):
        assert_metrics_values({"loss": 1.0, "per_class": {"a": [0.5, 1.0]}}, desired)


def test_tolerances_of_metrics() -> None:
    assert_metrics_values({"loss": 1.1}, {"loss": 1.0}, rtol=0.2)
    with pytest.raises(AssertionError, match="loss"):
        assert_metrics_values({"loss": 1.00001}, {"loss": 1.0}, rtol=0.0, atol=0.0)


def test_a_metric_gets_the_share_of_its_rank_as_often_as_asked() -> None:
    shares = {"value": [1.0, 4.0]}
    global_distributed_metric(1, 2, -1, Average(), shares, 4.0, number_of_runs=3)
    with pytest.raises(AssertionError, match="metric"):
        global_distributed_metric(0, 2, -1, Average(), shares, 4.0)


@pytest.mark.parametrize(("exact", "passes"), [(True, False), (False, True), ((0.0, 0.01), True)])
def test_how_exact_a_metric_has_to_be(exact: bool | tuple[float, float], passes: bool) -> None:
    def compare() -> None:
        global_distributed_metric(0, 1, -1, Average(), {"value": [1.00001]}, 1.0, exact=exact)

    if passes:
        compare()
    else:
        with pytest.raises(AssertionError, match="metric"):
            compare()


def test_tensors_reach_the_metric() -> None:
    predictions = [torch.tensor([[1, 0], [1, 1]]), torch.tensor([[0, 0]])]
    labels = [torch.tensor([[1, 0], [0, 1]]), torch.tensor([[0, 0]])]
    shares = {"predictions": predictions, "gold_labels": labels}
    global_distributed_metric(0, 2, -1, BooleanAccuracy(), shares, 0.5)


def test_equal_parameters() -> None:
    old = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(1, 1)})
    new = nn.ModuleDict({"c": nn.Linear(2, 2)})
    new["c"].load_state_dict(old["a"].state_dict())
    assert assert_equal_parameters(old, new, mapping={"c.": "a."}) == {"b.weight", "b.bias"}
    assert assert_equal_parameters(old, new, ignore_missing=True) == set(dict(old.named_parameters()))
    with pytest.raises(KeyError):
        assert_equal_parameters(old, new)
    new["c"].weight.data += 1
    with pytest.raises(AssertionError, match=r"a\.weight"):
        assert_equal_parameters(old, new, mapping={"c.": "a."})


SENTENCES = "the###DET dog###NOUN ate###VERB\ncafés###NOUN\na###DET cat###NOUN slept###VERB well###ADV\n"


@pytest.fixture
def case() -> Iterator[ModelTestCase]:
    one = ModelTestCase()
    one.setup_method()
    yield one
    one.teardown_method()


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    data = str(tmp_path / "data.txt")
    Path(data).write_text(SENTENCES, encoding="utf-8")
    return {
        "dataset_reader": {"type": "sequence_tagging"},
        "train_data_path": data,
        "validation_data_path": data,
        "model": {
            "type": "simple_tagger",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
            "encoder": {"type": "lstm", "input_size": 4, "hidden_size": 3, "num_layers": 2, "dropout": 0.5},
        },
        "data_loader": {"batch_size": 2, "shuffle": True},
        "trainer": {"num_epochs": 2, "optimizer": {"type": "adam", "lr": 0.01}, "cuda_device": -1},
    }


def written(config: dict[str, Any]) -> Path:
    path = Path(config["train_data_path"]).with_name("config.json")
    path.write_text(json.dumps(config))
    return path


def test_set_up_makes_the_model_and_a_batch(case: ModelTestCase, config: dict[str, Any]) -> None:
    case.set_up_model(written(config), config["train_data_path"])
    assert isinstance(case.model, SimpleTagger)
    assert len(case.instances) == len(case.dataset.instances) == 3
    assert case.vocab.get_vocab_size("labels") == 4
    assert case.dataset.as_tensor_dict()["tags"].shape == (3, 4)
    text = case.instances[1]["tokens"]
    assert isinstance(text, TextField)
    assert text.tokens[0].text == "cafés"


def test_set_up_uses_the_section_vocabulary_and_the_seed(case: ModelTestCase, config: dict[str, Any]) -> None:
    config["vocabulary"] = {"tokens_to_add": {"tokens": ["apple"]}}
    weights = []
    for seed in (7, 7, 8):
        case.set_up_model(written(config), config["train_data_path"], seed=seed)
        weights.append(next(case.model.parameters()))
    assert case.vocab.get_token_index("apple") != case.vocab.get_token_index("never seen")
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_sound_model_passes_every_check(case: ModelTestCase, config: dict[str, Any]) -> None:
    path = written(config)
    model, loaded = case.ensure_model_can_train_save_and_load(path, seed=3)
    assert isinstance(loaded, SimpleTagger)
    assert model is not loaded
    assert (case.TEST_DIR / "save_and_load_test" / "model.tar.gz").is_file()
    case.set_up_model(path, config["train_data_path"])
    case.ensure_batch_predictions_are_consistent()
    case.test_model_batch_norm_verification()


def test_overrides_and_metrics(case: ModelTestCase, config: dict[str, Any]) -> None:
    overrides = json.dumps({"trainer.num_epochs": 1, "trainer.optimizer.lr": 0.0})
    path = written(config)
    with pytest.raises(AssertionError, match="accuracy is"):
        case.ensure_model_can_train_save_and_load(
            path, overrides=overrides, metric_to_check="accuracy", metric_terminal_value=-1.0
        )
    metrics = json.loads((case.TEST_DIR / "save_and_load_test" / "metrics.json").read_text())
    assert metrics["best_epoch"] == metrics["epoch"] == 0
    case.ensure_model_can_train_save_and_load(
        path,
        overrides=overrides,
        seed=13370,
        metric_to_check="accuracy",
        metric_terminal_value=0.5,
        metric_tolerance=0.51,
    )
    with pytest.raises(AssertionError, match="no bleu"):
        case.ensure_model_can_train_save_and_load(path, overrides=overrides, metric_to_check="bleu")


def test_a_trainer_alone(case: ModelTestCase, config: dict[str, Any]) -> None:
    case.set_up_model(written(config), config["train_data_path"])
    data = SimpleDataLoader(case.instances, 2, vocab=case.vocab)
    optimizer = torch.optim.SGD(case.model.parameters(), lr=0.1)
    trainer = GradientDescentTrainer(case.model, optimizer, data, num_epochs=1, cuda_device=-1)
    case.ensure_model_can_train(trainer)


class Flawed(Model):
    """A tagger of one linear layer with flaws to choose from."""

    def __init__(self, vocab: Vocabulary, flaw: str) -> None:
        super().__init__(vocab)
        self.flaw = flaw
        self.embedding = nn.Embedding(vocab.get_vocab_size("tokens"), 3)
        self.unused = nn.Linear(1, 1)
        self.zeroed = nn.Parameter(torch.ones(1))
        self.dropout = nn.Dropout(1.0)
        if flaw != "unused":
            self.unused.requires_grad_(False)

    def forward(self, tokens: TextFieldTensors, **fields: Any) -> dict[str, Any]:
        mask = get_text_field_mask(tokens)
        vectors = self.embedding(tokens["tokens"]["tokens"]) * mask.unsqueeze(-1)
        if self.flaw == "neighbours":
            vectors = vectors - vectors.mean(dim=0, keepdim=True)
        factor = self.zeroed * 0 if self.flaw == "zeros" else self.zeroed
        loss = (self.dropout(vectors).sum() if self.flaw == "dropout" else vectors.sum()) * (1 + factor).sum()
        return {"vectors": vectors, "loss": loss, "nothing": None, "other_loss": loss * 2}


def set_up_flawed(case: ModelTestCase, config: dict[str, Any], flaw: str) -> dict[str, Any]:
    case.set_up_model(written(config), config["train_data_path"])
    case.model = Flawed(case.vocab, flaw)
    return dict(case.dataset.as_tensor_dict())


def test_gradients_that_lack_are_found(case: ModelTestCase, config: dict[str, Any]) -> None:
    check = case.check_model_computes_gradients_correctly
    batch = set_up_flawed(case, config, "unused")
    with pytest.raises(Exception, match=r"unused\.weight.*no gradient"):
        check(case.model, batch)
    check(case.model, batch, params_to_ignore={"unused.weight", "unused.bias"})
    batch = set_up_flawed(case, config, "zeros")
    with pytest.raises(Exception, match="zeroed.*zeros only"):
        check(case.model, batch)
    check(case.model, batch, {"zeroed"}, which_loss="other_loss")


def test_dropout_is_off_while_gradients_are_checked_and_back_after(
    case: ModelTestCase, config: dict[str, Any]
) -> None:
    batch = set_up_flawed(case, config, "dropout")
    assert isinstance(case.model, Flawed)
    case.check_model_computes_gradients_correctly(case.model, batch)
    assert case.model.dropout.p == 1.0
    with pytest.raises(Exception, match="incorrect gradients"):
        case.check_model_computes_gradients_correctly(case.model, batch, disable_dropout=False)


def test_neighbours_that_change_a_prediction_are_found(case: ModelTestCase, config: dict[str, Any]) -> None:
    set_up_flawed(case, config, "none")
    case.ensure_batch_predictions_are_consistent()
    set_up_flawed(case, config, "neighbours")
    with pytest.raises(AssertionError, match="vectors, instance 0"):
        case.ensure_batch_predictions_are_consistent()
    case.ensure_batch_predictions_are_consistent(keys_to_ignore=["vectors"])


def test_a_bias_before_a_normalisation_is_found(case: ModelTestCase, config: dict[str, Any]) -> None:
    class Normalized(Flawed):
        def __init__(self, vocab: Vocabulary) -> None:
            super().__init__(vocab, "none")
            self.linear, self.norm = nn.Linear(3, 3), nn.BatchNorm1d(3)

        def forward(self, tokens: TextFieldTensors, **fields: Any) -> dict[str, Any]:
            return {"out": self.norm(self.linear(self.embedding(tokens["tokens"]["tokens"])).flatten(0, 1))}

    case.test_model_batch_norm_verification()  # without a model there is nothing to look at
    set_up_flawed(case, config, "none")
    case.model = Normalized(case.vocab)
    with pytest.raises(AssertionError, match="linear.*norm"):
        case.test_model_batch_norm_verification()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.ones(2), torch.ones(2) + 1e-8),
        ({"a": [1, (2.0, "b")]}, {"a": [1, (2.0 + 1e-9, "b")]}),
        ([], []),
        ("é", "é"),
        (None, None),
        (True, True),
    ],
)
def test_fields_that_are_equal(case: ModelTestCase, one: Any, other: Any) -> None:
    case.assert_fields_equal(one, other, "field")


@pytest.mark.parametrize(
    ("one", "other", "match"),
    [
        (torch.ones(2), torch.zeros(2), "field"),
        ({"a": [1, 2]}, {"a": [1, 3]}, r"field\.a\[1\]"),
        ({"a": 1}, {"b": 1}, "field"),
        ([1], [1, 2], "field"),
        ("a", "b", "'a' and 'b'"),
        (True, False, "True and False"),
    ],
)
def test_fields_that_differ_are_named(case: ModelTestCase, one: Any, other: Any, match: str) -> None:
    with pytest.raises(AssertionError, match=match):
        case.assert_fields_equal(one, other, "field")
