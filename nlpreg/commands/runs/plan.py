"""The runs of `--sweep`, `--seeds` and `--folds`: the points of a grid, and the seeds or folds of each."""

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from nlpreg.commands.options import json_or_text
from nlpreg.commands.runs.group import SubRun
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.jsonnet import with_overrides
from nlpreg.common.runtime.environment import SEED_DEFAULTS

WHOLE_TEXT_LOADERS = ("running_text", "text_blocks", "text_lines")
"""Loaders of language models that number the words of a text file themselves."""

LONGEST_VALUE = 30
"""Characters of a value in the name of a folder."""


class PlannedRun(NamedTuple):
    """A planned run.

    Args:
        run: its record.
        config: its whole config.
    """

    run: SubRun
    config: dict[str, Any]


def sweep_axis(text: str) -> tuple[str, list[Any]]:
    """Parse the key and the values of an option `--sweep KEY=VALUE,VALUE`.

    Args:
        text: value of the option. A value that is not JSON is a string. Values that contain commas are given as a JSON
            array: `KEY=[[1, 2], [3]]` has two values.

    Raises:
        ConfigurationError: the key is missing, or a value is missing or duplicated.
    """
    key, equals, values = text.partition("=")
    key = key.strip()
    if not equals or not re.fullmatch(r"[\w.\-]+", key):
        raise ConfigurationError(
            f"--sweep: expected KEY=VALUE,VALUE,..., such as model.dropout=0.1,0.3, got {text!r}"
        )
    parsed = json_or_text(values)
    items = (
        parsed if isinstance(parsed, list) else [json_or_text(value.strip()) for value in values.split(",")]
    )
    if not items or "" in items:
        raise ConfigurationError(
            f"--sweep: {key}: expected at least one value, and none empty, got {values!r}"
        )
    if len({json.dumps(item) for item in items}) < len(items):
        raise ConfigurationError(
            f"--sweep: {key}: expected different values, got one of them twice: {values!r}"
        )
    return key, items


def seeds_of(text: str) -> list[int]:
    """Parse the seeds of an option `--seeds`: `3` stands for 1, 2 and 3, and `7,13` for these two.

    Raises:
        ConfigurationError: the text has neither form.
    """
    if not re.fullmatch(r"\d+(,\d+)*", text) or text == "0":
        raise ConfigurationError(
            f"--seeds: expected a number of runs, or seeds separated by commas, got {text!r}"
        )
    seeds = [int(part) for part in text.split(",")]
    if "," not in text:
        return list(range(1, seeds[0] + 1))
    if len(set(seeds)) < len(seeds):
        raise ConfigurationError(f"--seeds: expected different seeds, got one of them twice: {text!r}")
    return seeds


def planned_runs(
    config: Mapping[str, Any],
    axes: Sequence[tuple[str, list[Any]]] = (),
    seeds: Sequence[int] = (),
    num_folds: int = 0,
) -> list[PlannedRun]:
    """Every run: each combination of values, with each seed or fold.

    Args:
        config: the config that all runs are variants of.
        axes: key and values of each dimension of the grid; they also give the name of the folder, such as
            `dropout=0.1,lr=0.001`.
        seeds: seeds of the runs; each is used for all three seeds of a config.
        num_folds: number of folds of a cross-validation; 0 for none. Not with `seeds`.

    Raises:
        ConfigurationError: two dimensions have the same key, a key does not exist, or the training data cannot be split.
    """
    keys = [key for key, _ in axes]
    if len(set(keys)) < len(keys):
        raise ConfigurationError(f"--sweep: expected a key once, got {', '.join(keys)}")
    planned = []
    for name, changes in _points(axes):
        changed = with_changes(config, changes)
        if num_folds:
            repetitions = [
                (f"fold_{fold}", {"fold": fold}, _fold_changes(changed, fold, num_folds))
                for fold in range(num_folds)
            ]
        else:
            repetitions = [
                (f"seed_{seed}", {"seed": seed}, dict.fromkeys(SEED_DEFAULTS, seed)) for seed in seeds
            ]
        if not repetitions:
            planned.append(PlannedRun(SubRun(name, changes), changed))
        for repetition, shown, further in repetitions:
            run = SubRun(f"{name}/{repetition}".lstrip("/"), {**changes, **shown}, is_repetition=True)
            planned.append(PlannedRun(run, with_changes(changed, further)))
    return planned


def _fold_changes(config: Mapping[str, Any], fold: int, num_folds: int) -> dict[str, Any]:
    """The changes of a config for training on all folds of the training data but one, and validating on that one.

    Raises:
        ConfigurationError: the training data are not a single data set of separate instances.
    """
    path = config.get("train_data_path")
    if not isinstance(path, str):
        raise ConfigurationError(
            f"--folds: expected a single path as train_data_path, to be split, got {path!r}"
        )
    if num_folds < 2:
        raise ConfigurationError(f"--folds: expected at least 2, got {num_folds}")
    for key in ("data_loader", "validation_data_loader"):
        loader = config.get(key)
        kind = str(loader.get("type", "")).replace("-", "_") if isinstance(loader, Mapping) else ""
        if kind in WHOLE_TEXT_LOADERS:
            raise ConfigurationError(
                f"--folds: {key}.type: {kind} reads a text as a whole, not instances that could be split into folds; use "
                "--seeds"
                + (
                    ", or a loader of instances (multiprocess) with the same options"
                    if kind == "text_lines"
                    else ""
                )
            )
    half = {
        "type": "fold",
        "base_reader": config.get("dataset_reader"),
        "path": path,
        "fold": fold,
        "num_folds": num_folds,
    }
    return {
        "dataset_reader": half,
        "validation_dataset_reader": {**half, "held_out": True},
        "validation_data_path": path,
    }


def with_changes(
    config: Mapping[str, Any], changes: Mapping[str, Any], source: str = "--sweep"
) -> dict[str, Any]:
    """A config with some values replaced.

    Args:
        config: the config, which is not changed.
        changes: dotted key -> value.
        source: origin of the changes, for messages.

    Raises:
        ConfigurationError: a key does not exist.
    """
    try:
        changed: dict[str, Any] = with_overrides(config, changes)
    except ValueError as error:
        raise ConfigurationError(f"{source}: {error}") from error
    return changed


def _points(axes: Sequence[tuple[str, list[Any]]]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Name and changes of each combination of values; without axes, a single one with an empty name and no changes."""
    keys = [key for key, _ in axes]
    names = _short_names(keys)
    taken: dict[str, int] = {}
    for values in itertools.product(*(items for _, items in axes)):
        name = ",".join(f"{short}={_value_name(value)}" for short, value in zip(names, values, strict=True))
        taken[name] = taken.get(name, 0) + 1
        if taken[name] > 1:  # long values may have the same first characters
            name = f"{name},{taken[name]}"
        yield name, dict(zip(keys, values, strict=True))


def _short_names(keys: Sequence[str]) -> list[str]:
    """The shortest suffixes of dotted keys, in whole steps, that are unique."""
    names = []
    for key in keys:
        steps = key.split(".")
        for length in range(1, len(steps) + 1):
            name = ".".join(steps[-length:])
            if sum(f".{other}".endswith(f".{name}") for other in keys) == 1:
                break
        names.append(name)
    return names


def _value_name(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return re.sub(r"[^\w.+-]+", "-", text).strip("-")[:LONGEST_VALUE] or "empty"
