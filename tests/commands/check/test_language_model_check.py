"""What `nlpreg check` and the start of training say about language models that would learn nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.command_line import exit_status as main
from tests.commands.conftest import language_model_config, run_train, tagger_config


def problems(config: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What `nlpreg check` says; nothing if the config is right."""
    (folder / "config.json").write_text(json.dumps(config))
    try:
        status = main("nlpreg", ["check", str(folder / "config.json")])
    except SystemExit as end:
        status = int(end.code or 0)
    shown = capsys.readouterr()
    said = shown.out + shown.err
    return said if status else ""


def with_contextualizer(folder: Path, **contextualizer: Any) -> dict[str, Any]:
    config = language_model_config(folder)
    config["model"]["contextualizer"] = contextualizer
    return config


LEAKING = {
    "pytorch_transformer": {"input_dim": 4, "num_layers": 1, "num_attention_heads": 2},
    "lstm": {"input_size": 4, "hidden_size": 4, "num_layers": 2, "bidirectional": True},
}


@pytest.mark.parametrize("name", LEAKING)
def test_a_contextualizer_that_peeks(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = with_contextualizer(tmp_path, type=name, **LEAKING[name])
    config["model"]["bidirectional"] = name == "lstm"
    said = problems(config, tmp_path, capsys)
    assert "model.contextualizer" in said and "it would learn to copy them" in said
    assert run_train(config, tmp_path / "run") != 0
    assert "it would learn to copy them" in capsys.readouterr().err
    config["model"]["check_peeking"] = False
    assert problems(config, tmp_path, capsys) == ""


@pytest.mark.parametrize(
    ("optimizer", "refused"),
    [
        (None, True), ("adam", True), ("adamw", True), ("rmsprop", True), ("sgd", False), ("adagrad", False),
        ("sparse_adam", False), ("dense_sparse_adam", False),
    ],
)  # fmt: skip
def test_sparse_gradients_with_an_optimizer_that_takes_none(
    optimizer: str | None, refused: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = language_model_config(tmp_path)
    config["model"]["text_field_embedder"]["token_embedders"]["tokens"]["sparse"] = True
    if optimizer is not None:
        config["trainer"]["optimizer"] = {"type": optimizer, "lr": 0.1}
    said = problems(config, tmp_path, capsys)
    assert bool(said) == refused
    if refused:
        assert (
            f"{optimizer or 'adam'} does not support sparse gradients" in said
            and "use dense_sparse_adam" in said
        )
        assert "model.text_field_embedder.token_embedders.tokens.sparse" in said


def test_sparse_softmax_weights_count_when_words_are_sampled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = language_model_config(tmp_path)
    config["model"]["sparse_embeddings"] = True
    assert problems(config, tmp_path, capsys) == ""
    config["model"]["num_samples"] = 2
    assert "model.sparse_embeddings causes" in problems(config, tmp_path, capsys)


@pytest.mark.parametrize(("loader", "key"), [("running_text", "bptt"), ("text_blocks", "block_size")])
def test_running_text_for_a_tagger(
    loader: str, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tagger_config(tmp_path)
    config["data_loader"] = {"type": loader, "batch_size": 2, key: 4}
    said = problems(config, tmp_path, capsys)
    assert f"{loader} splits the text into segments" in said and "simple_tagger needs whole instances" in said


@pytest.mark.parametrize("name", ["language_model", "bidirectional-language-model"])
def test_targets_for_a_model_of_both_directions(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = with_contextualizer(tmp_path, type="lstm", input_size=4, hidden_size=4, bidirectional=True)
    config["model"]["type"] = name
    if name == "language_model":
        config["model"]["bidirectional"] = True
    config["data_loader"] = {"type": "running_text", "batch_size": 2, "bptt": 4, "targets": True}
    said = problems(config, tmp_path, capsys)
    assert "data_loader.targets" in said and "leave this out" in said
    config["data_loader"]["targets"] = False
    assert problems(config, tmp_path, capsys) == ""
    config["data_loader"] = {"type": "text_blocks", "batch_size": 2, "block_size": 4}
    assert "use running_text without targets" in problems(config, tmp_path, capsys)


TRANSFORMER = {"type": "transformer_lm", "input_dim": 4, "num_layers": 1, "num_attention_heads": 1}


SHORT = [
    ({**TRANSFORMER, "max_length": 5}, "max_length"),
    ({**TRANSFORMER, "positions": "learned", "max_length": 5}, "max_length"),
    (
        {
            "type": "pytorch_transformer",
            "input_dim": 4,
            "num_layers": 1,
            "num_attention_heads": 1,
            "causal": True,
            "positional_encoding": "embedding",
            "positional_embedding_size": 5,
        },
        "positional_embedding_size",
    ),
]


@pytest.mark.parametrize(("contextualizer", "key"), SHORT)
def test_fewer_positions_than_words_of_any_of_the_first_texts(
    contextualizer: dict[str, Any], key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first update, although the first batches are short enough."""
    config = with_contextualizer(tmp_path, **contextualizer)
    (tmp_path / "rising.txt").write_text("a cat\n" * 40 + "the dog ate the red apple\n")
    config.update(train_data_path=str(tmp_path / "rising.txt"), data_loader={"batch_size": 2})
    assert run_train(config, tmp_path / "run") != 0
    said = capsys.readouterr().err
    assert "1 problem" in said and key in said
    (tmp_path / "rising.txt").write_text("a cat\n" * 40 + "the dog ate the apple\n")
    assert run_train(config, tmp_path / "again") == 0


@pytest.mark.parametrize(("contextualizer", "key"), SHORT)
def test_fewer_positions_than_words(
    contextualizer: dict[str, Any], key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = with_contextualizer(tmp_path, **contextualizer)
    config["dataset_reader"]["max_sequence_length"] = 6
    said = problems(config, tmp_path, capsys)
    assert f"model.contextualizer.{key}" in said and "allows texts of 6 words" in said
    config["dataset_reader"]["max_sequence_length"] = 5
    assert problems(config, tmp_path, capsys) == ""
    del config["dataset_reader"]["max_sequence_length"]
    config["data_loader"] = {"type": "running_text", "batch_size": 2, "bptt": 5}
    assert "batches of data_loader have 6 words a row" in problems(config, tmp_path, capsys)
    config["data_loader"] = {"type": "text_blocks", "batch_size": 2, "block_size": 7}
    assert "raise it, or lower data_loader.block_size" in problems(config, tmp_path, capsys)
    config["data_loader"]["block_size"] = 5
    config["validation_data_loader"] = {"type": "running_text", "batch_size": 2, "bptt": 9, "targets": True}
    assert "batches of validation_data_loader have 9 words a row" in problems(config, tmp_path, capsys)
