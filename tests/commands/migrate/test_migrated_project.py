"""A small research project, written for AllenNLP 2.x as its users do, works after `allennlp` is replaced by `nlpreg`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

FILES = {
    "weather/__init__.py": "",
    "weather/reader.py": """
import logging
from typing import Dict, Iterable, List, Optional

from allennlp.common.file_utils import cached_path
from allennlp.data import DatasetReader, Field, Instance, Token, TokenIndexer, Tokenizer
from allennlp.data.fields import LabelField, MetadataField, TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.data.tokenizers import WhitespaceTokenizer

logger = logging.getLogger(__name__)


@DatasetReader.register("weather-tsv")
class WeatherReader(DatasetReader):
    def __init__(
        self,
        tokenizer: Tokenizer = None,
        token_indexers: Dict[str, TokenIndexer] = None,
        max_tokens: int = None,
        **kwargs,
    ):
        super().__init__(manual_distributed_sharding=True, manual_multiprocess_sharding=True, **kwargs)
        self.tokenizer = tokenizer or WhitespaceTokenizer()
        self.token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer()}
        self.max_tokens = max_tokens

    def _read(self, file_path: str) -> Iterable[Instance]:
        with open(cached_path(file_path), "r") as lines:
            logger.info("reading %s", file_path)
            for line in self.shard_iterable(lines):
                text, label = line.strip().split("\\t")
                yield self.text_to_instance(text, label)

    def text_to_instance(self, text: str, label: Optional[str] = None) -> Instance:
        tokens: List[Token] = self.tokenizer.tokenize(text)
        if self.max_tokens:
            tokens = tokens[: self.max_tokens]
        fields: Dict[str, Field] = {"text": TextField(tokens), "metadata": MetadataField({"text": text})}
        if label is not None:
            fields["label"] = LabelField(label)
        return Instance(fields)

    def apply_token_indexers(self, instance: Instance) -> None:
        instance.fields["text"].token_indexers = self.token_indexers
""",
    "weather/model.py": """
from typing import Any, Dict, List

import torch
from overrides_or_nothing import overrides

from allennlp.data import TextFieldTensors, Vocabulary
from allennlp.models import Model
from allennlp.modules import FeedForward, Seq2VecEncoder, TextFieldEmbedder
from allennlp.nn import InitializerApplicator, RegularizerApplicator, util
from allennlp.training.metrics import CategoricalAccuracy, F1Measure


@Model.register("weather-classifier")
class WeatherClassifier(Model):
    default_predictor = "weather"

    def __init__(
        self,
        vocab: Vocabulary,
        embedder: TextFieldEmbedder,
        encoder: Seq2VecEncoder,
        feedforward: FeedForward = None,
        dropout: float = 0.0,
        initializer: InitializerApplicator = InitializerApplicator(),
        regularizer: RegularizerApplicator = None,
        **kwargs,
    ) -> None:
        super().__init__(vocab, regularizer=regularizer, **kwargs)
        self.embedder = embedder
        self.encoder = encoder
        self.feedforward = feedforward
        self.dropout = torch.nn.Dropout(dropout)
        width = feedforward.get_output_dim() if feedforward else encoder.get_output_dim()
        self.classifier = torch.nn.Linear(width, vocab.get_vocab_size("labels"))
        self.accuracy = CategoricalAccuracy()
        self.f1 = F1Measure(positive_label=vocab.get_token_index("good", "labels"))
        self.loss = torch.nn.CrossEntropyLoss()
        initializer(self)

    @overrides
    def forward(
        self,
        text: TextFieldTensors,
        metadata: List[Dict[str, Any]] = None,
        label: torch.Tensor = None,
    ) -> Dict[str, torch.Tensor]:
        embedded = self.embedder(text)
        mask = util.get_text_field_mask(text)
        encoded = self.dropout(self.encoder(embedded, mask))
        if self.feedforward is not None:
            encoded = self.feedforward(encoded)
        logits = self.classifier(encoded)
        output = {"logits": logits, "probs": torch.nn.functional.softmax(logits, dim=-1)}
        if metadata is not None:
            output["text"] = [m["text"] for m in metadata]
        if label is not None:
            self.accuracy(logits, label)
            self.f1(logits, label)
            output["loss"] = self.loss(logits, label)
        return output

    def make_output_human_readable(self, output_dict: Dict[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
        best = output_dict["probs"].argmax(dim=-1)
        output_dict["label"] = [self.vocab.get_token_from_index(int(i), "labels") for i in best]
        return output_dict

    def get_metrics(self, reset: bool = False) -> Dict[str, float]:
        return {"accuracy": self.accuracy.get_metric(reset), **self.f1.get_metric(reset)}
""",
    "weather/predictor.py": """
from allennlp.common.util import JsonDict
from allennlp.data import Instance
from allennlp.predictors import Predictor


@Predictor.register("weather")
class WeatherPredictor(Predictor):
    def predict(self, text: str) -> JsonDict:
        return self.predict_json({"text": text})

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        return self._dataset_reader.text_to_instance(json_dict["text"])

    def dump_line(self, outputs: JsonDict) -> str:
        return outputs["label"] + "\\n"
""",
    "weather/callback.py": """
import os
from typing import Any, Dict

from allennlp.training import GradientDescentTrainer, TrainerCallback


@TrainerCallback.register("count-batches")
class CountBatches(TrainerCallback):
    def __init__(self, serialization_dir: str, file_name: str = "count.txt") -> None:
        super().__init__(serialization_dir)
        self.path = os.path.join(serialization_dir, file_name)
        self.count = 0

    def on_batch(
        self, trainer: GradientDescentTrainer, batch_inputs, batch_outputs, batch_metrics: Dict[str, Any],
        epoch: int, batch_number: int, is_training: bool, is_primary: bool = True, batch_grad_norm=None, **kwargs,
    ) -> None:
        assert all("loss" in output for output in batch_outputs) and "accuracy" in batch_metrics
        self.count += is_training

    def on_end(self, trainer, metrics: Dict[str, Any] = None, epoch: int = None, is_primary: bool = True, **kwargs):
        with open(self.path, "w") as file:
            file.write(str(self.count))
""",
    "overrides_or_nothing.py": "def overrides(method):\n    return method\n",
    ".allennlp_plugins": "weather\n",
    "config.jsonnet": """
local width = 12 / 2;
{
    "dataset_reader": {
        "type": "weather-tsv",
        "token_indexers": {
            "tokens": {"type": "single_id", "lowercase_tokens": true},
            "characters": {"type": "characters", "min_padding_length": 3},
        },
        "max_tokens": 20,
    },
    "train_data_path": "data/train.tsv",
    "validation_data_path": "data/dev.tsv",
    "test_data_path": "data/dev.tsv",
    "evaluate_on_test": true,
    "model": {
        "type": "weather-classifier",
        "embedder": {
            "token_embedders": {
                "tokens": {"type": "embedding", "embedding_dim": width},
                "characters": {
                    "type": "character_encoding",
                    "embedding": {"embedding_dim": 4, "vocab_namespace": "token_characters"},
                    "encoder": {"type": "cnn", "embedding_dim": 4, "num_filters": 2, "ngram_filter_sizes": [2, 3]},
                },
            },
        },
        "encoder": {"type": "lstm", "input_size": width + 4, "hidden_size": 8, "bidirectional": true},
        "feedforward": {"input_dim": 16, "num_layers": 1, "hidden_dims": 6, "activations": "relu", "dropout": 0.1},
        "initializer": {"regexes": [["classifier.weight", {"type": "xavier_uniform"}]]},
        "regularizer": {"regexes": [["classifier", {"type": "l2", "alpha": 1e-4}]]},
    },
    "data_loader": {"batch_sampler": {"type": "bucket", "batch_size": 2, "sorting_keys": ["text"]}},
    "trainer": {
        "optimizer": {"type": "huggingface_adamw", "lr": 0.02, "parameter_groups": [[["bias"], {"weight_decay": 0}]]},
        "learning_rate_scheduler": {"type": "slanted_triangular", "cut_frac": 0.1},
        "num_epochs": 6,
        "patience": 6,
        "grad_norm": 5.0,
        "validation_metric": "+accuracy",
        "cuda_device": -1,
        "callbacks": ["count-batches"],
        "checkpointer": {"keep_most_recent_by_count": 1},
    },
}
""",
    "data/train.tsv": "what a sunny day\tgood\nrain and more rain\tbad\nSun at last\tgood\ngrey clouds\tbad\nsunny again\tgood\n",
    "data/dev.tsv": "a sunny day\tgood\nmore rain\tbad\n",
    "script.py": """
import sys

from allennlp.data import Vocabulary
from allennlp.data.data_loaders import MultiProcessDataLoader, SimpleDataLoader
from allennlp.models.archival import load_archive
from allennlp.modules.seq2vec_encoders import BagOfEmbeddingsEncoder
from allennlp.modules.text_field_embedders import BasicTextFieldEmbedder
from allennlp.modules.token_embedders import Embedding
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer
from allennlp.training.optimizers import AdamOptimizer
from allennlp.training.util import evaluate
from weather.model import WeatherClassifier
from weather.reader import WeatherReader

reader = WeatherReader()
train = MultiProcessDataLoader(reader, "data/train.tsv", batch_size=2, shuffle=True)
dev = SimpleDataLoader(list(reader.read("data/dev.tsv")), 2, shuffle=False)
vocab = Vocabulary.from_instances(train.iter_instances())
train.index_with(vocab)
dev.index_with(vocab)
embedder = BasicTextFieldEmbedder({"tokens": Embedding(10, vocab.get_vocab_size("tokens"))})
model = WeatherClassifier(vocab, embedder, BagOfEmbeddingsEncoder(10))
named = [[name, p] for name, p in model.named_parameters() if p.requires_grad]
trainer = GradientDescentTrainer(
    model=model, serialization_dir=sys.argv[1], data_loader=train, validation_data_loader=dev, num_epochs=2,
    optimizer=AdamOptimizer(named, lr=0.1), cuda_device=-1,
)
print(sorted(trainer.train()))
print(evaluate(model, dev)["accuracy"])
print("done")
""",
    "tests/test_weather.py": """
import pathlib

from allennlp.common import Params
from allennlp.common.testing import AllenNlpTestCase, ModelTestCase
from allennlp.commands.train import train_model
from allennlp.common.util import ensure_list
from allennlp.data import DatasetReader
from weather.model import WeatherClassifier
from weather.reader import WeatherReader

ROOT = pathlib.Path(__file__).parent.parent


class TestReader(AllenNlpTestCase):
    def test_instances(self):
        reader = DatasetReader.from_params(Params({"type": "weather-tsv"}))
        assert isinstance(reader, WeatherReader)
        instances = ensure_list(reader.read(str(ROOT / "data" / "train.tsv")))
        assert len(instances) == 5
        fields = instances[0].fields
        assert [t.text for t in fields["text"].tokens] == ["what", "a", "sunny", "day"]
        assert fields["label"].label == "good"


class TestClassifier(ModelTestCase):
    def setup_method(self):
        super().setup_method()
        self.set_up_model(ROOT / "small.jsonnet", ROOT / "data" / "train.tsv")

    def test_trains_and_loads(self):
        self.ensure_model_can_train_save_and_load(self.param_file, tolerance=1e-4)

    def test_batch_predictions_are_consistent(self):
        self.ensure_batch_predictions_are_consistent()

    def test_output(self):
        output = self.model.forward_on_instances(list(self.instances))
        assert len(output) == 5 and all(o["label"] in ("good", "bad") for o in output)

    def test_train_model(self):
        params = Params.from_file(self.param_file)
        model = train_model(params, serialization_dir=self.TEST_DIR / "run")
        assert isinstance(model, WeatherClassifier)
""",
    "small.jsonnet": """
(import "config.jsonnet") + {
    train_data_path: std.extVar("PROJECT") + "/data/train.tsv",
    validation_data_path: std.extVar("PROJECT") + "/data/dev.tsv",
    test_data_path:: null,
    evaluate_on_test: false,
    trainer+: {num_epochs: 2, callbacks: []},
}
""",
}


PROGRAM = """
import runpy, sys
import pytest
from nlpreg.commands.command_line import exit_status as main

for words in COMMANDS:
    assert main("nlpreg", [*words, "--include-package", "weather"]) == 0
sys.argv = ["script.py", "scripted"]
runpy.run_path("script.py")
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", ".", "tests"]))
"""
COMMANDS = [
    ["check", "config.jsonnet"],
    ["train", "config.jsonnet", "-s", "out"],
    ["evaluate", "out/model.tar.gz", "data/dev.tsv", "--output-file", "metrics.json"],
    ["predict", "out/model.tar.gz", "in.jsonl", "--output-file", "labels.txt", "--batch-size", "2"],
]


def test_a_renamed_project(tmp_path: Path) -> None:
    for name, text in FILES.items():
        path = tmp_path / name.replace("allennlp", "nlpreg")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("allennlp", "nlpreg").lstrip("\n"))
    data = [line.split("\t") for line in FILES["data/dev.tsv"].splitlines()]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps({"text": text}) for text, _ in data))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("COMMANDS", repr(COMMANDS))],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", "OMP_NUM_THREADS": "1", "PROJECT": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    trained = json.loads((tmp_path / "out" / "metrics.json").read_text())
    measured = json.loads((tmp_path / "metrics.json").read_text())
    for name in ("accuracy", "f1", "loss"):
        assert measured[name] == pytest.approx(trained[f"best_validation_{name}"], abs=1e-6)
        assert measured[name] == pytest.approx(trained[f"test_{name}"], abs=1e-6)
    labels = (tmp_path / "labels.txt").read_text().split()
    right = [found == label for found, (_, label) in zip(labels, data, strict=True)]
    assert sum(right) / len(right) == measured["accuracy"]
    assert (tmp_path / "out" / "count.txt").read_text() == str(6 * 3)
    assert "best_validation_accuracy" in done.stdout and "done\n" in done.stdout
    assert "6 passed" in done.stdout
