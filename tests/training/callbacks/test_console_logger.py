import contextlib
import logging
import os
import subprocess
import sys
import time

import pytest
import torch

from nlpreg.training.callbacks.console_logger import ConsoleLoggerCallback, _columns, metrics_table


def test_a_table_of_metrics():
    metrics = {
        "training_loss": 0.51234,
        "training_worker_0_memory_MB": 300.0,
        "validation_loss": 0.75,
        "validation_f1-measure-overall": 12345.5,
        "training_note": "fine",
        "epoch": 3,
    }
    assert metrics_table(metrics) == [
        "                      Training | Validation",
        "f1-measure-overall         N/A |  12345.500",
        "loss                     0.512 |      0.750",
        "note                      fine |        N/A",
    ]


def log_batch(caplog, batch, **changes):
    arguments = {"epoch": 0, "batch_number": 1, "is_training": True, "is_primary": True, **changes}
    with caplog.at_level(logging.INFO):
        ConsoleLoggerCallback("x").on_batch(None, [batch], [{}], {}, **arguments)
    return [record.message.strip() for record in caplog.records]


def test_the_first_inputs(caplog):
    batch = {
        "tokens": {"tokens": {"ids": torch.arange(8).view(2, 4)}},
        "text": "The dog ate the apple, and more",
        "metadata": [{"id": 1}, {"id": 2}],
        "nothing": [],
        "weight": torch.tensor(0.5),
        "other": None,
    }
    assert log_batch(caplog, batch) == [
        "First batch of training:",
        "batch_input/tokens/tokens/ids: int64 tensor of shape 2 x 4: [0, 1, 2, 3, 4, 5, ...]",
        "batch_input/text: 'The dog ate the appl...'",
        "batch_input/metadata: list of 2 (dict)",
        "batch_input/nothing: list of 0 (nothing)",
        "batch_input/weight: float32 tensor of shape scalar: [0.5]",
        "batch_input/other: None",
    ]


def test_later_inputs_are_not_logged(caplog):
    for changes in ({"epoch": 1}, {"batch_number": 2}, {"is_primary": False}):
        assert log_batch(caplog, {"x": torch.zeros(1)}, **changes) == []


def test_a_run_logs_a_table_after_each_epoch(make_trainer, caplog):
    with caplog.at_level(logging.INFO, logger="nlpreg.training.callbacks.console_logger"):
        make_trainer({"callbacks": [{"type": "console_logger", "should_log_inputs": False}]}).train()
    assert caplog.text.count("Training | Validation") == 2
    assert "First batch" not in caplog.text


@pytest.mark.parametrize("with_validation", [True, False])
def test_a_row_for_each_epoch_fits_80_columns(make_trainer, caplog, with_validation):
    with caplog.at_level(logging.INFO, logger="nlpreg.console"):
        make_trainer({"callbacks": ["console_logger"]}, validation=with_validation).train()
    lines = [record.message for record in caplog.records if record.name == "nlpreg.console"]
    assert lines[0].split()[0] == "epoch" and [line.split()[0] for line in lines[1:3]] == ["1/2", "2/2"]
    assert {"loss", "lr", "inst/s", "time"} <= set(lines[0].split())
    assert ("val loss" in lines[0]) is with_validation
    assert lines[1].endswith(" *") is with_validation  # the first validation is the best so far
    assert all(len(line) <= 80 for line in lines[:3])
    # the columns are aligned to the right
    assert lines[0].index("loss") + 4 == len(lines[1][: lines[0].index("loss") + 4].rstrip())


def test_metrics_of_an_epoch_for_its_row():
    metrics = {
        "training_loss": 0.5,
        "training_accuracy": 0.75,
        "training__hidden": 1.0,
        "training_worker_0_memory_MB": 3.0,
        "validation_accuracy": 0.5,
        "validation_f1": 0.4,
        "validation_note": "text",
    }
    assert _columns(metrics, ["f1"]) == {"loss": 0.5, "f1": 0.4}
    assert _columns(metrics, ["loss"]) == {"loss": 0.5, "accuracy": 0.5}
    assert _columns({}, ["loss"]) == {}


def test_why_a_run_ended_early(make_trainer, caplog):
    with caplog.at_level(logging.INFO, logger="nlpreg.console"):
        trainer = make_trainer(
            {
                "num_epochs": 50,
                "patience": 1,
                "optimizer": {"type": "sgd", "lr": 0.0},
                "callbacks": ["console_logger"],
            }
        )
        trainer.train()
    best = trainer.run.tracker.best_epoch_metrics["loss"]
    assert f"stopped early: no better -loss for 1 validation, best {best:.4f} in epoch 1" in caplog.messages


def test_where_a_run_resumes(make_trainer, caplog, tmp_path):
    config = {"callbacks": ["console_logger"]}
    make_trainer(config | {"num_epochs": 1}).train()
    assert not [message for message in caplog.messages if message.startswith("resuming")]
    saved = time.localtime(max(os.path.getmtime(path) for path in (tmp_path / "run").glob("*_e1_b0.*")))
    with caplog.at_level(logging.INFO, logger="nlpreg.console"):
        make_trainer(config).train()
    place = time.strftime("checkpoint of %Y-%m-%d %H:%M", saved)
    assert f"resuming in epoch 2 after 0 batches ({place})" in caplog.messages


SCRIPT = """
import sys, torch
from nlpreg.common.logging import tell
import logging
tell(logging.getLogger("nlpreg.console"), "1/%d loss", 2)
logging.basicConfig(level=logging.WARNING)
tell(logging.getLogger("nlpreg.console"), "not shown")
"""


def test_without_logging_the_rows_go_to_standard_error():
    result = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("", "1/2 loss\n")


SHORT_RUN = """
from nlpreg.data import Instance, Vocabulary
from nlpreg.data.data_loaders import SimpleDataLoader
from nlpreg.data.fields import LabelField, TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer
from nlpreg.data.tokenizers import Token
from nlpreg.models import BasicClassifier
from nlpreg.modules.seq2vec_encoders import BagOfEmbeddingsEncoder
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding
from nlpreg.training import GradientDescentTrainer
from nlpreg.training.optimizers import SgdOptimizer

text = TextField([Token("good")], {"tokens": SingleIdTokenIndexer()})
instances = [Instance({"tokens": text, "label": LabelField("yes")})] * 2
vocab = Vocabulary.from_instances(instances)
embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=2, vocab=vocab)})
model = BasicClassifier(vocab, embedder, BagOfEmbeddingsEncoder(2))
optimizer = SgdOptimizer(list(model.named_parameters()), lr=0.1)
GradientDescentTrainer(model, optimizer, SimpleDataLoader(instances, 2, vocab=vocab), num_epochs=2).train()
"""


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_short_run_from_python_shows_its_epochs(is_terminal):
    command = [sys.executable, "-c", SHORT_RUN]
    if is_terminal:
        ours, theirs = os.openpty()
        subprocess.run(command, stderr=theirs, stdout=theirs, check=True, timeout=120)
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(ours, 4096):
                shown += piece
        os.close(ours)
        text = shown.decode()
    else:
        text = subprocess.run(command, stderr=subprocess.PIPE, check=True, timeout=120, text=True).stderr
    heading, first, second = text.replace("\r", "").splitlines()
    assert heading.split() == ["epoch", "loss", "accuracy", "lr", "inst/s", "time"]
    assert (first.split()[0], second.split()[0]) == ("1/2", "2/2")
    assert max(map(len, (heading, first, second))) <= 80
