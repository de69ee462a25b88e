"""Code written for AllenNLP 2.x, moved over by renaming `allennlp` to `nlpreg` and nothing else."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

OLD_CODE = """
from typing import Any, Dict, Iterable, List, Optional

import torch
from overrides_stub import overrides

from allennlp.commands.train import TrainModel
from allennlp.common import Lazy, Params, Registrable
from allennlp.common.file_utils import cached_path
from allennlp.common.util import JsonDict
from allennlp.data import DatasetReader, Field, Instance, TextFieldTensors, Token, TokenIndexer, Tokenizer, Vocabulary
from allennlp.data.fields import LabelField, TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.data.tokenizers import WhitespaceTokenizer
from allennlp.models import Model
from allennlp.modules import Seq2VecEncoder, TextFieldEmbedder
from allennlp.nn import InitializerApplicator, util
from allennlp.predictors import Predictor
from allennlp.training import GradientDescentTrainer, TrainerCallback
from allennlp.training.metrics import CategoricalAccuracy, Metric


@DatasetReader.register("csv_pairs")
class CsvPairs(DatasetReader):
    def __init__(self, tokenizer: Tokenizer = None, token_indexers: Dict[str, TokenIndexer] = None,
                 sep: str = ",", **kwargs) -> None:
        super().__init__(manual_distributed_sharding=True, manual_multiprocess_sharding=True, **kwargs)
        self._tokenizer = tokenizer or WhitespaceTokenizer()
        self._token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer()}
        self._sep = sep

    def _read(self, file_path):
        with open(cached_path(file_path)) as f:
            for line in self.shard_iterable(f):
                text, label = line.rstrip("\\n").rsplit(self._sep, 1)
                yield self.text_to_instance(text, label)

    def text_to_instance(self, text: str, label: str = None) -> Instance:
        fields: Dict[str, Field] = {"text": TextField(self._tokenizer.tokenize(text))}
        if label is not None:
            fields["label"] = LabelField(label)
        return Instance(fields)

    def apply_token_indexers(self, instance: Instance) -> None:
        instance["text"].token_indexers = self._token_indexers


@Metric.register("count_calls")
class CountCalls(Metric):
    def __init__(self) -> None:
        self._calls = 0

    def __call__(self, predictions: torch.Tensor, gold_labels: torch.Tensor, mask: Optional[torch.BoolTensor] = None):
        predictions, gold_labels = self.detach_tensors(predictions, gold_labels)
        self._calls += gold_labels.size(0)

    def get_metric(self, reset: bool = False):
        calls = self._calls
        if reset:
            self.reset()
        return {"seen": float(calls)}

    def reset(self):
        self._calls = 0


@Model.register("pairs_classifier")
class PairsClassifier(Model):
    default_predictor = "pairs"

    def __init__(self, vocab: Vocabulary, embedder: TextFieldEmbedder, encoder: Seq2VecEncoder, extra_metric: Metric = None,
                 dropout: float = 0.0, initializer: InitializerApplicator = InitializerApplicator(), **kwargs) -> None:
        super().__init__(vocab, **kwargs)
        self._embedder = embedder
        self._encoder = encoder
        self._classifier = torch.nn.Linear(encoder.get_output_dim(), vocab.get_vocab_size("labels"))
        self._dropout = torch.nn.Dropout(dropout)
        self._accuracy = CategoricalAccuracy()
        self._extra = extra_metric
        self._loss = torch.nn.CrossEntropyLoss()
        initializer(self)

    def forward(self, text: TextFieldTensors, label: torch.IntTensor = None) -> Dict[str, torch.Tensor]:
        mask = util.get_text_field_mask(text)
        logits = self._classifier(self._dropout(self._encoder(self._embedder(text), mask=mask)))
        output = {"logits": logits, "probs": torch.nn.functional.softmax(logits, dim=-1)}
        output["token_ids"] = util.get_token_ids_from_text_field_tensors(text)
        if label is not None:
            output["loss"] = self._loss(logits, label.long().view(-1))
            self._accuracy(logits, label)
            if self._extra is not None:
                self._extra(logits, label)
        return output

    def make_output_human_readable(self, output_dict: Dict[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
        indices = output_dict["probs"].argmax(dim=-1)
        output_dict["label"] = [self.vocab.get_token_from_index(int(i), namespace="labels") for i in indices]
        return output_dict

    def get_metrics(self, reset: bool = False) -> Dict[str, float]:
        metrics = {"accuracy": self._accuracy.get_metric(reset)}
        if self._extra is not None:
            metrics.update(self._extra.get_metric(reset))
        return metrics


@TrainerCallback.register("remember")
class Remember(TrainerCallback):
    def __init__(self, serialization_dir: str, note: str = "none") -> None:
        super().__init__(serialization_dir)
        self.note = note
        self.events: List[str] = []

    def on_start(self, trainer: "GradientDescentTrainer", is_primary: bool = True, **kwargs) -> None:
        super().on_start(trainer, is_primary, **kwargs)
        self.events.append("start")

    def on_backward(self, trainer, batch_outputs: Dict[str, torch.Tensor], backward_called: bool, **kwargs) -> bool:
        assert not backward_called
        batch_outputs["loss"].backward()
        self.events.append("backward")
        return True

    def on_batch(self, trainer, batch_inputs, batch_outputs, batch_metrics: Dict[str, Any], epoch: int,
                 batch_number: int, is_training: bool, is_primary: bool = True,
                 batch_grad_norm: Optional[float] = None, **kwargs) -> None:
        assert "label" in batch_inputs[0] and "logits" in batch_outputs[0]
        self.events.append(f"batch {epoch} {batch_number} {is_training} {sorted(batch_metrics)}")

    def on_epoch(self, trainer, metrics: Dict[str, Any], epoch: int, is_primary: bool = True, **kwargs) -> None:
        assert trainer.model is self.trainer.model and trainer._epochs_completed == epoch
        self.events.append(f"epoch {epoch} {'validation_accuracy' in metrics}")

    def on_end(self, trainer, metrics=None, epoch=None, is_primary: bool = True, **kwargs) -> None:
        self.events.append(f"end {epoch}")

    def state_dict(self) -> Dict[str, Any]:
        return {"events": self.events}

    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        self.events = list(state_dict["events"])


@Predictor.register("pairs")
class PairsPredictor(Predictor):
    def predict(self, text: str) -> JsonDict:
        return self.predict_json({"text": text})

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        return self._dataset_reader.text_to_instance(json_dict["text"])

    def load_line(self, line: str) -> JsonDict:
        return {"text": line.strip()}

    def dump_line(self, outputs: JsonDict) -> str:
        return outputs["label"] + "\\n"


@TrainModel.register("noting", constructor="from_partial_objects")
class NotingTrainModel(TrainModel):
    def finish(self, metrics: Dict[str, Any]) -> None:
        metrics["noted"] = 1
        super().finish(metrics)

"""

LINES = ["good film,pos", "bad film,neg", "good good,pos", "a bad bad one,neg", "日本 film,pos"]


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The old code as a module of its own, renamed; and files of data beside it."""
    (tmp_path / "overrides_stub.py").write_text("def overrides(function):\n    return function\n")
    (tmp_path / "moved_plugin.py").write_text(OLD_CODE.replace("allennlp", "nlpreg"))
    (tmp_path / "data.csv").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield importlib.import_module("moved_plugin")
    for name in ("moved_plugin", "overrides_stub"):
        sys.modules.pop(name, None)


def config_of(**changes: Any) -> dict[str, Any]:
    return {
        "dataset_reader": {"type": "csv_pairs", "tokenizer": "letters_digits", "max_instances": 100},
        "train_data_path": "data.csv",
        "validation_data_path": "data.csv",
        "model": {
            "type": "pairs_classifier",
            "embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 6}}},
            "encoder": {"type": "bag_of_embeddings", "embedding_dim": 6},
            "extra_metric": "count_calls",
        },
        "data_loader": {"batch_size": 2, "shuffle": True},
        "trainer": {"num_epochs": 2, "optimizer": "adam", "callbacks": [{"type": "remember", "note": "x"}]},
    } | changes


@pytest.mark.parametrize(
    ("num_workers", "start_method", "in_memory"),
    [(0, "fork", None), (0, "fork", 2), (2, "fork", None), (2, "fork", 2), (2, "spawn", 2)],
)
def test_a_reader_in_one_process_and_in_many(
    num_workers: int, start_method: str, in_memory: int | None, plugin: ModuleType
) -> None:
    from nlpreg.common import Params
    from nlpreg.data import DatasetReader, Vocabulary
    from nlpreg.data.data_loaders import MultiProcessDataLoader

    section = {
        "type": "csv_pairs",
        "tokenizer": "letters_digits",
        "token_indexers": {"tokens": {"lowercase_tokens": True}},
    }
    reader = DatasetReader.from_params(Params(section))
    vocab = Vocabulary.from_instances(reader.read("data.csv"))
    assert vocab.get_vocab_size("labels") == 2
    loader = MultiProcessDataLoader(
        reader,
        "data.csv",
        batch_size=2,
        num_workers=num_workers,
        start_method=start_method,
        max_instances_in_memory=in_memory,
        quiet=True,
    )
    loader.index_with(vocab)
    for _ in range(2):
        batches = list(loader)
        rows = [row for batch in batches for row in batch["text"]["tokens"]["tokens"].tolist()]
        assert sorted(" ".join(vocab.get_token_from_index(i) for i in row if i) for row in rows) == sorted(
            line.split(",")[0] for line in LINES
        )
        assert all(batch["label"].dtype == torch.long and batch["label"].dim() == 1 for batch in batches)


def test_sharding_over_ranks(plugin: ModuleType) -> None:
    from nlpreg.data.dataset_readers import WorkerInfo
    from nlpreg.data.dataset_readers.dataset_reader import DistributedInfo

    shares = []
    for rank in range(2):
        for worker in range(2):
            reader = plugin.CsvPairs(max_instances=4)
            reader._set_distributed_info(DistributedInfo(2, rank))
            reader._set_worker_info(WorkerInfo(2, worker))
            assert reader.get_distributed_info().world_size == 2 and reader.get_worker_info().id == worker
            shares.append([str(instance["text"].tokens) for instance in reader.read("data.csv")])
    assert all(len(share) == 1 for share in shares)
    assert len({share[0] for share in shares}) == 4


def test_a_trainer_made_by_hand(plugin: ModuleType, tmp_path: Path) -> None:
    from nlpreg.data import Vocabulary
    from nlpreg.data.data_loaders import SimpleDataLoader
    from nlpreg.modules.seq2vec_encoders import BagOfEmbeddingsEncoder
    from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
    from nlpreg.modules.token_embedders import Embedding
    from nlpreg.training import Checkpointer, GradientDescentTrainer
    from nlpreg.training.learning_rate_schedulers import LinearWithWarmup
    from nlpreg.training.optimizers import AdamOptimizer
    from nlpreg.training.util import evaluate

    torch.manual_seed(0)
    instances = list(plugin.CsvPairs().read("data.csv"))
    vocab = Vocabulary.from_instances(instances)
    embedding = Embedding(embedding_dim=6, num_embeddings=vocab.get_vocab_size("tokens"))
    model = plugin.PairsClassifier(
        vocab, BasicTextFieldEmbedder({"tokens": embedding}), BagOfEmbeddingsEncoder(6)
    )
    loader = SimpleDataLoader(instances, 2, shuffle=True, vocab=vocab)
    parameters = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    optimizer = AdamOptimizer(parameters, lr=0.1)
    callback = plugin.Remember(str(tmp_path / "run"))
    trainer = GradientDescentTrainer(
        model,
        optimizer,
        loader,
        patience=5,
        validation_metric="+accuracy",
        validation_data_loader=SimpleDataLoader(instances, 2, vocab=vocab),
        num_epochs=3,
        serialization_dir=str(tmp_path / "run"),
        checkpointer=Checkpointer(str(tmp_path / "run")),
        cuda_device=-1,
        grad_norm=1.0,
        learning_rate_scheduler=LinearWithWarmup(optimizer, 3, len(loader), warmup_steps=2),
        callbacks=[callback],
        enable_default_callbacks=False,
        run_confidence_checks=False,
    )
    metrics = trainer.train()
    assert metrics["best_validation_accuracy"] == 1.0 and metrics["training_loss"] > 0
    assert callback.events[0] == "start" and callback.events[-1] == "end 2"
    assert callback.events.count("backward") == 9
    assert callback.events[2] == "batch 0 1 True ['accuracy', 'batch_loss', 'loss']"
    assert sum(event.startswith("batch") and "False" in event for event in callback.events) == 9
    assert Path(trainer.get_best_weights_path()).name == "best.th"
    assert evaluate(model, SimpleDataLoader(instances, 2, vocab=vocab))["accuracy"] == 1.0
    assert (tmp_path / "run" / "metrics_epoch_2.json").exists()


def test_everything_from_a_config(plugin: ModuleType, tmp_path: Path) -> None:
    from nlpreg.commands.train import train_model, train_model_from_file
    from nlpreg.common import Params
    from nlpreg.models import Model, load_archive
    from nlpreg.predictors import Predictor

    model = train_model(Params(config_of(type="noting")), str(tmp_path / "run"))
    assert type(model) is plugin.PairsClassifier
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["noted"] == 1 and metrics["training_seen"] == 5 and metrics["validation_seen"] == 5

    archive = load_archive(str(tmp_path / "run" / "model.tar.gz"))
    assert type(archive.model) is plugin.PairsClassifier and archive.meta is not None
    loaded = Model.load(archive.config.duplicate(), str(tmp_path / "run"))
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, archive.model.state_dict()[name])
    predictor = Predictor.from_path(str(tmp_path / "run" / "model.tar.gz"), "pairs")
    assert type(predictor) is plugin.PairsPredictor and not predictor._model.training
    found = predictor.predict("good film")
    assert set(found) == {"logits", "probs", "token_ids", "label"}
    assert predictor.predict_batch_json([{"text": "bad"}, {"text": "a good one"}])[1]["label"] in (
        "pos",
        "neg",
    )

    (tmp_path / "again.json").write_text(json.dumps(config_of()))
    overrides = json.dumps({"trainer.num_epochs": 1, "model.dropout": 0.5})
    again = train_model_from_file(
        str(tmp_path / "again.json"), str(tmp_path / "again"), overrides=overrides, return_model=True
    )
    assert again._dropout.p == 0.5


def test_from_the_command_line(
    plugin: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nlpreg.commands.command_line import exit_status as main

    (tmp_path / "c.json").write_text(json.dumps(config_of()))
    included = ["--include-package", "moved_plugin"]
    assert main("nlpreg", ["train", "c.json", "-s", "out", *included]) == 0
    (tmp_path / "lines.txt").write_text("good film\n\nbad\n")
    arguments = [
        "predict",
        "out/model.tar.gz",
        "lines.txt",
        "--output-file",
        "found.txt",
        "--silent",
        *included,
    ]
    assert main("nlpreg", arguments) == 0
    assert len((tmp_path / "found.txt").read_text().splitlines()) == 2
    assert main("nlpreg", ["evaluate", "out", "data.csv", "--output-file", "m.json", *included]) == 0
    assert json.loads((tmp_path / "m.json").read_text())["seen"] == 5
    capsys.readouterr()
