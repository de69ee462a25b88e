"""What the constructors of a trainer's parts refuse is reported before the run, and nothing else of theirs."""

import logging
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpreg.commands.check.checking import check_config
from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.plugins import import_builtin_parts
from nlpreg.data import DatasetReader
from nlpreg.training.optimizers import Optimizer

WITH_SPACY = ("huggingface_datasets", "simple_language_modeling", "text_classification_json")


def problems(**trainer: Any) -> dict[str, str]:
    import_builtin_parts()
    config = {
        "dataset_reader": {"type": "sequence_tagging"},
        "train_data_path": {"not": "looked at"},
        "model": "hmm_tagger",
        "data_loader": {"batch_size": 1},
        "trainer": trainer,
    }
    return {problem.path: problem.message for problem in check_config(config).problems}


@pytest.mark.parametrize(
    ("trainer", "path", "message"),
    [
        ({"optimizer": {"type": "adam", "lr": -1}}, "optimizer", "Invalid learning rate: -1"),
        (
            {"optimizer": {"type": "sgd", "lr": 1, "nesterov": True}},
            "optimizer",
            "Nesterov momentum requires",
        ),
        (
            {"optimizer": {"type": "adam", "parameter_groups": [[["*bias"], {}]]}},
            "optimizer.parameter_groups",
            "'*bias' is not a valid regular expression",
        ),
        (
            {"learning_rate_scheduler": {"type": "linear_with_warmup", "warmup_steps": -1}},
            "learning_rate_scheduler.warmup_steps",
            "expected 0 or more, got -1",
        ),
        (
            {
                "optimizer": {"type": "adagrad", "lr": 0.1},
                "momentum_scheduler": {"type": "inverted_triangular", "cool_down": 1, "warm_up": 1},
            },
            "momentum_scheduler",
            "use an optimizer that has it",
        ),
        (
            {"checkpointer": {"keep_most_recent_by_count": -1}},
            "checkpointer.keep_most_recent_by_count",
            "expected 0 or more",
        ),
        (
            {
                "callbacks": [
                    "track_epoch_callback",
                    {"type": "should_validate_callback", "validation_interval": 0},
                ]
            },
            "callbacks.1.validation_interval",
            "expected 1 or more, got 0",
        ),
        ({"patience": 0}, "patience", "expected an integer above 0 or null, got 0"),
        ({"validation_metric": "accuracy"}, "validation_metric", "expected a leading +"),
        ({"validation_metric": []}, "validation_metric", "expected at least one metric, got none"),
        ({"no_grad": ["(x"]}, "no_grad", "'(x' is not a valid regular expression"),
    ],
)
def test_what_a_part_refuses(trainer: dict[str, Any], path: str, message: str) -> None:
    found = problems(**trainer)
    assert list(found) == [f"trainer.{path}"]
    assert message in found[f"trainer.{path}"]


def test_parts_that_go_together() -> None:
    groups = [[["embedder"], {"lr": 0.1}], [["encoder"], {"lr": 0.2}]]
    assert (
        problems(
            optimizer={"type": "sgd", "lr": 0.1, "momentum": 0.9, "parameter_groups": groups},
            learning_rate_scheduler={"type": "slanted_triangular", "gradual_unfreezing": True},
            momentum_scheduler={"type": "inverted_triangular", "cool_down": 1, "warm_up": 1},
            moving_average={"type": "exponential"},
            callbacks=["track_epoch_callback"],
        )
        == {}
    )
    assert problems(learning_rate_scheduler={"type": "noam", "model_size": 8, "warmup_steps": 4}) == {}


def test_a_part_with_another_problem_is_left_alone() -> None:
    assert list(problems(optimizer={"type": "sgd", "lr": -1, "momentun": 2})) == [
        "trainer.optimizer.momentun"
    ]


def test_a_part_whose_name_begins_that_of_an_unknown_key() -> None:
    found = problems(optimizer={"type": "adam", "lr": -1}, optimizers={})
    assert sorted(found) == ["trainer.optimizer", "trainer.optimizers"]


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    message = problems(callbacks=["tensorboard"])["trainer.callbacks.0"]
    assert message.endswith("pip install 'nlpreg[tensorboard]'")


def test_classes_of_others_are_not_built() -> None:
    @Optimizer.register("test_trial_foreign")
    class Foreign(Optimizer, torch.optim.SGD):
        def __init__(self, model_parameters: Any, lr: float) -> None:
            raise ValueError("built")

    Foreign.__module__ = "somebody.else"
    schedule = {"type": "linear_with_warmup", "warmup_steps": 3}
    assert problems(optimizer={"type": "test_trial_foreign", "lr": 1}, learning_rate_scheduler=schedule) == {}


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    problems(callbacks=["console_logger"], checkpointer={}, optimizer={"type": "adam", "lr": -1})
    assert list(tmp_path.iterdir()) == []
    assert logging.root.manager.disable == logging.NOTSET


def test_a_model_that_is_never_trained() -> None:
    import_builtin_parts()
    config = {
        "dataset_reader": {"type": "sequence_tagging"},
        "train_data_path": {"not": "looked at"},
        "model": {"type": "tagger_ensemble", "members": ["hmm_tagger"]},
        "data_loader": {"batch_size": 1},
        "trainer": {"num_epochs": 1},
    }
    (problem,) = check_config(config).problems
    assert (
        problem.path == "model"
        and "train its members, then pack them with `nlpreg ensemble`" in problem.message
    )


@pytest.mark.parametrize("name", sorted(DatasetReader.list_available()))
def test_readers_whose_default_tokenizer_needs_spacy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import_builtin_parts()
    monkeypatch.setitem(sys.modules, "spacy", None)
    monkeypatch.setattr("nlpreg.common.runtime.environment.LOADED_SPACY_MODELS", {})
    given = {"huggingface_datasets": {"dataset": "text"}}.get(name, {})

    def found(**arguments: Any) -> dict[str, str]:
        config = {
            "dataset_reader": {"type": name, **given, **arguments},
            "train_data_path": {"not": "looked at"},
            "model": "hmm_tagger",
            "data_loader": {"batch_size": 1},
            "trainer": {"num_epochs": 1},
        }
        problems = check_config(config).problems
        return {problem.path: problem.message for problem in problems if "spacy" in problem.message}

    try:
        DatasetReader.from_params(Params({"type": name, **given}))
    except ConfigurationError as error:
        needs_spacy = "spacy" in str(error)
    else:
        needs_spacy = False
    assert list(found()) == (["dataset_reader.tokenizer"] if needs_spacy else [])
    assert needs_spacy == (name in WITH_SPACY)
    if needs_spacy:
        assert "pip install 'nlpreg[spacy]'" in found()["dataset_reader.tokenizer"]
        assert not found(tokenizer="whitespace")
        assert list(found(tokenizer="spacy")) == ["dataset_reader.tokenizer"]


def test_segmented_sentences_need_spacy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    reader = {"type": "text_classification_json", "tokenizer": "whitespace", "segment_sentences": True}
    with pytest.raises(ConfigurationError, match=r"segment_sentences: .*nlpreg\[spacy\].* leave this out"):
        DatasetReader.from_params(Params(reader))


def test_texts_of_a_data_set_need_spacy_but_its_words_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    only_words = {"type": "huggingface_datasets", "dataset": "text", "words": {"tokens": "words"}}
    DatasetReader.from_params(Params({**only_words}))
    with pytest.raises(ConfigurationError, match=r"tokenizer: .*nlpreg\[spacy\]"):
        DatasetReader.from_params(Params({**only_words, "texts": {"title": "title"}}))
