"""Mistakes that only a first batch shows, and what `nlpreg check --data` says of each.

The texts are in `golden_first_batch/`. After a deliberate change write them anew, and read what changed:
`NLPREG_WRITE_GOLDEN=1 python -m pytest tests/commands/check/test_first_batch.py`.
"""

import copy
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nlpreg.commands.check import first_batch
from nlpreg.commands.check.checking import check_config
from nlpreg.commands.check.data_check import data_findings
from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.train.experiment import TrainModel
from nlpreg.commands.train.process import take_command_keys
from nlpreg.common.params import Params
from nlpreg.common.runtime.environment import prepare_environment
from nlpreg.data import DataLoader, DatasetReader, Instance, Vocabulary
from nlpreg.data.fields import LabelField, TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer
from nlpreg.data.tokenizers import Token
from nlpreg.models import Model
from nlpreg.training.metrics import CategoricalAccuracy

GOLDEN = Path(__file__).parent / "golden_first_batch"


@Model.register("planted_model")
class PlantedModel(Model):
    """Counts its batches and classifies the first word; `fault` says what it does wrong."""

    def __init__(self, vocab: Vocabulary, fault: str = "", **kwargs: Any) -> None:
        super().__init__(vocab, **kwargs)
        self.fault = fault
        self.table = nn.Embedding(vocab.get_vocab_size("tokens"), 4)
        self.normalisation = nn.BatchNorm1d(4, affine=False)
        self.output = nn.Linear(4, vocab.get_vocab_size("labels"))
        self.idle = nn.Linear(2, 2) if fault == "idle parameters" else None
        self.accuracy = CategoricalAccuracy()
        self.batches: list[int] = []
        self.number = 0

    def forward(self, text: Any, label: Any = None) -> Any:
        self.number += 1
        self.batches.append(len(label))
        vectors = self.normalisation(self.table(text["tokens"]["tokens"][:, 0]))
        if self.fault == "wrong shape":
            vectors = vectors.transpose(0, 1)
        logits = self.output(nn.functional.dropout(vectors, 0.1))
        loss = nn.functional.cross_entropy(logits, label)
        if self.fault == "returns a tensor":
            return loss
        self.accuracy(logits, label)
        losses = {
            "loss is a number": loss.item(),
            "loss is not scalar": nn.functional.cross_entropy(logits, label, reduction="none"),
            "loss is detached": loss.detach(),
            "loss is not finite": loss * float("nan"),
        }
        return {} if self.fault == "no loss" else {"loss": losses.get(self.fault, loss)}

    def get_metrics(self, reset: bool = False) -> dict[str, Any]:
        accuracy = self.accuracy.get_metric(reset)
        if self.fault == "metric is a list":
            return {"accuracy": [accuracy]}
        return accuracy if self.fault == "metrics are a number" else {"accuracy": accuracy}


@DatasetReader.register("planted_reader")
class PlantedReader(DatasetReader):
    """A word and its class a line."""

    def _read(self, file_path: Any) -> Iterator[Instance]:
        with open(file_path) as file:
            for line in file:
                word, label = line.split()
                text = TextField([Token(word)], {"tokens": SingleIdTokenIndexer()})
                yield Instance({"text": text, "label": LabelField(label)})


@pytest.fixture(autouse=True)
def planted_parts() -> None:
    """The registries are emptied of them after each test."""
    Model.register("planted_model", exist_ok=True)(PlantedModel)
    DatasetReader.register("planted_reader", exist_ok=True)(PlantedReader)


TAGGED = {
    "pos.txt": "the###DET dog###NOUN\na###DET cat###NOUN sat###VERB\n",
    "iob1.txt": "the###O dog###O\nin###O New###I-LOC York###I-LOC\n",
    "words.txt": "good pos\nbad neg\nfine pos\nawful neg\n",
    "ids.jsonl": '{"text": "good", "label": 1}\n{"text": "bad", "label": 0}\n',
}
TAGGER = {
    "type": "crf_tagger",
    "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
    "encoder": {"type": "lstm", "input_size": 4, "hidden_size": 4},
}
CLASSIFIER = {
    "type": "basic_classifier",
    "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
    "seq2vec_encoder": {"type": "boe", "embedding_dim": 4},
}


def experiment(model: dict[str, Any], data: str = "pos.txt", **more: Any) -> dict[str, Any]:
    reader = "planted_reader" if data == "words.txt" else "sequence_tagging"
    return {
        "dataset_reader": {"type": reader},
        "train_data_path": data,
        "validation_data_path": data,
        "model": model,
        "data_loader": {"batch_size": 2, "shuffle": True},
        "trainer": {"num_epochs": 2, "cuda_device": -1, "optimizer": {"type": "adam", "lr": 0.01}},
        **more,
    }


def planted(fault: str) -> dict[str, Any]:
    return experiment({"type": "planted_model", "fault": fault}, "words.txt")


FAULTS = [
    "returns a tensor",
    "no loss",
    "loss is a number",
    "loss is not scalar",
    "loss is detached",
    "loss is not finite",
    "metric is a list",
    "metrics are a number",
    "wrong shape",
    "idle parameters",
]
TRAINER = {"num_epochs": 2, "cuda_device": -1}
MISTAKES: dict[str, dict[str, Any]] = {
    **{fault: planted(fault) for fault in FAULTS},
    "fields of another model": experiment(CLASSIFIER),
    "labels that are ids": experiment(
        CLASSIFIER,
        "ids.jsonl",
        dataset_reader={
            "type": "text_classification_json",
            "tokenizer": "whitespace",
            "skip_label_indexing": True,
        },
    ),
    "labels in another namespace": experiment({**TAGGER, "label_namespace": "tags"}),
    "indexer that no embedder reads": experiment(
        {
            **TAGGER,
            "text_field_embedder": {
                "token_embedders": {
                    "tokens": {"type": "embedding", "embedding_dim": 4},
                    "letters": {"type": "empty"},
                }
            },
        },
        dataset_reader={
            "type": "sequence_tagging",
            "token_indexers": {
                "tokens": {"type": "single_id"},
                "letters": {"type": "characters", "min_padding_length": 3},
            },
        },
    ),
    "labels that are no spans": experiment({**TAGGER, "label_encoding": "BIO"}),
    "tags of another encoding": experiment({**TAGGER, "label_encoding": "BIO"}, "iob1.txt"),
    "metric that is not there": experiment(TAGGER, trainer={**TRAINER, "validation_metric": "+accuracy1"}),
    "patience without validation": {
        **experiment(TAGGER, trainer={**TRAINER, "patience": 3, "validation_metric": "+accuracy"}),
        "validation_data_path": None,
    },
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gives_the_golden_message(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for file, text in TAGGED.items():
        Path(file).write_text(text)
    Path("experiment.json").write_text(json.dumps(MISTAKES[name], indent=2))
    code: Any = 0
    try:
        main("nlpreg", ["check", "--data", "experiment.json"])
    except SystemExit as end:
        code = end.code
    shown = re.sub(r"test_first_batch\.py:\d+", "test_first_batch.py:LINE", capsys.readouterr().out)
    golden = GOLDEN / f"{name.replace(' ', '_')}.txt"
    if os.environ.get("NLPREG_WRITE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(shown)
    assert shown == golden.read_text()
    assert code == (2 if "problem" in shown.replace("no problems found", "") else 0)


def findings_of(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> first_batch.Findings:
    monkeypatch.chdir(tmp_path)
    for file, text in TAGGED.items():
        Path(file).write_text(text)
    checked = check_config(config)
    assert checked.problems == []
    return data_findings(checked)


def test_an_error_of_the_reader_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = experiment(TAGGER, "words.txt", dataset_reader={"type": "sequence_tagging"})
    (problem,) = findings_of(config, tmp_path, monkeypatch).problems
    assert (
        problem.message.startswith("words.txt, line 1: expected items such as word###TAG")
        and not problem.path
    )


@pytest.mark.parametrize("data_set", ["train", "validation"])
def test_tags_that_the_encoding_does_not_allow_are_located(
    data_set: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the span F1 refuses them first, and in a reader that splits the data of another one."""
    monkeypatch.chdir(tmp_path)
    Path("good.txt").write_text("the###O dog###U-X\n" * 8)
    Path("bad.txt").write_text("the###O dog###U-X\n" * 4 + "the###B-X dog###O\n" * 2)
    config = experiment({**TAGGER, "label_encoding": "BIOUL"}, "good.txt", data_loader={"batch_size": 9})
    if data_set == "train":
        reader = {"type": "sequence_tagging"}
        fold = {"type": "fold", "base_reader": reader, "path": "bad.txt", "fold": 0, "num_folds": 2}
        config.update(dataset_reader=fold, train_data_path="bad.txt")
    else:
        config["validation_data_path"] = "bad.txt"
    (problem,) = findings_of(config, tmp_path, monkeypatch).problems
    assert problem.path == "model.label_encoding"
    assert "BIOUL does not allow the tags of 2 of the first 6 sentences" in problem.message
    assert "such as bad.txt, line 5: B-X O;" in problem.message


def test_few_instances_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake behind them is not seen, and the labels of all data sets are known."""
    monkeypatch.chdir(tmp_path)
    Path("long.txt").write_text("the###DET\n" * 100 + "bad\n")
    config = experiment(TAGGER, "long.txt", datasets_for_vocab_creation=["train"])
    config["validation_data_path"] = "pos.txt"
    found = findings_of(config, tmp_path, monkeypatch)
    assert found.problems == found.warnings == []
    assert "max_instances" not in config["dataset_reader"]


def test_a_metric_of_a_label_may_be_missing_in_a_first_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = {**TRAINER, "validation_metric": "+f1-measure-LOC"}
    model = {**TAGGER, "label_encoding": "IOB1", "verbose_metrics": True}
    config = experiment(model, "iob1.txt", trainer=trainer, data_loader={"batch_size": 1})
    found = findings_of(config, tmp_path, monkeypatch)
    assert found.problems == []
    assert [warning.path for warning in found.warnings] == ["trainer.validation_metric"]


STREAMED = {"batch_size": 2, "shuffle": True, "max_instances_in_memory": 3}
RUNNING = {"type": "running_text", "batch_size": 2, "bptt": 2, "cache": False, "shuffle": True}
LOADERS: dict[str, tuple[Any, str]] = {
    "in memory": ({"batch_size": 2, "shuffle": True}, "words.txt"),
    "streamed": (STREAMED, "words.txt"),
    "one epoch over several passes": ({**STREAMED, "batches_per_epoch": 3}, "words.txt"),
    "simple": ({"type": "simple", "batch_size": 2, "shuffle": True}, "words.txt"),
    "sampler": ({"batch_sampler": {"type": "bucket", "batch_size": 2}}, "pos.txt"),
    "running text": (RUNNING, "text.txt"),
    "lines": ({"type": "text_lines", "batch_size": 2, "shuffle": True, "cache": False}, "text.txt"),
}


def trained(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The weights, the metrics and what else a run ends with."""
    folder.mkdir()
    params = Params(copy.deepcopy(config))
    take_command_keys(params)
    prepare_environment(params)
    train_loop = TrainModel.from_params(
        params=params, serialization_dir=str(folder), local_rank=0, ddp_accelerator=None
    )
    first_batch.try_first_batches(train_loop)
    metrics = train_loop.run()
    state = {name: value.clone() for name, value in train_loop.model.state_dict().items()}
    numbers = {name: value for name, value in metrics.items() if not re.search("duration|memory", name)}
    model: Any = train_loop.model
    return {
        "weights": state,
        "metrics": numbers,
        "batches": getattr(model, "batches", None),
        "drawn": torch.rand(3),
    }


@pytest.mark.parametrize("name", LOADERS)
def test_a_run_is_the_same_with_and_without_the_trial(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file, text in TAGGED.items():
        Path(file).write_text(text)
    Path("text.txt").write_text("a b c d e\nf g a b\nc d\nb a c\n" * 3)
    loader, data = LOADERS[name]
    if data == "text.txt":
        model = {
            "type": "language_model",
            "dropout": 0.2,
            "text_field_embedder": TAGGER["text_field_embedder"],
            "contextualizer": {"type": "lstm", "input_size": 4, "hidden_size": 4, "stateful": True},
        }
        config = experiment(
            model, dataset_reader={"type": "simple_language_modeling", "tokenizer": "whitespace"}
        )
        config.update(train_data_path=data, validation_data_path=data)
    else:
        model = {"type": "planted_model"} if data == "words.txt" else {**TAGGER, "dropout": 0.2}
        config = experiment(model, data)
    config["data_loader"] = loader
    with_trial = trained(config, tmp_path / "with")
    tried: list[str] = []
    monkeypatch.setattr(first_batch, "_try_batch", lambda name, *arguments: tried.append(name))
    without = trained(config, tmp_path / "without")
    assert tried == ["train", "validation"]
    torch.testing.assert_close(with_trial, without, rtol=0, atol=0)


def test_what_cannot_be_tried_is_left_to_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaders and trainers of other packages may do something that a sample does not show."""

    @DataLoader.register("planted_loader")
    class Planted(DataLoader):
        def __init__(self, reader: DatasetReader, data_path: str) -> None:
            self.instances = list(reader.read(data_path))

        def __len__(self) -> int:
            return 1

        def __iter__(self) -> Iterator[Any]:
            raise AssertionError("it is not to be iterated over")

        def iter_instances(self) -> Iterator[Instance]:
            return iter(self.instances)

        def index_with(self, vocab: Vocabulary) -> None:
            pass

        def set_target_device(self, device: torch.device) -> None:
            pass

    config = {**planted("no loss"), "data_loader": {"type": "planted_loader"}}
    assert findings_of(config, tmp_path, monkeypatch).problems == []
