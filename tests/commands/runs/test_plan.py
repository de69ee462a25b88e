"""From the options of a command line to the runs that they ask for."""

import itertools
from typing import Any

import pytest

from nlpreg.commands.runs.plan import planned_runs, seeds_of, sweep_axis
from nlpreg.common.checks import ConfigurationError

CONFIG: dict[str, Any] = {
    "dataset_reader": {"type": "sequence_tagging"},
    "train_data_path": "train.txt",
    "validation_data_path": "valid.txt",
    "model": {"dropout": 0.5, "encoder": {"dropout": 0.1, "size": [1]}},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model.dropout=0.1,0.3", ("model.dropout", [0.1, 0.3])),
        ("a=lstm, gru", ("a", ["lstm", "gru"])),
        ("a=true,null,1e-3", ("a", [True, None, 0.001])),
        ("a=[[1, 2], [3]]", ("a", [[1, 2], [3]])),
        ("a=x=y", ("a", ["x=y"])),
    ],
)
def test_axes(text: str, expected: tuple[str, list[Any]]) -> None:
    assert sweep_axis(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model.dropout", "expected KEY=VALUE,VALUE"),
        ("=1,2", "expected KEY=VALUE,VALUE"),
        ("a=", "a: expected at least one value"),
        ("a=1,,2", "none empty"),
        ("a=[]", "at least one value"),
        ("a=1,2,1", "a: expected different values"),
    ],
)
def test_axes_that_are_none(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        sweep_axis(text)


def test_seeds() -> None:
    assert seeds_of("3") == [1, 2, 3]
    assert seeds_of("7,13") == [7, 13]
    for text in ("0", "-1", "a", "1,", "1.5"):
        with pytest.raises(ConfigurationError, match="--seeds: expected a number of runs"):
            seeds_of(text)
    with pytest.raises(ConfigurationError, match="expected different seeds"):
        seeds_of("1,1")


def test_a_grid_is_the_product_of_its_axes() -> None:
    planned = planned_runs(CONFIG, [("model.dropout", [0.1, 0.3]), ("train_data_path", ["a/b.txt", "c.txt"])])
    assert [plan.run.name for plan in planned] == [
        "dropout=0.1,train_data_path=a-b.txt",
        "dropout=0.1,train_data_path=c.txt",
        "dropout=0.3,train_data_path=a-b.txt",
        "dropout=0.3,train_data_path=c.txt",
    ]
    found = [(plan.config["model"]["dropout"], plan.config["train_data_path"]) for plan in planned]
    assert found == list(itertools.product([0.1, 0.3], ["a/b.txt", "c.txt"]))
    assert CONFIG["model"]["dropout"] == 0.5


def test_names_tell_keys_and_long_values_apart() -> None:
    planned = planned_runs(CONFIG, [("model.dropout", [1]), ("model.encoder.dropout", [2])])
    assert [plan.run.name for plan in planned] == ["model.dropout=1,encoder.dropout=2"]
    planned = planned_runs(CONFIG, [("train_data_path", ["x" * 50 + "1", "x" * 50 + "2"])])
    assert len({plan.run.name for plan in planned}) == 2


def test_seeds_of_each_point() -> None:
    planned = planned_runs(CONFIG, [("model.dropout", [0.1, 0.3])], seeds=[1, 2])
    assert [plan.run.name for plan in planned] == [
        f"dropout={dropout}/seed_{seed}" for dropout in (0.1, 0.3) for seed in (1, 2)
    ]
    assert planned[3].run.changes == {"model.dropout": 0.3, "seed": 2}
    assert {planned[3].config[key] for key in ("random_seed", "numpy_seed", "pytorch_seed")} == {2}
    assert planned[3].run.point == "dropout=0.3"


def test_folds_wrap_the_reader_of_the_point() -> None:
    config = {**CONFIG, "dataset_reader": {"type": "sequence_tagging", "max_instances": 7}}
    planned = planned_runs(config, [("dataset_reader.max_instances", [5])], num_folds=3)
    assert [plan.run.name for plan in planned] == [f"max_instances=5/fold_{fold}" for fold in range(3)]
    changed = planned[1].config
    assert changed["dataset_reader"]["base_reader"]["max_instances"] == 5
    assert changed["validation_data_path"] == "train.txt"
    assert changed["validation_dataset_reader"] == {**changed["dataset_reader"], "held_out": True}


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        (CONFIG, {"axes": [("model.x.y", [1])]}, "--sweep: .*'model.x.y' leads to nothing"),
        (CONFIG, {"axes": [("model.dropout", [1]), ("model.dropout", [2])]}, "expected a key once"),
        (CONFIG, {"num_folds": 1}, "--folds: expected at least 2, got 1"),
        (
            {**CONFIG, "train_data_path": {"a": "x"}},
            {"num_folds": 2},
            "expected a single path as train_data_path",
        ),
        *(
            ({**CONFIG, "data_loader": {"type": kind}}, {"num_folds": 2}, "not instances that could be split")
            for kind in ("running_text", "text_blocks", "text-lines")
        ),
    ],
)
def test_mistakes(config: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        planned_runs(config, **options)
