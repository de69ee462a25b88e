from typing import Any, Optional

import pytest

from nlpreg.common import Params, Registrable
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.old_names import advice_on_key, advice_on_name, exists, old_keys_in, renewed
from nlpreg.common.config.untrusted import Origin, guarded


@pytest.fixture
def trainer() -> Any:
    class Trainer(Registrable):
        pass

    @Trainer.register("gradient_descent")
    class GradientDescent(Trainer):
        def __init__(self, num_epochs: int = 1) -> None:
            pass

    return Trainer


def test_old_keys_are_named_with_what_replaces_them(trainer: Any) -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"opt_level: a key of earlier versions of AllenNLP: use \"use_amp\": true \(nlpreg migrate rewrites it\)",
    ):
        trainer.from_params(Params({"type": "gradient_descent", "opt_level": "O1"}))


def test_old_names_are_named_with_what_replaces_them(trainer: Any) -> None:
    with pytest.raises(
        ConfigurationError, match='"callback" is a name of earlier versions.*use "gradient_descent"'
    ):
        trainer.from_params(Params({"type": "callback"}))


def test_a_key_is_old_for_its_family_only(trainer: Any) -> None:
    assert advice_on_key(trainer.by_name("gradient_descent"), "shuffle") is not None
    assert advice_on_key(dict, "shuffle") is None
    assert advice_on_key(trainer, "num_epochs") is None
    assert advice_on_name(trainer, "no_op") is None


def test_keys_of_1x_mean_what_they_mean_now(caplog: pytest.LogCaptureFixture) -> None:
    class Checkpointer:
        pass

    class DatasetReader:
        pass

    class Trainer:
        pass

    old = {"num_serialized_models_to_keep": 3, "model_save_interval": 60, "other": 1}
    expected = {"keep_most_recent_by_count": 3, "save_every_num_seconds": 60, "other": 1}
    assert renewed(Checkpointer, old, ["other"], "test.a") == expected
    assert (
        "test.a.model_save_interval: a key of an earlier version of AllenNLP, read as 'save_every_num_seconds'"
        in caplog.text
    )
    caplog.clear()
    renewed(Checkpointer, old, ["other"], "test.a")
    assert caplog.text == ""  # it was said
    with guarded(Origin("model.tar.gz", "folder")):
        renewed(Checkpointer, old, [], "test.b")
        assert caplog.text == ""  # who loads an archive cannot change it
    both = {"num_serialized_models_to_keep": 3, "keep_most_recent_by_count": 4}
    assert renewed(Checkpointer, both, [], "") == both
    reader = {"lazy": True, "cache_directory": None}
    assert renewed(DatasetReader, reader, [], "test.c") == {}
    assert renewed(DatasetReader, reader, ["lazy"], "test.c") == {"lazy": True}  # a plugin's own
    trainer = {"tensorboard_writer": {"summary_interval": 5}, "epoch_callbacks": [], "batch_callbacks": ["x"]}
    assert renewed(Trainer, trainer, [], "test.d") == {
        "callbacks": [{"summary_interval": 5, "type": "tensorboard"}],
        "batch_callbacks": ["x"],
    }
    assert renewed(Trainer, trainer, list(trainer), "test.e") == trainer
    for wrong in ({"tensorboard_writer": "yes"}, {"tensorboard_writer": {}, "callbacks": "tensorboard"}):
        assert renewed(Trainer, wrong, [], "test.f") == wrong  # an error, which is told elsewhere


def test_old_keys_of_a_whole_config() -> None:
    config = {
        "iterator": {},
        "dataset_reader": {"lazy": True},
        "trainer": {"shuffle": True, "checkpointer": {"model_save_interval": 3}},
        "model": "x",
    }
    assert [path for path, _ in old_keys_in(config)] == [
        "iterator",
        "dataset_reader.lazy",
        "trainer.shuffle",
        "trainer.checkpointer.model_save_interval",
    ]


@pytest.mark.parametrize(
    ("name", "is_there"),
    [
        ("nlpreg", True),
        ("nlpreg.common.file_utils.cached_path", True),  # by `import *`
        ("nlpreg.common.Params", True),  # imported lazily
        ("nlpreg.nn.initializers.ZerosInitializer", True),  # made at run time
        ("nlpreg.models.model.Model.forward", True),
        ("nlpreg.models.model.forward", False),  # a method
        ("nlpreg.common.util.number", False),  # an argument
        ("nlpreg.common.nothing", False),
        ("nlpreg.nothing.at_all", False),
    ],
)
def test_names_of_nlpreg(name: str, is_there: bool) -> None:
    assert exists(name) is is_there


@pytest.mark.parametrize("value", [-1, 3, [1], {"a": 1}])
def test_a_value_of_any_type_is_renewed(value: Any) -> None:
    class Checkpointer(Registrable):
        def __init__(self, keep_most_recent_by_count: Optional[int] = 2) -> None:
            pass

    section = renewed(
        Checkpointer, {"num_serialized_models_to_keep": value}, ["keep_most_recent_by_count"], ""
    )
    assert section == {"keep_most_recent_by_count": None if value == -1 else value}
