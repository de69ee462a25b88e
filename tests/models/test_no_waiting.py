"""A training step on an accelerator never waits for it: no numbers are read, no rows counted.

Tensors on torch's `meta` device have no numbers, so whoever asks for one gets an error. The models must take the ways that
are meant for devices other than the CPU.
"""

import contextlib

import pytest
import torch

from nlpreg.common import Params
from nlpreg.data import Vocabulary
from nlpreg.models import Model
from nlpreg.modules.conditional_random_field import conditional_random_field
from nlpreg.nn.util import losses

LSTM = {"type": "lstm", "input_size": 16, "hidden_size": 8}
BOTH = {**LSTM, "bidirectional": True, "num_layers": 2}
TRANSFORMER = {
    "type": "bidirectional_language_model_transformer",
    "input_dim": 16,
    "hidden_dim": 8,
    "num_layers": 2,
}
CONFIGS = {
    "full": {"type": "language_model", "contextualizer": LSTM},
    "full_both": {"type": "language_model", "contextualizer": TRANSFORMER, "bidirectional": True},
    "sampled": {"type": "language_model", "contextualizer": LSTM, "num_samples": 10, "dropout": 0.1},
    "sampled_both": {
        "type": "language_model",
        "contextualizer": TRANSFORMER,
        "bidirectional": True,
        "num_samples": 10,
    },
    "sparse": {
        "type": "language_model",
        "contextualizer": LSTM,
        "num_samples": 10,
        "sparse_embeddings": True,
    },
    "tagger": {"type": "simple_tagger", "encoder": LSTM},
    "tagger_both": {"type": "simple_tagger", "encoder": BOTH},
    "spans": {"type": "simple_tagger", "encoder": BOTH, "label_encoding": "BIO"},
    "crf": {"type": "crf_tagger", "encoder": BOTH, "label_encoding": "BIO"},
}


class TorchWithoutAutocast:
    """The `meta` device knows no autocast, so asking about it is an error."""

    def __getattr__(self, name):
        return getattr(torch, name)

    def is_autocast_enabled(self, device_type):
        return False

    def autocast(self, device_type, enabled):
        return contextlib.nullcontext()


@pytest.mark.parametrize("name", CONFIGS)
def test_a_step_reads_nothing(name, monkeypatch):
    monkeypatch.setattr(losses, "torch", TorchWithoutAutocast())
    vocab = Vocabulary()
    for number in range(40):
        vocab.add_token_to_namespace(str(number), "tokens")
        vocab.add_token_to_namespace(("B-x", "I-x", "O")[number % 3], "labels")
    embedder = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 16}}}
    model = Model.from_params(Params({**CONFIGS[name], "text_field_embedder": embedder}), vocab=vocab)
    model.to("meta").train()
    ids = torch.ones(4, 9, dtype=torch.long, device="meta")
    text = {"tokens": {"tokens": ids}}
    if name == "crf":  # only the best paths are copied, all at once
        copied = []
        monkeypatch.setattr(
            "nlpreg.modules.conditional_random_field.conditional_random_field._on_cpu",
            lambda paths, scores, lengths: (
                copied.append(1)
                or (torch.zeros(paths.shape, dtype=torch.long), torch.zeros(4, 1), torch.full((4,), 9))
            ),
        )
    is_tagger = not CONFIGS[name]["type"].startswith("language")
    output = model(tokens=text, tags=ids) if is_tagger else model(source=text)
    output["loss"].backward()
    assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)
    if name == "crf":
        assert copied == [1]


def test_the_one_copy_of_the_best_paths_keeps_every_number():
    paths, scores = torch.randint(0, 50, (2, 3, 4)), torch.tensor([[1.5, -2.25, -torch.inf]] * 2)
    found = conditional_random_field._on_cpu(paths, scores, torch.tensor([4, 1]))
    assert [part.tolist() for part in found] == [paths.tolist(), scores.tolist(), [4, 1]]
