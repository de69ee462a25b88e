"""Batches with different numbers of targets have the gradient of one large batch, in one process or in two."""

import os

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.testing import run_distributed_test
from nlpreg.data import Batch, Vocabulary
from nlpreg.data.dataset_readers import DatasetReader
from nlpreg.models import Model
from nlpreg.nn.parallel import TorchDdpAccelerator
from nlpreg.training.losses import Accumulation
from nlpreg.training.util import evaluate

EMBEDDER = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
ENCODER = {"type": "lstm", "input_size": 4, "hidden_size": 3}
TAGGING = ("sequence_tagging", "a###X b###Y a###X c###Y a###X", "b###Y", "c###X a###Y", "b###X c###Y a###X")
CLASSES = (
    "text_classification_json",
    *(f'{{"text": "{t}", "label": "{len(t) % 2}"}}' for t in ("a b", "c", "b a c")),
)
MODELS = {
    "simple_tagger": (TAGGING, {"encoder": ENCODER}),
    "crf_tagger": (TAGGING, {"encoder": ENCODER}),
    "basic_classifier": (CLASSES, {"seq2vec_encoder": {"type": "boe", "embedding_dim": 4}}),
}
NAMES = list(MODELS)


@pytest.fixture
def prepare(tmp_path):
    """The instances of a model's kind, and their vocabulary."""

    def prepare_model(name):
        (kind, *lines), _ = MODELS[name]
        (tmp_path / "data.txt").write_text("\n".join(lines) + "\n")
        tokenizer = {"tokenizer": "whitespace"} if kind != "sequence_tagging" else {}
        reader = DatasetReader.from_params(Params({"type": kind, **tokenizer}))
        instances = list(reader.read(str(tmp_path / "data.txt")))
        return instances, Vocabulary.from_instances(instances)

    return prepare_model


def make_model(name, vocab):
    torch.manual_seed(0)
    config = {"type": name, "text_field_embedder": EMBEDDER, **MODELS[name][1]}
    penalty = {"regexes": [["weight", {"type": "l2", "alpha": 0.1}]]}
    return Model.from_params(Params({**config, "regularizer": penalty}), vocab=vocab)


def run(model, wrapped, groups, vocab, world_size=1):
    """The loss of an update and its gradients; `groups` are the instances of this process's batches."""
    accumulation = Accumulation(len(groups), world_size, getattr(model, "loss_is_sum", False))
    for group in groups:
        batch = Batch(group)
        batch.index_instances(vocab)
        outputs = wrapped(**batch.as_tensor_dict())
        outputs["reg_loss"] = model.get_regularization_penalty()
        outputs["loss"] = outputs["loss"] + outputs["reg_loss"]
        accumulation.record(outputs)
        accumulation.weigh(outputs).backward()
    loss = accumulation.finish(list(model.parameters())).loss
    return loss, {key: p.grad.clone() for key, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", NAMES)
def test_several_batches_are_one_large_batch(name, prepare):
    instances, vocab = prepare(name)
    models = [make_model(name, vocab) for _ in range(2)]
    loss, gradients = run(models[0], models[0], [instances[:1], instances[1:]], vocab)
    whole_loss, whole_gradients = run(models[1], models[1], [instances], vocab)
    torch.testing.assert_close(loss, whole_loss)
    torch.testing.assert_close(gradients, whole_gradients)


def run_share(rank, world_size, device, name, instances, vocab):
    shares = [instances[:1], instances[1:]]
    model, wrapped = TorchDdpAccelerator().wrap_model(make_model(name, vocab))
    loss, gradients = run(model, wrapped.model, [shares[rank]], vocab, world_size)
    alone = make_model(name, vocab)
    whole_loss, whole_gradients = run(alone, alone, [instances], vocab)
    torch.testing.assert_close(loss, whole_loss)
    torch.testing.assert_close(gradients, whole_gradients)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("name", NAMES)
def test_two_processes_are_one_with_the_large_batch(name, prepare):
    run_distributed_test([-1, -1], run_share, name, *prepare(name))


class Batches(list):
    """Batches that are there already, as a loader."""

    def set_target_device(self, device):
        pass


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_of_an_evaluation_does_not_depend_on_the_batches(name, prepare):
    instances, vocab = prepare(name)
    model = make_model(name, vocab)

    def loss_of(*groups):
        batches = Batches(Batch(group) for group in groups)
        for batch in batches:
            batch.index_instances(vocab)
        return evaluate(model, Batches(batch.as_tensor_dict() for batch in batches))["loss"]

    together = loss_of(instances)
    assert loss_of(instances[:1], instances[1:]) == pytest.approx(together, rel=1e-5)
    assert loss_of(*([instance] for instance in instances)) == pytest.approx(together, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_of_instances_hold_no_weight(name, prepare, caplog):
    instances, vocab = prepare(name)
    model = make_model(name, vocab).eval()
    assert all("batch_weight" not in output for output in model.forward_on_instances(instances))
    assert "batch_weight" not in caplog.text
