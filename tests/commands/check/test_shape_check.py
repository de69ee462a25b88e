"""Sizes that do not agree are found before a run, and only those."""

import importlib
import re
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.check.checking import check_config
from nlpreg.commands.check.shape_check import TrialTooLongError, build_on_trial
from nlpreg.common.config.nodes import Node
from nlpreg.common.config.problems import Problem
from nlpreg.common.plugins import import_builtin_parts
from nlpreg.modules import Seq2SeqEncoder, Seq2VecEncoder
from tests.modules.test_lengths_and_masks import SEQ2SEQ, SEQ2VEC


@pytest.fixture(autouse=True)
def everything_registered() -> None:
    import_builtin_parts()


def problems(
    model: dict[str, Any], indexers: tuple[str, ...] = ("tokens",), reader: str = "sequence_tagging"
) -> list[Problem]:
    config = {
        "dataset_reader": {
            "type": reader,
            **({} if reader == "sequence_tagging" else {"tokenizer": "whitespace"}),
            "token_indexers": {name: {"type": "single_id"} for name in indexers},
        },
        "train_data_path": {"not": "looked at"},
        "model": model,
        "data_loader": {"batch_size": 1},
        "trainer": {"optimizer": "dense_sparse_adam"},
    }
    return check_config(config).problems


def embedder(**sizes: int) -> dict[str, Any]:
    return {
        "token_embedders": {
            name: {"type": "embedding", "embedding_dim": size} for name, size in sizes.items()
        }
    }


LSTM = {"type": "lstm", "input_size": 10, "hidden_size": 6}


def bcn(embedded: int, pre_encode: int, **others: Any) -> dict[str, Any]:
    return {
        "type": "bcn",
        "text_field_embedder": embedder(tokens=embedded),
        "embedding_dropout": 0.1,
        "pre_encode_feedforward": feedforward(pre_encode, 10),
        "encoder": LSTM,
        "integrator": {"type": "lstm", "input_size": 18, "hidden_size": 6},
        "integrator_dropout": 0.1,
        "output_layer": feedforward(24, 2),
        **others,
    }


def feedforward(input_dim: int, output_dim: int) -> dict[str, Any]:
    return {"input_dim": input_dim, "num_layers": 1, "hidden_dims": output_dim, "activations": "relu"}


@pytest.mark.parametrize(
    ("model", "path", "message"),
    [
        (
            {"type": "simple_tagger", "text_field_embedder": embedder(tokens=8), "encoder": LSTM},
            "model.encoder.input_size",
            "encoder takes vectors of 10, but text_field_embedder gives 8; set input_size to 8",
        ),
        (
            {
                "type": "crf_tagger",
                "text_field_embedder": embedder(tokens=10),
                "encoder": {**LSTM, "bidirectional": True},
                "feedforward": {"input_dim": 6, "num_layers": 1, "hidden_dims": 3, "activations": "relu"},
            },
            "model.feedforward.input_dim",
            "feedforward takes vectors of 6, but encoder gives 12; set input_dim to 12",
        ),
        (
            {"type": "language_model", "text_field_embedder": embedder(tokens=9), "contextualizer": LSTM},
            "model.contextualizer.input_size",
            "contextualizer takes vectors of 10, but text_field_embedder gives 9; set input_size to 9",
        ),
        (
            {
                "type": "language_model",
                "text_field_embedder": embedder(tokens=10),
                "contextualizer": LSTM,
                "bidirectional": True,
            },
            "model.contextualizer",
            'the model has "bidirectional": true, but its contextualizer works in one direction only; change one of the two',
        ),
        (
            {
                "type": "bidirectional-language-model",
                "text_field_embedder": embedder(tokens=10),
                "contextualizer": LSTM,
            },
            "model.contextualizer",
            "the model works in both directions, but its contextualizer works in one direction only; change one of the two",
        ),
        (
            {
                "type": "language_model",
                "text_field_embedder": embedder(tokens=10),
                "contextualizer": {**LSTM, "bidirectional": True},
            },
            "model.contextualizer",
            "the model works in one direction only, but its contextualizer works in both directions",
        ),
        (
            bcn(embedded=8, pre_encode=10),
            "model.pre_encode_feedforward.input_dim",
            "pre_encode_feedforward takes vectors of 10, but text_field_embedder gives 8; set input_dim to 8",
        ),
        (
            {
                "type": "basic_classifier",
                "text_field_embedder": embedder(tokens=10),
                "seq2vec_encoder": {"type": "bag_of_embeddings", "embedding_dim": 9},
            },
            "model.seq2vec_encoder.embedding_dim",
            "seq2vec_encoder takes vectors of 9, but text_field_embedder gives 10; set embedding_dim to 10",
        ),
        (
            {
                "type": "basic_classifier",
                "text_field_embedder": embedder(tokens=10),
                "seq2seq_encoder": LSTM,
                "seq2vec_encoder": {"type": "bag_of_embeddings", "embedding_dim": 10},
            },
            "model.seq2vec_encoder.embedding_dim",
            "seq2vec_encoder takes vectors of 10, but seq2seq_encoder gives 6; set embedding_dim to 6",
        ),
        (
            {
                "type": "simple_tagger",
                "text_field_embedder": embedder(tokens=10),
                "encoder": {
                    "type": "feedforward",
                    "feedforward": {
                        "input_dim": 10,
                        "num_layers": 2,
                        "hidden_dims": [1],
                        "activations": "relu",
                    },
                },
            },
            "model.encoder.feedforward",
            "FeedForward: hidden_dims has 1 entries for 2 layers; give one for each, or one value for all",
        ),
        (
            {
                "type": "simple_tagger",
                "text_field_embedder": embedder(tokens=10),
                "encoder": {
                    "type": "pytorch_transformer",
                    "input_dim": 10,
                    "feedforward_hidden_dim": 4,
                    "num_layers": 1,
                    "num_attention_heads": 3,
                },
            },
            "model.encoder.num_attention_heads",
            "expected a divisor",
        ),
    ],
)
def test_planted_faults(model: dict[str, Any], path: str, message: str) -> None:
    reader = "simple_language_modeling" if "contextualizer" in model else "sequence_tagging"
    found = problems(model, reader=reader)
    assert [problem.path for problem in found] == [path]
    assert message in found[0].message


def test_the_widths_of_concatenated_vectors_are_left_to_the_model(tmp_path: Path) -> None:
    elmo = {
        "options_file": str(tmp_path / "options.json"),
        "weight_file": str(tmp_path / "weights.hdf5"),
        "num_output_representations": 1,
    }
    for path in elmo["options_file"], elmo["weight_file"]:
        Path(str(path)).touch()
    assert not problems(bcn(8, 8))
    assert not problems(bcn(8, 10, elmo=elmo, use_input_elmo=True))


def test_the_sum_is_shown() -> None:
    model = {
        "type": "simple_tagger",
        "text_field_embedder": embedder(tokens=10, more=5, pos=3),
        "encoder": LSTM,
    }
    found = problems(model, ("tokens", "more", "pos"))
    assert [problem.message for problem in found] == [
        "encoder takes vectors of 10, but text_field_embedder gives 5 (more) + 3 (pos) + 10 (tokens) = 18; "
        "set input_size to 18"
    ]


def test_a_fault_inside_an_embedder() -> None:
    model = {
        "type": "simple_tagger",
        "text_field_embedder": {
            "token_embedders": {
                "tokens": {
                    "type": "character_encoding",
                    "embedding": {"embedding_dim": 4},
                    "encoder": {"type": "lstm", "input_size": 5, "hidden_size": 10},
                }
            }
        },
        "encoder": LSTM,
    }
    found = problems(model)
    assert [problem.path for problem in found] == [
        "model.text_field_embedder.token_embedders.tokens.encoder.input_size"
    ]


@pytest.mark.parametrize(
    "model",
    [
        {"type": "simple_tagger", "text_field_embedder": embedder(tokens=10), "encoder": LSTM},
        # a part from an archive is not known, and its neighbours are not compared with each other
        {
            "type": "crf_tagger",
            "text_field_embedder": embedder(tokens=10),
            "encoder": {"_pretrained": {"archive_file": "https://host/x.tar.gz", "module_path": "encoder"}},
            "feedforward": {"input_dim": 77, "num_layers": 1, "hidden_dims": 3, "activations": "relu"},
        },
        {
            "type": "simple_tagger",
            "text_field_embedder": embedder(tokens=10),
            "encoder": {"type": "pass_through", "input_dim": 10},
        },
        {
            "type": "simple_tagger",
            "text_field_embedder": embedder(tokens=10),
            "encoder": {
                "type": "compose",
                "encoders": [LSTM, {"type": "gru", "input_size": 6, "hidden_size": 2}],
            },
        },
        {
            "type": "crf_tagger",
            "text_field_embedder": embedder(tokens=10),
            "encoder": LSTM,
            "feedforward": None,
        },
        {
            "type": "simple_tagger",
            "encoder": LSTM,
            "text_field_embedder": {
                "token_embedders": {
                    "tokens": {
                        "type": "embedding",
                        "embedding_dim": 10,
                        "pretrained_file": "https://host/vectors.txt.gz",
                        "sparse": True,
                    }
                }
            },
        },
        {
            "type": "simple_tagger",
            "encoder": LSTM,
            "text_field_embedder": {
                "token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 3, "projection_dim": 10}}
            },
        },
        {
            "type": "simple_tagger",
            "encoder": {**LSTM, "input_size": 768},
            "text_field_embedder": {
                "token_embedders": {"tokens": {"type": "pretrained_transformer", "model_name": "nowhere"}}
            },
        },
        {
            "type": "basic_classifier",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "bag_of_word_counts"}}},
            "seq2vec_encoder": {"type": "boe", "embedding_dim": 10},
        },
        {
            "type": "masked_language_model",
            "text_field_embedder": embedder(tokens=10),
            "language_model_head": {"type": "linear", "input_dim": 10, "vocab_namespace": "tokens"},
        },
    ],
)
def test_no_false_alarms(model: dict[str, Any]) -> None:
    assert problems(model) == []


@pytest.mark.parametrize(
    ("hidden_size", "message"),
    [(1_000_000, r"its weights take 14,\d\d\d GiB, and this machine has"), (10**9, "larger than any memory")],
)
def test_sizes_that_no_memory_holds(hidden_size: int, message: str) -> None:
    model = {
        "type": "simple_tagger",
        "text_field_embedder": embedder(tokens=10),
        "encoder": {"type": "lstm", "input_size": 10, "hidden_size": hidden_size},
    }
    (problem,) = problems(model)
    assert problem.path == "model.encoder" and re.search(message, problem.message)


def test_a_class_of_a_plugin_can_say_its_chain(tmp_path: Path) -> None:
    from nlpreg.models import Model
    from nlpreg.modules import FeedForward

    @Model.register("planted_chain")
    class Chained(Model):
        dimension_chain = ("first", "second")

        def __init__(self, vocab: Any, first: FeedForward, second: FeedForward) -> None:
            super().__init__(vocab)

    part = {"input_dim": 3, "num_layers": 1, "hidden_dims": 4, "activations": "relu"}
    found = problems({"type": "planted_chain", "first": part, "second": part})
    assert [str(problem) for problem in found] == [
        "model.second.input_dim: second takes vectors of 3, but first gives 4; set input_dim to 4"
    ]


ENORMOUS = [
    {"type": "lstm", "input_size": 10, "hidden_size": 6, "num_layers": 1_000_000},
    {"type": "stacked_bidirectional_lstm", "input_size": 10, "hidden_size": 6, "num_layers": 1_000_000},
    {
        "type": "feedforward",
        "feedforward": {"input_dim": 10, "num_layers": 1_000_000, "hidden_dims": 4, "activations": "relu"},
    },
    {
        "type": "pytorch_transformer",
        "input_dim": 10,
        "feedforward_hidden_dim": 4,
        "num_attention_heads": 2,
        "num_layers": 1_000_000,
    },
]


@pytest.mark.parametrize("encoder", ENORMOUS, ids=[str(encoder["type"]) for encoder in ENORMOUS])
def test_what_takes_too_long_is_not_checked(encoder: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nlpreg.commands.check.shape_check.SECONDS_FOR_A_TRIAL", 0.2)
    config = {
        "dataset_reader": {"type": "sequence_tagging"},
        "train_data_path": {"not": "looked at"},
        "model": {"type": "simple_tagger", "text_field_embedder": embedder(tokens=10), "encoder": encoder},
        "data_loader": {"batch_size": 1},
        "trainer": {},
    }
    warnings = check_config(config).warnings
    assert [warning.path for warning in warnings if "not checked" in warning.message] == ["model.encoder"]
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


@dataclass
class Importing(Node):
    """Imports a module when it is built, which takes longer than a trial may."""

    def build(self, extras: Any) -> Any:
        importlib.import_module("slow_to_import")
        time.sleep(5)


def test_the_end_of_a_trial_waits_for_the_end_of_an_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(0.3)\nIS_WHOLE = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("nlpreg.commands.check.shape_check.SECONDS_FOR_A_TRIAL", 0.05)
    with pytest.raises(TrialTooLongError, match="more than 0.05 s"):
        build_on_trial(Importing())
    assert sys.modules.pop("slow_to_import").IS_WHOLE


class SlowToDelete:
    """Python ignores an exception that is raised while an object is deleted."""

    def __del__(self) -> None:
        time.sleep(0.3)


@dataclass
class Deleting(Node):
    """Is interrupted for the first time while it deletes an object."""

    def build(self, extras: Any) -> Any:
        SlowToDelete()
        time.sleep(30)


def test_a_trial_ends_though_its_first_interruption_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nlpreg.commands.check.shape_check.SECONDS_FOR_A_TRIAL", 0.05)
    with pytest.raises(TrialTooLongError, match="more than 0.05 s"):
        build_on_trial(Deleting())
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize(
    ("base", "name", "argument"),
    [
        (Seq2VecEncoder, "cnn", "ngram_filter_sizes"),
        (Seq2VecEncoder, "cnn-highway", "filters"),
        (Seq2SeqEncoder, "gated-cnn-encoder", "layers"),
        (Seq2SeqEncoder, "compose", "encoders"),
    ],
)
def test_an_encoder_without_any_part(base: Any, name: str, argument: str) -> None:
    examples = SEQ2VEC if base is Seq2VecEncoder else SEQ2SEQ
    encoder = {"type": name, **examples[name], argument: []}
    key = "seq2vec_encoder" if base is Seq2VecEncoder else "encoder"
    kind = "basic_classifier" if base is Seq2VecEncoder else "simple_tagger"
    found = problems({"type": kind, "text_field_embedder": embedder(tokens=8), key: encoder})
    assert any("expected at least one" in problem.message for problem in found), found
