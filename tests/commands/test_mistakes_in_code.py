"""Mistakes in the code of a plugin, or beside it: what the command line says of each, and where it says it is.

The texts are in `golden_mistakes/`. After a deliberate change write them anew, and read what changed:
`NLPREG_WRITE_GOLDEN=1 python -m pytest tests/commands/test_mistakes_in_code.py`.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpreg.commands.command_line import exit_status as main
from nlpreg.training.optimizers import AdamOptimizer

GOLDEN = Path(__file__).parent / "golden_mistakes"
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
from nlpreg.data.fields import SequenceLabelField, TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenIndexer
from nlpreg.data.tokenizers import Token
from nlpreg.models import Model
from nlpreg.modules import Seq2SeqEncoder
from nlpreg.training.callbacks import TrainerCallback
from nlpreg.training.metrics import CategoricalAccuracy, Metric
from nlpreg.training.optimizers import AdamOptimizer

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
SCALED = """
@Seq2SeqEncoder.register("mine")
class Scaled(Seq2SeqEncoder):
    def __init__(self, width: int):
        super().__init__()
        self.width = width
        self.layer = torch.nn.Linear(width + 1, width)

    def forward(self, inputs, mask):
        return self.layer(inputs)

    def get_input_dim(self):
        return self.width

    def get_output_dim(self):
        return self.width
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
TWICE = """
@Model.register("twice")
class A(Model):
    pass


@Model.register("twice")
class B(Model):
    pass
"""
USED_UP = """
class Stepped(MyModel):
    def __init__(self, vocab):
        super().__init__(vocab)
        parameters = self.named_parameters()
        print(len(list(parameters)), "parameters")
        self.steps = AdamOptimizer(parameters)


Model.register("stepped")(Stepped)
"""
METRICS = """

    def get_metrics(self, reset=False):
        return {"a": [1, 2]}"""
SCHEDULER = {"type": "linear_with_warmup", "warmup_steps": 1, "num_steps": 9}
OTHER_READER = (
    READER.partition("yield")[0]
    + """words = line.split()
                text = TextField([Token(word) for word in words], {"tokens": SingleIdTokenIndexer()})
                yield Instance(FIELDS)
"""
)
OTHER_PARTS = """
class MyMetric(Metric):
    def __call__(self, predictions):
        pass


@TrainerCallback.register("mine")
class MyCallback(TrainerCallback):
    def on_epoch(self, trainer, metrics):
        pass


@TrainerCallback.register("mine too")
class MyOtherCallback(TrainerCallback):
    def on_epoch(self, trainer, metrics, epoch, **kwargs):
        self.best = metrics["validation_f1"]


@Seq2SeqEncoder.register("mine")
class Doubled(Seq2SeqEncoder):
    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, inputs, mask):
        return inputs

    def get_input_dim(self):
        return self.width

    def get_output_dim(self):
        return 2 * self.width


@TokenIndexer.register("mine")
class MyIndexer(TokenIndexer):
    def count_vocab_items(self, token, counter):
        counter["tokens"][token.text] += 1

    def tokens_to_indices(self, tokens, vocabulary):
        return [vocabulary.get_token_index(token.text) for token in tokens]
"""


def other_reader(fields: str) -> tuple[str, dict[str, Any]]:
    return OTHER_READER.replace("FIELDS", fields), config("dataset_reader", "mine")


def other_part(path: str, value: Any) -> tuple[str, dict[str, Any]]:
    return OTHER_PARTS, config(path, value)


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "reader yields None": reader("None"),
    "reader raises": reader('Instance({"tokens": TextField([Token(words[7])])})'),
    "reader of lines raises": (LINE_READER, config("dataset_reader", "mine")),
    "section for an argument without annotation": (
        ENCODER,
        config("model.encoder", {"type": "mine", "inner": LSTM}),
    ),
    "name twice": (TWICE, CONFIG),
    "wrong shapes": model('{"loss": loss}', size=5),
    "wrong shapes in an encoder": (SCALED, config("model.encoder", {"type": "mine", "width": 4})),
    "forward returns a tensor": model("loss"),
    "no loss": model('{"scores": scores}'),
    "loss that is no scalar": model('{"loss": scores.sum(-1)}'),
    "detached loss": model('{"loss": loss.detach()}'),
    "loss that is NaN": model('{"loss": loss * float("nan")}'),
    "metric that is a list": model('{"loss": loss}' + METRICS),
    "iterator of parameters that is used up": (
        MODEL.replace("RETURNED", '{"loss": loss}') + USED_UP,
        config("model", "stepped"),
    ),
    "num_steps of a scheduler": ("", config("trainer.learning_rate_scheduler", SCHEDULER)),
    "key that a relative takes": ("", config("model.dropout", 0.5)),
    "key of another section": ("", config("trainer.lr", 0.5)),
    "model without a vocabulary": (
        MODEL.replace("self, vocab, size: int = 4", "self, size: int = 4").replace(
            "super().__init__(vocab)", "super().__init__()"
        ),
        config("model", "mine"),
    ),
    "mask of numbers": model(
        '{"loss": vectors.masked_fill(tokens["tokens"]["tokens"][..., None], 0.0).sum()}'
    ),
    "forward without an argument": (
        MODEL.replace("tags=None, metadata=None", "tags=None").replace("RETURNED", '{"loss": loss}'),
        config("model", "mine"),
    ),
    "measure of other shapes": model('{"loss": loss, "accuracy": CategoricalAccuracy()(tags, tags)}'),
    "measure that is called otherwise": (
        OTHER_PARTS + MODEL.replace("RETURNED", '{"loss": loss, "a": MyMetric()(scores, tags)}'),
        config("model", "mine"),
    ),
    "get_metrics without reset": model(
        '{"loss": loss}' + METRICS.replace("self, reset=False", "self").replace("[1, 2]", "1.0")
    ),
    "hook without arguments": other_part("trainer.callbacks", ["mine"]),
    "callback raises": other_part("trainer.callbacks", ["mine too"]),
    "wrong output width": other_part("model.encoder", {"type": "mine", "width": 4}),
    "indexer gives a list": other_part(
        "dataset_reader", {"type": "sequence_tagging", "token_indexers": {"tokens": "mine"}}
    ),
    "label instead of a list": other_reader('{"tokens": text, "tags": SequenceLabelField("NOUN", text)}'),
    "field that is a list": other_reader('{"tokens": words}'),
    "text of strings": other_reader('{"tokens": TextField(words)}'),
    "reader yields dictionaries": reader('{"tokens": words}'),
    "data path that is a list": (
        READER,
        config("dataset_reader", "mine") | {"train_data_path": ["train.txt"]},
    ),
    "scheduler in the optimizer": (
        "",
        config("trainer.optimizer", {"type": "adam", "learning_rate_scheduler": {"type": "noam"}}),
    ),
    "vectors of another width": (
        "",
        config(
            "model.text_field_embedder.token_embedders.tokens",
            {"type": "embedding", "embedding_dim": 4, "pretrained_file": "vectors.txt"},
        ),
    ),
    "file beside the one that is meant": ("", config("train_data_path", "trian.txt")),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with data, in which a plugin `my_parts` may be written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_parts", raising=False)
    (tmp_path / "train.txt").write_text("the###D dog###N barks###V\na###D cat###N sleeps###V\n")
    (tmp_path / "train.jsonl").write_text("")
    (tmp_path / "vectors.txt").write_text("the 0.1 0.2 0.3\ndog 0.1 0.2 0.3\n")
    return tmp_path


def compare_with_golden(name: str, shown: str) -> None:
    golden = GOLDEN / f"{name.replace(' ', '_')}.txt"
    if os.environ.get("NLPREG_WRITE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(shown)
    assert shown == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_gives_the_golden_message(
    case: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, changed = CASES[case]
    (project / "my_parts.py").write_text(IMPORTS + code)
    (project / "c.json").write_text(json.dumps(changed, indent=1))
    status = main("nlpreg", ["train", "c.json", "-s", "out", "--include-package", "my_parts"])
    shown = capsys.readouterr().err.replace(str(project), "FOLDER")
    assert status in (1, 2) and "Traceback" not in shown
    compare_with_golden(case, shown)


def test_init_writes_a_config_for_the_model_of_a_plugin(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = model('{"loss": loss}')
    (project / "my_parts.py").write_text(IMPORTS + code)
    assert main("nlpreg", ["init", "mine", "--include-package", "my_parts"]) == 0
    compare_with_golden("init of a model of a plugin", capsys.readouterr().out)


def test_an_iterator_of_parameters_that_is_used_up() -> None:
    parameters = torch.nn.Linear(2, 2).named_parameters()
    assert len(AdamOptimizer(parameters).param_groups[0]["params"]) == 2
    with pytest.raises(
        ValueError, match=r"optimizer adam: got no parameters; .* pass list\(model.named_parameters\(\)\)"
    ):
        AdamOptimizer(parameters)


@pytest.mark.parametrize(
    "words",
    [
        "describe model",
        "describe callbacks",
        "describe callback:wandb",
        "list callbacks",
        "list encoders",
        "list readers",
    ],
)
def test_the_nearest_registry(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", words.split()) == 2
    compare_with_golden(words.replace(":", " "), capsys.readouterr().err)


def test_a_name_that_is_like_no_registry() -> None:
    # in a process of its own: other tests make registries, which the message would list as well
    command = [sys.executable, "-m", "nlpreg", "list", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    compare_with_golden("list nonsense", done.stderr)


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


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("train.txt", {}, "dataset_reader: Unindexed: field 'text': this TextField has no token indexers"),
        ("folder", {}, "train_data_path: folder: this is a folder, expected a file"),
        (
            "folder",
            {"max_instances_in_memory": 2, "batches_per_epoch": 1},
            "train_data_path: folder: this is a folder, expected a file",
        ),
    ],
)
def test_mistakes_of_a_reader_name_the_key_and_the_field(
    path: str,
    options: dict[str, Any],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "unindexed_parts", raising=False)
    code = READER.replace("mine", "unindexed").replace("Mine", "Unindexed")
    code = code.replace("RETURNED", 'Instance({"text": TextField.from_words(words)})')
    (tmp_path / "unindexed_parts.py").write_text(IMPORTS + code)
    (tmp_path / "train.txt").write_text("a b\n")
    (tmp_path / "folder").mkdir()
    config = {**CONFIG, "dataset_reader": {"type": "unindexed"}, "train_data_path": path}
    del config["validation_data_path"]
    config["data_loader"] = {"batch_size": 2, **options}
    (tmp_path / "c.json").write_text(json.dumps(config))
    command = ["train", "c.json", "-s", "out", "--include-package", "unindexed_parts"]
    assert main("nlpreg", command) == 2
    assert message in capsys.readouterr().err
