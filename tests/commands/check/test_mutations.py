"""One random change to a valid config: never a traceback, and what is reported names the changed place."""

import copy
import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from nlpreg.commands.check.checking import check_config, report
from nlpreg.common.config.problems import Problem
from nlpreg.common.config.resolve import Resolver
from nlpreg.common.plugins import import_builtin_parts

hypothesis = pytest.importorskip("hypothesis")
st = pytest.importorskip("hypothesis.strategies")

CONFIG: dict[str, Any] = {
    "random_seed": 3,
    "dataset_reader": {
        "type": "sharded",
        "base_reader": {
            "type": "conll2003",
            "tag_label": "ner",
            "coding_scheme": "BIOUL",
            "token_indexers": {
                "tokens": {"type": "single_id", "lowercase_tokens": True},
                "token_characters": {"type": "characters", "min_padding_length": 3},
            },
        },
    },
    "train_data_path": {"somewhere": "else"},
    "datasets_for_vocab_creation": ["train"],
    "vocabulary": {"min_count": {"tokens": 2}, "tokens_to_add": {"tokens": ["x"]}},
    "model": {
        "type": "crf_tagger",
        "label_encoding": "BIOUL",
        "dropout": 0.3,
        "text_field_embedder": {
            "token_embedders": {
                "tokens": {"type": "embedding", "embedding_dim": 8, "sparse": False},
                "token_characters": {
                    "type": "character_encoding",
                    "embedding": {"embedding_dim": 4},
                    "encoder": {
                        "type": "cnn",
                        "embedding_dim": 4,
                        "num_filters": 2,
                        "ngram_filter_sizes": [2, 3],
                    },
                },
            }
        },
        "encoder": {"type": "lstm", "input_size": 12, "hidden_size": 6, "bidirectional": True},
        "feedforward": {
            "input_dim": 12,
            "num_layers": 2,
            "hidden_dims": [6, 5],
            "activations": ["relu", "tanh"],
        },
        "initializer": {
            "regexes": [[".*weight", {"type": "xavier_uniform", "gain": 2.0}], [".*bias", "zero"]]
        },
        "regularizer": {"regexes": [["scalar", {"type": "l2", "alpha": 0.1}]]},
    },
    "data_loader": {"batch_sampler": {"type": "bucket", "batch_size": 8, "sorting_keys": ["tokens"]}},
    "trainer": {
        "num_epochs": 3,
        "optimizer": {
            "type": "adam",
            "lr": 0.1,
            "betas": [0.9, 0.99],
            "parameter_groups": [[["a"], {"lr": 1}]],
        },
        "learning_rate_scheduler": {"type": "slanted_triangular", "cut_frac": 0.1},
        "checkpointer": {"keep_most_recent_by_count": 1},
        "callbacks": ["track_epoch_callback", {"type": "console_logger", "should_log_inputs": False}],
        "grad_norm": 1.0,
    },
    "evaluation": {"type": "simple"},
}

FREE = (
    "train_data_path",
    "vocabulary.min_count",
    "vocabulary.tokens_to_add",
    "trainer.optimizer.parameter_groups.0.1",
)
"""Objects that may have any keys."""


def places(value: Any, path: str = "") -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        inner = f"{path}.{key}" if path else str(key)
        yield inner
        yield from places(item, inner)


def holder_of(config: Any, path: str) -> tuple[Any, Any]:
    steps = path.split(".")
    for step in steps[:-1]:
        config = config[int(step)] if isinstance(config, list) else config[step]
    return config, int(steps[-1]) if isinstance(config, list) else steps[-1]


VALUES = [
    True,
    7,
    -1,
    2.5,
    "lstm",
    "",
    "nonsense",
    [],
    [1],
    ["a", {}],
    {},
    {"type": "lstm"},
    {"a": 1},
    {"type": 3},
]


@st.composite
def mutations(draw: Any) -> tuple[dict[str, Any], str, str]:
    """A changed config, the changed place, and the kind of change."""
    config = copy.deepcopy(CONFIG)
    path = draw(st.sampled_from(sorted(places(CONFIG))))
    holder, key = holder_of(config, path)
    kind = draw(st.sampled_from(["replace", "remove", "rename", "add"]))
    if kind == "replace":
        holder[key] = draw(st.sampled_from(VALUES))
    elif kind == "remove":
        del holder[key]
    elif isinstance(holder, list):
        holder.insert(key, draw(st.sampled_from(VALUES)))
        kind = "replace"
    else:
        new = draw(st.sampled_from([f"{key}s", f"{key[:-1]}", f"x{key}", "zzz"]))
        hypothesis.assume(new and new not in holder)
        holder[new] = holder.pop(key) if kind == "rename" else 1
        path = ".".join([*path.split(".")[:-1], new])
    return config, path, kind


@functools.cache
def validator() -> Any:
    from nlpreg.commands.show.schema import whole_schema

    jsonschema = pytest.importorskip("jsonschema")
    import_builtin_parts()
    return jsonschema.Draft202012Validator(whole_schema())


def test_the_config_is_valid() -> None:
    import_builtin_parts()
    assert check_config(CONFIG).problems == []
    assert validator().is_valid(CONFIG)


@hypothesis.given(mutations())
@hypothesis.settings(max_examples=120, suppress_health_check=list(hypothesis.HealthCheck))
def test_one_change(mutation: tuple[dict[str, Any], str, str]) -> None:
    config, path, kind = mutation
    import_builtin_parts()
    before = json.dumps(config)
    problems = check_config(config).problems
    assert json.dumps(config) == before
    text = report("c", problems)
    if kind in ("rename", "add") and not path.startswith(FREE):
        assert problems, "a key that nothing takes"
    if problems:
        last = path.split(".")[-1]
        named = (f'"{last}"', path)  # a problem between two places may stand at the other one
        assert any(
            _names(problem.path, path) or any(name in problem.message for name in named)
            for problem in problems
        ), text
    found = _of_the_constructors(config)
    if validator().is_valid(config):
        assert all(problem.is_refusal for problem in found), text
    else:
        assert found, text


def _names(reported: str, path: str) -> bool:
    """Whether a report is about the changed place: there, inside, or around it."""
    return (
        reported == path
        or reported.startswith(path + ".")
        or path.startswith(reported + ".")
        or _beside(reported, path)
    )


def _beside(reported: str, path: str) -> bool:
    """A size or a name that no longer agrees is reported where it is used."""
    return reported.split(".")[0] == path.split(".")[0] or {"dataset_reader", "model"} >= {
        reported.split(".")[0],
        path.split(".")[0],
    }


def _of_the_constructors(config: dict[str, Any]) -> list[Problem]:
    """The problems that the constructors' annotations tell of, as the schema does, and values that a class refuses."""
    from nlpreg.commands.check.checking import command_keys
    from nlpreg.commands.train.experiment import TrainModel
    from nlpreg.common.config.kinds import kind_of

    resolver = Resolver(TrainModel.constructor_extras)
    rest = dict(config)
    for key, annotation in command_keys().items():
        if rest.get(key) is not None:
            resolver.resolve(kind_of(annotation), rest.pop(key), key)
    resolver.object(TrainModel, rest, "")
    return resolver.problems


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_wrong_value_where_a_namespace_is_filled_in(value: Any) -> None:
    import_builtin_parts()
    config = copy.deepcopy(CONFIG)
    embedders = config["model"]["text_field_embedder"]["token_embedders"]
    embedders["token_characters"]["embedding"] = value
    assert check_config(config).problems
