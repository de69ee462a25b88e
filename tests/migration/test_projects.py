"""Projects of AllenNLP's three generations: migrated, checked, trained for a moment, evaluated, used for predictions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nlpreg.commands.migrate import migrate_path
from nlpreg.common.config.old_configs import MigrationLog

ROOT = Path(__file__).parents[2]

SENTENCES = "the###DET dog###NN barks###V\na###DET cat###NN sleeps###V\nthe###DET cat###NN barks###V\n"

READER_OF_0X = """
from typing import Dict, Iterator, List

from overrides import overrides

from allennlp.common.file_utils import cached_path
from allennlp.data import Instance
from allennlp.data.dataset_readers.dataset_reader import DatasetReader
from allennlp.data.fields import MetadataField, SequenceLabelField, TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer, TokenIndexer
from allennlp.data.tokenizers.token import Token

CONFIG = "allennlp.jsonnet"  # a file, no module


@DatasetReader.register("old-reader")
class OldReader(DatasetReader):
    def __init__(self, token_indexers: Dict[str, TokenIndexer] = None, lazy: bool = False) -> None:
        super().__init__(lazy)
        self._token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer()}

    @overrides
    def _read(self, file_path: str) -> Iterator[Instance]:
        with open(cached_path(file_path)) as file:
            for line in file:
                pairs = [pair.split("###") for pair in line.split()]
                yield self.text_to_instance([Token(word) for word, _ in pairs], [tag for _, tag in pairs])

    @overrides
    def text_to_instance(self, tokens: List[Token], tags: List[str] = None) -> Instance:
        sentence = TextField(tokens, self._token_indexers)
        fields = {"sentence": sentence, "metadata": MetadataField({"words": [t.text for t in tokens]})}
        if tags is not None:
            fields["labels"] = SequenceLabelField(tags, sentence)
        return Instance(fields)
"""

MODEL_OF_0X = """
from typing import Dict, Optional

import torch
from overrides import overrides

import allennlp
from allennlp.common.util import import_submodules, peak_memory_mb
from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.modules.seq2seq_encoders import Seq2SeqEncoder
from allennlp.modules.text_field_embedders import TextFieldEmbedder
from allennlp.nn import InitializerApplicator, RegularizerApplicator
from allennlp.nn.util import get_text_field_mask, sequence_cross_entropy_with_logits
from allennlp.training.metrics import CategoricalAccuracy


@Model.register("old-tagger")
class OldTagger(Model):
    default_predictor = "sentence_tagger"

    def __init__(
        self,
        vocab: Vocabulary,
        sentence_embedder: TextFieldEmbedder,
        encoder: Seq2SeqEncoder,
        initializer: InitializerApplicator = InitializerApplicator(),
        regularizer: Optional[RegularizerApplicator] = None,
    ) -> None:
        super().__init__(vocab, regularizer)
        self.embedder = sentence_embedder
        self.encoder = encoder
        self.projection = torch.nn.Linear(encoder.get_output_dim(), vocab.get_vocab_size("labels"))
        self.accuracy = CategoricalAccuracy()
        initializer(self)

    @overrides
    def forward(self, sentence: Dict[str, torch.Tensor], labels: torch.Tensor = None, metadata=None):
        mask = get_text_field_mask(sentence)
        logits = self.projection(self.encoder(self.embedder(sentence), mask))
        output = {"logits": logits, "mask": mask}
        if labels is not None:
            self.accuracy(logits, labels, mask)
            output["loss"] = sequence_cross_entropy_with_logits(logits, labels, mask)
        return output

    @overrides
    def decode(self, output_dict: Dict[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
        best = output_dict["logits"].argmax(-1).tolist()
        output_dict["tags"] = [[self.vocab.get_token_from_index(i, "labels") for i in row] for row in best]
        return output_dict

    @overrides
    def get_metrics(self, reset: bool = False) -> Dict[str, float]:
        return {"accuracy": self.accuracy.get_metric(reset)}
"""

CONFIG_OF_0X = """
// written in 2018
local dim = 6;
{
  dataset_reader: {
    type: 'old-reader',
    lazy: false,
    token_indexers: { tokens: { type: 'single_id' }, unused: { type: 'single_id', namespace: 'unused' } },
  },
  train_data_path: 'data/train.txt',
  validation_data_path: 'data/train.txt',
  model: {
    type: 'old-tagger',
    sentence_embedder: {
      tokens: { type: 'embedding', embedding_dim: dim },
      allow_unmatched_keys: true,
    },
    encoder: { type: 'lstm', input_size: dim, hidden_size: 5 },
    initializer: [['.*bias', { type: 'zero' }]],
    regularizer: [['.*weight', { type: 'l2', alpha: 0.001 }]],
  },
  iterator: { type: 'bucket', batch_size: 2, sorting_keys: [['sentence', 'num_tokens']] },
  trainer: {
    num_epochs: 1,
    optimizer: { type: 'adam', lr: 0.01 },
    validation_metric: '+accuracy',
    cuda_device: -1,
    shuffle: true,
    num_serialized_models_to_keep: 1,
    summary_interval: 100,
    should_log_learning_rate: false,
  },
}
"""

CONFIG_OF_1X = {
    "dataset_reader": {"type": "sequence_tagging", "lazy": False},
    "train_data_path": "data/train.txt",
    "validation_data_path": "data/train.txt",
    "model": {
        "type": "allennlp_models.tagging.models.crf_tagger.CrfTagger",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 6}}},
        "encoder": {"type": "lstm", "input_size": 6, "hidden_size": 5},
    },
    "data_loader": {"type": "pytorch_dataloader", "batch_size": 2, "pin_memory": False},
    "trainer": {
        "type": "default",
        "num_epochs": 1,
        "optimizer": "adam",
        "opt_level": "O0",
        "checkpointer": {"num_serialized_models_to_keep": 1},
        "tensorboard_writer": None,
        "epoch_callbacks": [],
    },
}

READER_OF_2X = """
from allennlp.data import DatasetReader, Instance
from allennlp.data.fields import LabelField, TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.data.tokenizers import WhitespaceTokenizer
from allennlp_models import lm  # noqa: F401  # registers its parts
from overrides import overrides, final


@DatasetReader.register("lines")
class Lines(DatasetReader):
    def __init__(self, **kwargs) -> None:
        super().__init__(manual_distributed_sharding=True, manual_multiprocess_sharding=True, **kwargs)
        self.tokenizer = WhitespaceTokenizer()

    @overrides
    def _read(self, file_path):
        with open(file_path) as file:
            for line in self.shard_iterable(file):
                yield self.text_to_instance(line.replace("###", " "), "cat" if "cat" in line else "dog")

    @final
    def text_to_instance(self, text, label=None) -> Instance:
        fields = {"tokens": TextField(self.tokenizer.tokenize(text))}
        if label is not None:
            fields["label"] = LabelField(label)
        return Instance(fields)

    def apply_token_indexers(self, instance):
        instance["tokens"].token_indexers = {"tokens": SingleIdTokenIndexer()}
"""

CONFIG_OF_2X = """
{
  dataset_reader: { type: 'lines' },
  train_data_path: 'data/train.txt',
  validation_data_path: 'data/train.txt',
  model: {
    type: 'basic_classifier',
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: 6 } } },
    seq2vec_encoder: { type: 'boe', embedding_dim: 6, averaged: true },
  },
  data_loader: { batch_sampler: { type: 'bucket', batch_size: 2 } },
  trainer: { num_epochs: 1, optimizer: 'huggingface_adamw', checkpointer: { keep_most_recent_by_count: 1 } },
}
"""

NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": ["allennlp"]},
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": [
                "!allennlp train config.jsonnet -s out\n",
                "%matplotlib inline\n",
                "from allennlp.common import Params",
            ],
        },
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}

PROJECTS: dict[str, dict[str, str]] = {
    "0.x": {
        "old/__init__.py": "from old.reader import OldReader\nfrom old.model import OldTagger\n",
        "old/reader.py": READER_OF_0X,
        "old/model.py": MODEL_OF_0X,
        "config.jsonnet": CONFIG_OF_0X,
        "run.sh": "python -m allennlp.run train config.jsonnet -s out --include-package old\n",
    },
    "1.x": {
        "config.json": json.dumps(CONFIG_OF_1X, indent=2),
        ".allennlp_plugins": "allennlp_models\n",
        "README.md": "Install, then\n\n    allennlp train config.json -s out\n",
        "requirements.txt": "allennlp==1.2.0\nallennlp-models==1.2.0\ntorch\n",
    },
    "2.x": {
        "lines/__init__.py": READER_OF_2X,
        "config.jsonnet": CONFIG_OF_2X,
        ".allennlp_plugins": "allennlp_models\nlines\n",
        "explore.ipynb": json.dumps(NOTEBOOK, indent=1),
    },
}

WALK = """
import json, sys
from nlpreg.commands import main
config = sys.argv[1]
include = sys.argv[2:]
for line in (
    ["check", config, *include],
    ["train", config, "-s", "out", *include],
    ["evaluate", "out/model.tar.gz", "data/train.txt", *include],
    ["predict", "out/model.tar.gz", "data/train.txt", "--use-dataset-reader", "--output-file", "predictions", *include],
):
    status = main("nlpreg", line)
    assert not status, (line, status)
"""


def write(version: str, folder: Path) -> None:
    for name, text in {**PROJECTS[version], "data/train.txt": SENTENCES}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def migrated(version: str, folder: Path) -> MigrationLog:
    write(version, folder)
    log = MigrationLog()
    for path, text in migrate_path(str(folder), log).items():
        if text is None:
            Path(path).unlink()
        else:
            Path(path).write_text(text)
    return log


@pytest.mark.parametrize("version", PROJECTS)
def test_a_migrated_project_works(version: str, tmp_path: Path) -> None:
    migrated(version, tmp_path)
    assert migrate_path(str(tmp_path), MigrationLog()) == {}, "a second migration finds something to do"
    config = "config.json" if version == "1.x" else "config.jsonnet"
    result = subprocess.run(
        [sys.executable, "-c", WALK, config, *(["--include-package", "old"] if version == "0.x" else [])],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
            "NLPREG_CACHE_ROOT": str(tmp_path / "cache"),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    lines = (tmp_path / "predictions").read_text().splitlines()
    assert len(lines) == 3
    assert all("tags" in json.loads(line) or "label" in json.loads(line) for line in lines)


def test_everything_that_was_done_or_is_left_has_its_path_and_line(tmp_path: Path) -> None:
    log = migrated("0.x", tmp_path)
    places = [place for place, _ in (*log.done, *log.left)]
    assert all(place.startswith(str(tmp_path)) and place.rpartition(":")[2].isdigit() for place in places)
    overrides = [place for place, message in log.done if "the package overrides is not needed" in message]
    assert overrides == [f"{tmp_path}/old/model.py:5", f"{tmp_path}/old/reader.py:4"]  # each occurrence


def test_code_of_0x(tmp_path: Path) -> None:
    log = migrated("0.x", tmp_path)
    reader, model = ((tmp_path / "old" / name).read_text() for name in ("reader.py", "model.py"))
    for text in (
        "from typing_extensions import override as overrides",
        "from nlpreg.data.tokenizers.token_class import Token\n",
        "super().__init__()\n",
        'CONFIG = "allennlp.jsonnet"  # a file, no module',
    ):
        assert text in reader
    for text in (
        "from nlpreg.common.util import import_module_and_submodules as import_submodules, "
        "peak_cpu_memory as peak_memory_mb\n",
        "def make_output_human_readable(self, output_dict",
        "import nlpreg\n",
    ):
        assert text in model
    assert "python -m nlpreg train config.jsonnet" in (tmp_path / "run.sh").read_text()
    left = " ".join(message for _, message in log.left)
    assert "peak_cpu_memory gives bytes" in left and "decode was renamed" in left


def test_config_of_0x(tmp_path: Path) -> None:
    migrated("0.x", tmp_path)
    text = (tmp_path / "config.jsonnet").read_text()
    assert "// written in 2018" in text and "embedding_dim: dim" in text
    assert "unused: { type: 'empty' }" in text
    assert "checkpointer: { keep_most_recent_by_count: 1 }" in text


def test_what_stands_around_the_code(tmp_path: Path) -> None:
    log = migrated("1.x", tmp_path)
    assert not (tmp_path / ".allennlp_plugins").exists()
    assert not (tmp_path / ".nlpreg_plugins").exists()  # it would be empty
    assert "    nlpreg train config.json -s out\n" in (tmp_path / "README.md").read_text()
    assert (f"{tmp_path}/requirements.txt:2", "allennlp-models==1.2.0: require nlpreg instead") in log.left
    migrated("2.x", tmp_path)
    assert (tmp_path / ".nlpreg_plugins").read_text() == "lines\n"
    cells = json.loads((tmp_path / "explore.ipynb").read_text())["cells"]
    assert "".join(cells[1]["source"]) == (
        "!nlpreg train config.jsonnet -s out\n%matplotlib inline\nfrom nlpreg.common import Params"
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "from allennlp.commands.elmo import Elmo\n",
            "AllenNLP had allennlp.commands.elmo.Elmo, nlpreg has no equivalent",
        ),
        ("from allennlp_models.rc import BidirectionalAttentionFlow\n", "AllenNLP's model package had"),
        ("from overrides import EnforceOverrides\n", "pip install overrides==3.1.0"),
    ],
)
def test_what_has_no_counterpart_is_listed(code: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(code + "import allennlp\n")
    log = MigrationLog()
    migrate_path(str(tmp_path), log)
    assert any(message in text and place == f"{tmp_path}/a.py:1" for place, text in log.left), log.left


def test_types_that_nlpreg_lacks_are_listed(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"model": {"type": "bidaf"}, "dataset_reader": {"type": "squad"}}')
    log = MigrationLog()
    migrate_path(str(tmp_path), log)
    text = "\n".join(message for _, message in log.left)
    assert 'model: "bidaf"' in text and 'dataset_reader: "squad"' in text
    assert text.count("AllenNLP's model package had this, nlpreg does not") == 2


def test_a_key_given_twice_is_merged(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(
        '{"model": {}, "trainer": {"num_serialized_models_to_keep": 1, "patience": 2, "num_serialized_models_to_keep": -1}}'
    )
    changed = migrate_path(str(tmp_path), MigrationLog())
    text = changed[str(tmp_path / "c.json")]
    assert text is not None
    assert json.loads(text)["trainer"] == {"patience": 2, "checkpointer": {"keep_most_recent_by_count": None}}
