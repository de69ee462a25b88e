import collections
import enum
import json
import random
from pathlib import Path

import numpy
import pytest
import torch
from torch import nn

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import DataLoader, Vocabulary
from nlpreg.data.dataset_readers import SimpleLanguageModelingDatasetReader
from nlpreg.data.tokenizers import WhitespaceTokenizer
from nlpreg.training import Trainer
from nlpreg.training.metrics import Average
from nlpreg.training.state import (
    ModelSnapshot,
    RandomGenerators,
    begins_pass,
    fresh_states,
    plain_state,
    reset_states,
)
from nlpreg.training.util import evaluate


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self._states = None


class OwnState(nn.Module):
    def __init__(self):
        super().__init__()
        self.count = 0

    def carried_state_dict(self):
        return {"count": self.count}

    def load_carried_state_dict(self, state_dict):
        self.count = state_dict["count"]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.own, self.metrics = Encoder(), OwnState(), {"loss": Average()}


def test_metrics_and_hidden_states_come_back(tmp_path):
    model = Model()
    empty = ModelSnapshot.of(model)
    model.metrics["loss"](2.0)
    model.encoder._states = (torch.ones(1, 2, 3), torch.zeros(1, 2, 3))
    model.own.count = 7
    memory = ModelSnapshot.of(model)
    torch.save(memory.state_dict(), tmp_path / "memory.th")
    model.metrics["loss"](100.0)
    model.encoder._states[0].fill_(9.0)
    model.own.count = 8

    ModelSnapshot(**torch.load(tmp_path / "memory.th", weights_only=True)).restore(model)
    assert model.metrics["loss"].get_metric() == 2.0
    assert model.encoder._states[0].unique().tolist() == [1.0]
    assert model.own.count == 7

    empty.restore(model)
    assert model.encoder._states is None
    assert model.metrics["loss"].get_metric() == 0.0


def test_a_model_may_have_a_way_of_its_own():
    class Counting(Model):
        seen = 3

        def metrics_state_dict(self):
            return {"seen": self.seen}

        def load_metrics_state_dict(self, state):
            self.seen = state["seen"]

    model = Counting()
    memory = ModelSnapshot.of(model)
    model.seen = 5
    memory.restore(model)
    assert model.seen == 3


def stateful_lstm():
    from nlpreg.modules.seq2seq_encoders import LstmSeq2SeqEncoder

    return LstmSeq2SeqEncoder(2, 3, stateful=True)


def test_a_text_in_between_leaves_no_trace():
    torch.manual_seed(0)
    encoder = stateful_lstm()
    model = nn.ModuleDict({"a": encoder, "b": nn.Linear(2, 2)})
    first, second, other = torch.randn(3, 2, 4, 2).unbind(0)
    mask = torch.ones(2, 4, dtype=torch.bool)
    encoder(first, mask)
    expected = encoder(second, mask)
    reset_states(model)
    alone = encoder(other, mask)
    reset_states(model)
    encoder(first, mask)
    with fresh_states(model):
        assert torch.equal(encoder(other, mask), alone)
    assert torch.equal(encoder(second, mask), expected)
    with pytest.raises(RuntimeError, match="x"), fresh_states(model):
        raise RuntimeError("x")
    assert encoder._states is not None


def test_models_without_states():
    with fresh_states(object()):
        reset_states(nn.Linear(2, 2))


def position(data_pass, pass_batches):
    return {"epoch": 0, "batches": 0, "data_pass": data_pass, "pass_batches": pass_batches}


@pytest.mark.parametrize(
    ("before", "after", "is_epoch_start", "expected"),
    [
        ((0, 0), (0, 1), True, True),
        ((0, 1), (0, 2), False, False),
        ((0, 5), (0, 6), True, False),  # an epoch that goes on with the pass
        ((0, 9), (1, 1), False, True),  # a pass within an epoch
        ((0, 9), (1, 0), False, False),  # the last batches of all
    ],
)
def test_where_passes_begin(before, after, is_epoch_start, expected):
    assert begins_pass(position(*before), position(*after), is_epoch_start) is expected


def test_a_loader_without_passes():
    assert begins_pass({}, {}, True) is True
    assert begins_pass({}, {}, False) is False


@pytest.fixture
def run(tmp_path):
    """Trains a stateful language model, and returns it with its validation data and metrics."""
    from nlpreg.models import LanguageModel
    from nlpreg.modules import Embedding
    from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder

    for name, shift in (("train", 0), ("valid", 3)):
        words = [f"w{(i * i + 17 * shift) % 17}" for i in range(150)]
        lines = (" ".join(words[i : i + 6]) for i in range(0, 150, 6))
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n")

    def train(**config):
        reader = SimpleLanguageModelingDatasetReader(WhitespaceTokenizer())
        params = {"type": "running_text", "batch_size": 3, "bptt": 7, "targets": True, "cache": False}
        loaders = [
            DataLoader.from_params(
                Params({**params, **(config if name == "train" else {})}),
                reader=reader,
                data_path=str(tmp_path / f"{name}.txt"),
            )
            for name in ("train", "valid")
        ]
        vocab = Vocabulary.from_instances(loaders[0].iter_instances())
        for loader in loaders:
            loader.index_with(vocab)
        torch.manual_seed(1)
        embedder = BasicTextFieldEmbedder({"tokens": Embedding(2, num_embeddings=vocab.get_vocab_size())})
        encoder = stateful_lstm()
        model = LanguageModel(vocab, embedder, encoder)
        begun = []
        encoder.register_forward_pre_hook(
            lambda module, _: begun.append((module.training, module._states is None))
        )
        trainer = Trainer.from_params(
            Params({"num_epochs": 3, "optimizer": {"type": "adam", "lr": 0.01}}),
            serialization_dir=str(tmp_path / "out"),
            model=model,
            data_loader=loaders[0],
            validation_data_loader=loaders[1],
        )
        return model, loaders[1], trainer.train(), begun

    return train


def test_evaluation_gives_what_the_last_validation_gave(run):
    model, loader, metrics, begun = run()
    assert metrics["best_epoch"] == 2  # so that the model has the weights of the last validation
    found = evaluate(model, loader)
    assert found["perplexity"] == pytest.approx(metrics["validation_perplexity"], rel=1e-6)
    assert found["loss"] == pytest.approx(metrics["validation_loss"], rel=1e-6)
    assert evaluate(model, loader) == found
    assert json.dumps(found)
    # each pass, of training and of validation, begins without a state, and nothing else does
    num_batches = len(loader)
    assert [is_new for _, is_new in begun] == ([True] + [False] * (num_batches - 1)) * (
        len(begun) // num_batches
    )


def test_an_epoch_in_the_middle_of_the_text_keeps_the_state(run):
    num_batches = 8  # of a pass: 50 words of each stream, 7 at a time
    _, _, _, begun = run(batches_per_epoch=6)
    training = [is_new for is_training, is_new in begun if is_training]
    assert len(training) == 18
    assert [index for index, is_new in enumerate(training) if is_new] == [0, num_batches, 2 * num_batches]


def draw():
    return [
        random.random(),
        random.gauss(0, 1),
        numpy.random.rand(),
        numpy.random.randn(),
        torch.rand(1).item(),
        torch.randn(1).item(),
    ]


def test_every_generator_goes_back(tmp_path):
    draw()  # numbers from a normal distribution come in pairs, so that one is waiting
    torch.save(RandomGenerators().state_dict(), tmp_path / "state.th")
    expected = [draw() for _ in range(3)]
    random.seed(0)
    numpy.random.seed(0)
    torch.manual_seed(0)
    generators = RandomGenerators()
    generators.load_state_dict(torch.load(tmp_path / "state.th", weights_only=True))
    assert [draw() for _ in range(3)] != expected  # not before it is asked for
    generators.restore()
    assert [draw() for _ in range(3)] == expected


def test_other_gpus_are_left_alone():
    generators = RandomGenerators()
    state = generators.state_dict()
    state["cuda"] = [torch.zeros(16, dtype=torch.uint8)] * 7
    generators.load_state_dict(state)
    generators.restore()


class Kind(str, enum.Enum):
    GOOD = "good"


def test_what_becomes_plain(tmp_path):
    parameter = torch.nn.Parameter(torch.ones(2))
    state = plain_state(
        {
            "tensor": parameter,
            "counter": collections.Counter("aab"),
            "ordered": collections.OrderedDict(x=(1, [2.5, None])),
            "array": numpy.array([1, 2]),
            "scalar": numpy.float32(0.5),
            "path": Path("a/b"),
            "kind": Kind.GOOD,
            "set": {1, 2},
            3: True,
        }
    )
    torch.save(state, tmp_path / "state.th")
    loaded = torch.load(tmp_path / "state.th", weights_only=True)
    assert loaded.pop("tensor").tolist() == [1.0, 1.0]
    assert loaded.pop("array").tolist() == [1, 2]
    assert loaded == {
        "counter": {"a": 2, "b": 1},
        "ordered": {"x": (1, [2.5, None])},
        "scalar": 0.5,
        "path": "a/b",
        "kind": "good",
        "set": {1, 2},
        3: True,
    }
    assert type(loaded["kind"]) is str


@pytest.mark.parametrize("value", [object(), lambda: None, 1j, numpy.array([object()]), open])
def test_what_cannot_be_saved_is_named(value):
    with pytest.raises(
        ConfigurationError, match=r"state.a.1.b: a checkpoint holds tensors and plain values only"
    ):
        plain_state({"a": [0, {"b": value}]}, "state")
