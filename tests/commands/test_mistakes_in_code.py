"""Mistakes in the code of a plugin, or beside it: what the command line says of each, and where it says it is."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpreg.commands.command_line import exit_status as main
from nlpreg.training.optimizers import AdamOptimizer

CONFIG: dict[str, Any] = {
    "dataset_reader": {"type": "sequence_tagging"},
    "train_data_path": "train.txt",
    "validation_data_path": "train.txt",
    "model": {
        "type": "simple_tagger",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
        "encoder": {"type": "lstm", "input_size": 4, "hidden_size": 4},
    },
    "data_loader": {"batch_size": 2},
    "trainer": {"num_epochs": 1, "optimizer": "adam"},
}

IMPORTS = """import torch
from nlpreg.data import DatasetReader, Instance
from nlpreg.data.dataset_readers import SequenceTaggingDatasetReader
from nlpreg.data.fields import TextField
from nlpreg.data.tokenizers import Token
from nlpreg.models import Model
from nlpreg.modules import Seq2SeqEncoder

"""
READER = """
@DatasetReader.register("mine")
class Mine(DatasetReader):
    def _read(self, file_path):
        with open(file_path) as file:
            for line in file:
                yield self.text_to_instance(line.split())

    def text_to_instance(self, words):
        return RETURNED
"""
LINE_READER = """
@DatasetReader.register("mine")
class Mine(SequenceTaggingDatasetReader):
    def text_to_instance(self, tokens, tags=None):
        return tokens[7]
"""
MODEL = """
@Model.register("mine")
class MyModel(Model):
    def __init__(self, vocab, size: int = 4):
        super().__init__(vocab)
        self.embed = torch.nn.Embedding(vocab.get_vocab_size("tokens"), 4)
        self.proj = torch.nn.Linear(size, vocab.get_vocab_size("labels"))

    def forward(self, tokens, tags=None, metadata=None):
        vectors = self.embed(tokens["tokens"]["tokens"])
        scores = self.proj(vectors)
        loss = scores.pow(2).mean()
        return RETURNED
"""
ENCODER = """
@Seq2SeqEncoder.register("mine")
class Wrapped(Seq2SeqEncoder):
    def __init__(self, inner):
        super().__init__()
        self.width = inner.get_output_dim()
"""


def config(path: str = "", value: Any = None) -> dict[str, Any]:
    """The config with another value at a path."""
    changed: dict[str, Any] = json.loads(json.dumps(CONFIG))
    section = changed
    *steps, last = path.split(".")
    for step in steps:
        section = section[step]
    if path:
        section[last] = value
    return changed


def reader(returned: str) -> tuple[str, dict[str, Any]]:
    return READER.replace("RETURNED", returned), config("dataset_reader", "mine")


def model(returned: str, **options: Any) -> tuple[str, dict[str, Any]]:
    return MODEL.replace("RETURNED", returned), config("model", {"type": "mine", **options})


LSTM = {"type": "lstm", "input_size": 4, "hidden_size": 4}
CASES: dict[str, tuple[tuple[str, dict[str, Any]], list[str]]] = {
    "a reader yields None": (
        reader("None"),
        [
            "train.txt: Mine._read: expected instances, got None as number 1; does text_to_instance return its instance?",
        ],
    ),
    "a reader raises": (
        reader('Instance({"tokens": TextField([Token(words[7])])})'),
        [
            "IndexError: list index out of range",
            'my_parts.py:18, in text_to_instance: return Instance({"tokens": TextField([Token(words[7])])})',
            "while reading instance 1 of train.txt",
        ],
    ),
    "a reader of lines raises": (
        (LINE_READER, config("dataset_reader", "mine")),
        [
            "IndexError: list index out of range",
            "my_parts.py:13, in text_to_instance: return tokens[7]",
            "while reading train.txt, line 1",
        ],
    ),
    "a section for an argument without annotation": (
        (ENCODER, config("model.encoder", {"type": "mine", "inner": LSTM})),
        [
            "model.encoder: AttributeError: 'dict' object has no attribute 'get_output_dim'",
            "my_parts.py:14, in __init__: self.width = inner.get_output_dim()",
            "inner of Wrapped got the section of the config as it stands, since the constructor has no annotation for it; write "
            "what it is, such as inner: Seq2SeqEncoder",
        ],
    ),
    "a name twice": (
        (
            '\n@Model.register("twice")\nclass A(Model):\n    pass\n\n\n@Model.register("twice")\nclass B(Model):\n    pass\n',
            CONFIG,
        ),
        [
            "--include-package my_parts: ConfigurationError: cannot register my_parts.B as Model 'twice': the name is taken by "
            "my_parts.A; choose another name, or pass exist_ok=True to replace it (FOLDER/my_parts.py:15)",
        ],
    ),
    "wrong shapes": (
        model('{"loss": loss}', size=5),
        [
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied (6x4 and 5x3)",
            "my_parts.py:19, in forward: scores = self.proj(vectors)",
            "vectors (2, 3, 4)",
        ],
    ),
    "forward returns a tensor": (
        model("loss"),
        [
            "model  (c.json:7)",
            'MyModel.forward: expected a dictionary of outputs, with the loss as "loss", got a tensor of the shape (); return '
            '{"loss": ...}',
        ],
    ),
    "no loss": (
        model('{"scores": scores}'),
        [
            'MyModel.forward: expected a key "loss" in training, got scores; are the labels missing in the data?'
        ],
    ),
    "a loss that is no scalar": (
        model('{"loss": scores.sum(-1)}'),
        ['MyModel.forward: expected a scalar as "loss", got a tensor of the shape (2, 3); take its mean'],
    ),
    "a detached loss": (
        model('{"loss": loss.detach()}'),
        [
            "MyModel.forward: no gradient flows from the loss to the parameters; it is computed within torch.no_grad"
        ],
    ),
    "a loss that is NaN": (
        model('{"loss": loss * float("nan")}'),
        ["MyModel.forward: the loss of a first batch is nan; it may divide by 0 or take the logarithm of 0"],
    ),
    "a metric that is a list": (
        model('{"loss": loss}\n\n    def get_metrics(self, reset=False):\n        return {"a": [1, 2]}'),
        ["MyModel.get_metrics: expected a number as 'a', got list [1, 2]; give each number a name"],
    ),
    "num_steps of a scheduler": (
        (
            "",
            config(
                "trainer.learning_rate_scheduler",
                {"type": "linear_with_warmup", "warmup_steps": 1, "num_steps": 9},
            ),
        ),
        [
            "trainer.learning_rate_scheduler.num_steps  (c.json:",
            'unknown key; did you mean "num_steps_per_epoch"? nlpreg passes that itself: leave it out',
        ],
    ),
    "a key that a relative takes": (
        ("", config("model.dropout", 0.5)),
        [
            "model.dropout  (c.json:",
            'unknown key: simple_tagger takes no "dropout" (as basic_classifier does); model.encoder takes one of its own, which may '
            "mean something else",
        ],
    ),
    "a key of another section": (
        ("", config("trainer.lr", 0.5)),
        ["trainer.lr  (c.json:", 'unknown key; "lr" is a key of trainer.optimizer: move it there'],
    ),
    "a file beside the one that is meant": (
        ("", config("train_data_path", "trian.txt")),
        [
            "train_data_path  (c.json:",
            "there is no file trian.txt; did you mean 'train.txt', in the same folder?",
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_said(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code, changed), expected = CASES[case]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "my_parts", raising=False)
    (tmp_path / "my_parts.py").write_text(IMPORTS + code)
    (tmp_path / "c.json").write_text(json.dumps(changed, indent=1))
    (tmp_path / "train.txt").write_text("the###D dog###N barks###V\na###D cat###N sleeps###V\n")
    (tmp_path / "train.jsonl").write_text("")
    status = main("nlpreg", ["train", "c.json", "-s", "out", "--include-package", "my_parts"])
    shown = " ".join(capsys.readouterr().err.split())
    assert status in (1, 2) and "Traceback" not in shown
    at = 0
    for text in expected:  # in this order
        wanted = " ".join(text.replace("FOLDER", str(tmp_path)).split())
        assert wanted in shown[at:], shown
        at = shown.index(wanted, at)


def test_an_iterator_of_parameters_that_is_used_up() -> None:
    parameters = torch.nn.Linear(2, 2).named_parameters()
    assert len(AdamOptimizer(parameters).param_groups[0]["params"]) == 2
    with pytest.raises(
        ValueError, match=r"optimizer adam: got no parameters; .* pass list\(model.named_parameters\(\)\)"
    ):
        AdamOptimizer(parameters)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["describe", "model"], '"model", which is a registry: `nlpreg list model` shows its names'),
        (
            ["describe", "callbacks"],
            'did you mean the registry "trainer_callback"?: `nlpreg list trainer_callback` shows',
        ),
        (["list", "callbacks"], 'there is no registry "callbacks"; did you mean "trainer_callback"?'),
        (["list", "encoders"], 'did you mean "seq2seq_encoder"?'),
        (["list", "readers"], 'did you mean "dataset_reader"?'),
        (["list", "nonsense"], 'there is no registry "nonsense" (known: activation, '),
        (["describe", "callback:wandb"], 'there is no registry "callback"; did you mean "trainer_callback"?'),
    ],
)
def test_the_nearest_registry(words: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", words) == 2
    assert expected in capsys.readouterr().err


def test_overrides_by_key_and_value_may_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.json").write_text(json.dumps(CONFIG))
    (tmp_path / "other.txt").write_text("the###D dog###N barks###V\n")
    changes = [
        "trainer.num_epochs=3",
        "train_data_path=other.txt",
        '{"validation_data_path": null}',
        "model.encoder.hidden_size=5",
    ]
    words = [word for change in changes for word in ("-o", change)]
    assert main("nlpreg", ["train", "c.json", "-s", "out", "-q", *words]) == 0
    resolved = json.loads((tmp_path / "out" / "config.json").read_text())
    assert resolved["trainer"]["num_epochs"] == 3 and resolved["train_data_path"] == "other.txt"
    assert resolved["model"]["encoder"]["hidden_size"] == 5
    assert not re.search("other", json.dumps(CONFIG))
