"""Compiled models: they give the numbers of plain ones, and batches of other lengths are not compiled anew."""

import shutil

import pytest
import torch
from torch._dynamo.utils import counters

from nlpreg.common import Params
from nlpreg.data import Vocabulary
from nlpreg.models import Model
from nlpreg.training.gradient_descent_trainer import compile_forward

EMBEDDER = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 6}}}
LSTM = {"type": "lstm", "input_size": 6, "hidden_size": 4}
CONFIGS = {
    "language_model": {"text_field_embedder": EMBEDDER, "contextualizer": LSTM, "dropout": 0.3},
    "simple_tagger": {"text_field_embedder": EMBEDDER, "encoder": {**LSTM, "bidirectional": True}},
    "crf_tagger": {"text_field_embedder": EMBEDDER, "encoder": {**LSTM, "bidirectional": True}},
}


@pytest.fixture(autouse=True)
def _compile_from_scratch():
    torch._dynamo.reset()
    counters.clear()
    allowed = torch._dynamo.config.allow_rnn
    yield
    torch._dynamo.config.allow_rnn = allowed
    torch._dynamo.reset()
    counters.clear()


def make_model(name):
    torch.manual_seed(0)
    vocab = Vocabulary()
    for number in range(18):
        vocab.add_token_to_namespace(str(number), "tokens")
        vocab.add_token_to_namespace(f"tag{number % 3}", "labels")
    return Model.from_params(Params({"type": name, **CONFIGS[name]}), vocab=vocab)


def make_batch(name, num_rows, num_steps):
    lengths = torch.randint(1, num_steps + 1, (num_rows,))
    lengths[0] = num_steps
    mask = torch.arange(num_steps) < lengths.unsqueeze(1)
    words = torch.randint(2, 20, mask.shape) * mask
    if name == "language_model":
        return {"source": {"tokens": {"tokens": words}}}
    metadata = [{"words": [str(word) for word in row]} for row in words.tolist()]
    return {"tokens": {"tokens": {"tokens": words}}, "tags": words % 3 * mask, "metadata": metadata}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CONFIGS)
def test_other_lengths_are_not_compiled_anew(name):
    torch.compiler.reset()
    counters.clear()  # of what other tests compiled
    model = make_model(name)
    compile_forward(model, backend="eager")
    graphs = []
    for num_rows, num_steps in [(4, 7), (4, 5), (3, 6), (5, 9), (4, 12), (2, 3), (6, 16), (4, 20), (7, 11)]:
        model(**make_batch(name, num_rows, num_steps))["loss"].backward()
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[0] > 0
    assert graphs[3:] == [graphs[3]] * 6
    assert graphs[3] <= 2 * graphs[0]
    assert not any("recompile limit" in reason for reason in counters["unimplemented"])


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "c++", "clang++"))), reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CONFIGS)
def test_compiled_models_compute_the_same(name):
    plain, compiled = make_model(name), make_model(name)
    compile_forward(compiled)
    for model in (plain, compiled):  # so that dropout, which draws in another way, is off
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    for num_steps in (7, 5, 9):
        batch = make_batch(name, 3, num_steps)
        losses = [model(**batch)["loss"] for model in (plain, compiled)]
        torch.testing.assert_close(losses[1], losses[0], rtol=1e-4, atol=1e-5)
        for loss in losses:
            loss.backward()
    for one, other in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-5)
