"""Configs changed at random: whatever stands in them, `check` reports problems and never fails itself."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from every_model import CASES

from nlpreg.commands.check.checking import check_config
from nlpreg.common.plugins import import_plugins

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 0.5, -0.1, 1e9, 3e11, "", " ", "x", "None", "null", "0.5", "true", "lstm", "adam",
    "../../etc/passwd", "a..b", ".a", "os.system", "no_such_module.C", "nlpreg.models", "\x1b[31m", "\udc80", "é" * 100,
    [], [[]], [None], [1, "a"], {}, {"": 1}, {"type": None}, {"type": 3}, {"type": "lstm"}, {"type": {}}, {"a": {"b": {}}},
    {"_pretrained": {}}, {"_pretrained": 3}, {"type": "from_archive"}, [{"type": "x"}], {"type": "../x"}, [{}, {}],
]  # fmt: skip


def places(config: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The key path of every value."""
    items = (
        config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    )
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def mutated(config: dict[str, Any], random_: random.Random) -> dict[str, Any]:
    """The config with one to three changes."""
    config = copy.deepcopy(config)
    for _ in range(random_.randint(1, 3)):
        known = list(places(config))
        if not known:
            return config
        *path, last = random_.choice(known)
        owner: Any = config
        for step in path:
            owner = owner[step]
        kind = random_.random()
        if kind < 0.6:
            owner[last] = copy.deepcopy(random_.choice(VALUES))
        elif kind < 0.75:
            del owner[last]
        elif kind < 0.9 and isinstance(owner, dict):
            owner[str(random_.choice(["x", "", "type", last * 2 if isinstance(last, str) else "y"]))] = (
                copy.deepcopy(random_.choice(VALUES))
            )
        else:
            owner[last] = copy.deepcopy(config)
    return config


def check_all(configs: list[dict[str, Any]], seeds: range) -> None:
    import_plugins()
    for seed in seeds:
        config = mutated(configs[seed % len(configs)], random.Random(seed))
        text = json.dumps(config)
        try:
            checked = check_config(config)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}: {text[:1000]}") from error
        assert json.dumps(config) == text, f"seed {seed}: the config was changed"
        assert all(problem.message for problem in checked.problems)


@pytest.fixture
def configs(tagger: dict[str, Any], language_model: dict[str, Any]) -> list[dict[str, Any]]:
    """A config of every kind of model."""
    models = ({**tagger, "model": model, "dataset_reader": reader} for model, reader, _ in CASES.values())
    return [tagger, language_model, *models]


def test_some(configs: list[dict[str, Any]]) -> None:
    check_all(configs, range(200))


@pytest.mark.parametrize("value", [{}, [], 3, None])
def test_a_type_that_is_no_name(value: Any, tagger: dict[str, Any]) -> None:
    model = copy.deepcopy(CASES["bcn"][0])
    model["pre_encode_feedforward"]["type"] = value
    checked = check_config({**tagger, "model": model})
    assert any(problem.path.startswith("model.pre_encode_feedforward") for problem in checked.problems)


@pytest.mark.slow
def test_many(configs: list[dict[str, Any]]) -> None:
    check_all(configs, range(1000, 6000))
