"""Plugins written for AllenNLP 2.x work after the textual rename alone."""

import json
import sys
from pathlib import Path

import pytest

from nlpreg.commands.command_line import exit_status as main
from nlpreg.models import load_archive

READER = """
import logging
from typing import Dict, Iterable, List, Optional, cast

from allennlp.common.checks import ConfigurationError
from allennlp.common.file_utils import cached_path
from allennlp.common.logging import AllenNlpLogger
from allennlp.data import DatasetReader, Instance, Token, TokenIndexer, Tokenizer
from allennlp.data.fields import Field, LabelField, MetadataField, SequenceLabelField, TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.data.tokenizers import WhitespaceTokenizer

logger = cast(AllenNlpLogger, logging.getLogger(__name__))


@DatasetReader.register("plugin-reviews")
class ReviewReader(DatasetReader):
    def __init__(
        self,
        tokenizer: Tokenizer = None,
        token_indexers: Dict[str, TokenIndexer] = None,
        max_tokens: Optional[int] = None,
        **kwargs
    ) -> None:
        super().__init__(manual_distributed_sharding=True, manual_multiprocess_sharding=True, **kwargs)
        self._tokenizer = tokenizer or WhitespaceTokenizer()
        self._token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer()}
        self._max_tokens = max_tokens

    def _read(self, file_path) -> Iterable[Instance]:
        with open(cached_path(file_path), "r") as lines:
            for line in self.shard_iterable(lines):
                text, label = line.rstrip("\\n").split("\\t")
                logger.info_once("reading %s", file_path)
                yield self.text_to_instance(text, label)

    def text_to_instance(self, text: str, label: str = None) -> Instance:
        if not text:
            raise ConfigurationError("empty text")
        tokens: List[Token] = self._tokenizer.tokenize(text)[: self._max_tokens]
        text_field = TextField(tokens)
        fields: Dict[str, Field] = {
            "text": text_field,
            "capitals": SequenceLabelField([str(t.text[0].isupper()) for t in tokens], text_field, "capital_labels"),
            "metadata": MetadataField({"words": [t.text for t in tokens]}),
        }
        if label is not None:
            fields["label"] = LabelField(label)
        return Instance(fields)

    def apply_token_indexers(self, instance: Instance) -> None:
        instance["text"].token_indexers = self._token_indexers
"""

MODEL = """
from typing import Any, Dict, List, Optional

import torch
from allennlp.common import FromParams, Lazy, Registrable
from allennlp.common.checks import ConfigurationError, check_dimensions_match
from allennlp.data import TextFieldTensors, Vocabulary
from allennlp.models import Model
from allennlp.modules import FeedForward, Seq2SeqEncoder, Seq2VecEncoder, TextFieldEmbedder, TimeDistributed
from allennlp.modules.attention import DotProductAttention
from allennlp.modules.seq2seq_encoders import PytorchSeq2SeqWrapper
from allennlp.modules.seq2vec_encoders import PytorchSeq2VecWrapper
from allennlp.nn import Activation, InitializerApplicator, RegularizerApplicator
from allennlp.nn import util
from allennlp.nn.util import get_text_field_mask, sequence_cross_entropy_with_logits
from allennlp.training.metrics import CategoricalAccuracy, F1Measure, Metric
from allennlp_models.tagging.models.crf_tagger import CrfTagger


class Scorer(torch.nn.Module, Registrable):
    default_implementation = "plugin-linear"


@Scorer.register("plugin-linear")
class LinearScorer(Scorer):
    def __init__(self, dim: int, num_classes: int = 2, activation: Activation = Activation.by_name("linear")()):
        super().__init__()
        self.linear = torch.nn.Linear(dim, num_classes)
        self.activation = activation

    def forward(self, vectors):
        return self.activation(self.linear(vectors))


@Seq2VecEncoder.register("plugin-gru")
class OwnGru(PytorchSeq2VecWrapper):
    def __init__(self, input_size: int, hidden_size: int, bidirectional: bool = True):
        module = torch.nn.GRU(input_size, hidden_size, batch_first=True, bidirectional=bidirectional)
        super().__init__(module=module)


@Model.register("plugin-classifier")
class Classifier(Model):
    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        encoder: Seq2VecEncoder,
        scorer: Lazy[Scorer],
        contextualizer: Seq2SeqEncoder = None,
        feedforward: Optional[FeedForward] = None,
        metrics: Dict[str, Metric] = None,
        initializer: InitializerApplicator = InitializerApplicator(),
        regularizer: Optional[RegularizerApplicator] = None,
        **kwargs
    ) -> None:
        super().__init__(vocab, regularizer, **kwargs)
        self.text_field_embedder = text_field_embedder
        self.contextualizer = contextualizer or PytorchSeq2SeqWrapper(
            torch.nn.LSTM(text_field_embedder.get_output_dim(), encoder.get_input_dim(), batch_first=True)
        )
        check_dimensions_match(self.contextualizer.get_output_dim(), encoder.get_input_dim(), "context", "encoder")
        self.encoder = encoder
        self.feedforward = feedforward
        dim = feedforward.get_output_dim() if feedforward else encoder.get_output_dim()
        self.scorer = scorer.construct(dim=dim, num_classes=vocab.get_vocab_size("labels"))
        self.capitals = TimeDistributed(
            torch.nn.Linear(self.contextualizer.get_output_dim(), vocab.get_vocab_size("capital_labels"))
        )
        self.attention = DotProductAttention()
        self.loss = torch.nn.CrossEntropyLoss()
        self.metrics = metrics or {"accuracy": CategoricalAccuracy()}
        self.f1 = F1Measure(vocab.get_token_index("good", "labels"))
        initializer(self)

    def forward(
        self,
        text: TextFieldTensors,
        capitals: torch.LongTensor,
        metadata: List[Dict[str, Any]],
        label: torch.IntTensor = None,
    ) -> Dict[str, torch.Tensor]:
        mask = get_text_field_mask(text)
        context = self.contextualizer(self.text_field_embedder(text), mask)
        vector = self.encoder(context, mask)
        if self.feedforward is not None:
            vector = self.feedforward(vector)
        logits = self.scorer(vector)
        weights = util.masked_softmax(context.sum(-1), mask)
        output = {"logits": logits, "summary": util.weighted_sum(context, weights), "attention": weights}
        output["probs"] = torch.nn.functional.softmax(logits, dim=-1)
        output["words"] = [one["words"] for one in metadata]
        if label is not None:
            output["loss"] = self.loss(logits, label.long().view(-1)) + 0.1 * sequence_cross_entropy_with_logits(
                self.capitals(context), capitals, mask
            )
            for metric in self.metrics.values():
                metric(logits, label)
            self.f1(logits, label)
        return output

    def make_output_human_readable(self, output_dict):
        best = output_dict["probs"].argmax(dim=-1).tolist()
        output_dict["label"] = [self.vocab.get_token_from_index(i, namespace="labels") for i in best]
        return output_dict

    def get_metrics(self, reset: bool = False) -> Dict[str, float]:
        values = {name: metric.get_metric(reset) for name, metric in self.metrics.items()}
        values.update(self.f1.get_metric(reset))
        return values

    default_predictor = "plugin-reviews"
"""

PREDICTOR = """
from typing import List

from allennlp.common.testing import AllenNlpTestCase, ModelTestCase
from allennlp.common.util import JsonDict, sanitize
from allennlp.data import Instance
from allennlp.models.archival import archive_model, load_archive
from allennlp.predictors import Predictor
from allennlp.training import GradientDescentTrainer, TrainerCallback
from allennlp.training.optimizers import Optimizer


@Predictor.register("plugin-reviews")
class ReviewPredictor(Predictor):
    def predict(self, text: str) -> JsonDict:
        return self.predict_json({"text": text})

    def predict_instance(self, instance: Instance) -> JsonDict:
        self._dataset_reader.apply_token_indexers(instance)
        outputs = self._model.forward_on_instance(instance)
        return sanitize({"label": outputs["label"], "probs": outputs["probs"]})

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        return self._dataset_reader.text_to_instance(text=json_dict["text"])


@TrainerCallback.register("plugin-counter")
class Counter(TrainerCallback):
    batches = 0

    def on_batch(self, trainer, batch_inputs, batch_outputs, batch_metrics, epoch, batch_number, is_training,
                 is_primary=True, batch_grad_norm=None, **kwargs):
        Counter.batches += is_training

    def on_end(self, trainer: GradientDescentTrainer, metrics=None, epoch=None, is_primary=True, **kwargs):
        assert trainer.model is not None and "training_accuracy" in metrics
"""

CONFIG = {
    "dataset_reader": {"type": "plugin-reviews", "max_tokens": 5},
    "model": {
        "type": "plugin-classifier",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
        "encoder": {"type": "plugin-gru", "input_size": 3, "hidden_size": 2},
        "feedforward": {
            "input_dim": 4,
            "num_layers": 1,
            "hidden_dims": 4,
            "activations": "relu",
            "dropout": 0.1,
        },
        "scorer": {"activation": "tanh"},
        "metrics": {"accuracy": "categorical_accuracy"},
        "initializer": {"regexes": [["scorer.*weight", {"type": "xavier_uniform"}], [".*bias", "zero"]]},
        "regularizer": {"regexes": [["scorer.*weight", {"type": "l2", "alpha": 0.001}]]},
    },
    "data_loader": {"batch_sampler": {"type": "bucket", "batch_size": 2, "sorting_keys": ["text"]}},
    "trainer": {
        "num_epochs": 2,
        "optimizer": {"type": "adam", "lr": 0.01, "parameter_groups": [[["scorer"], {"lr": 0.1}]]},
        "validation_metric": "+accuracy",
        "grad_norm": 1.0,
        "cuda_device": -1,
        "callbacks": ["plugin-counter"],
    },
}


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the package `old_plugin`, its library renamed, and some data."""
    package = tmp_path / "old_plugin"
    package.mkdir()
    for name, text in {"reader": READER, "model": MODEL, "predictor": PREDICTOR, "__init__": ""}.items():
        (package / f"{name}.py").write_text(text.replace("allennlp", "nlpreg"))
    (tmp_path / "train.tsv").write_text(
        "A fine film\tgood\nbad\tpoor\nwhat a Good film this is\tgood\nso dull\tpoor\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_plugin_trains_evaluates_and_predicts(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {**CONFIG, "train_data_path": "train.tsv", "validation_data_path": "train.tsv"}
    (plugin / "config.jsonnet").write_text(json.dumps(config))
    package = ("--include-package", "old_plugin")
    assert not run("train", "config.jsonnet", "-s", "out", *package)
    assert sys.modules["old_plugin.predictor"].Counter.batches == 4
    assert not run("evaluate", "out/model.tar.gz", "train.tsv", "--output-file", "metrics.json", *package)
    assert {"accuracy", "precision", "recall", "f1", "loss"} <= set(
        json.loads((plugin / "metrics.json").read_text())
    )
    (plugin / "input.jsonl").write_text('{"text": "A dull film"}\n')
    assert not run("predict", "out/model.tar.gz", "input.jsonl", "--output-file", "out.jsonl", *package)
    assert json.loads((plugin / "out.jsonl").read_text())["label"] in ("good", "poor")
    assert load_archive("out/model.tar.gz").model.vocab.get_vocab_size("labels") == 2


def run(*arguments: str) -> int:
    """The command line; its exit status."""
    return main(argv=list(arguments)) or 0
