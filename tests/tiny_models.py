"""Fixtures of pretrained models with a few random weights: ELMo in the layout of the published ones, and a transformer."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch

DIM, FILTERS, PROJECTION, CELL, LAYERS = 4, [[1, 3], [2, 5]], 6, 7, 2
CLIP = 0.4


@dataclass
class ElmoFiles:
    options: str
    weights: str
    arrays: dict[str, np.ndarray]


@pytest.fixture(scope="session")
def elmo_files(tmp_path_factory) -> ElmoFiles:
    """Options and random weights; `arrays` holds the weights under their paths in the file."""
    h5py = pytest.importorskip("h5py")
    folder = tmp_path_factory.mktemp("elmo")
    draw = np.random.default_rng(7)
    num_filters = sum(number for _, number in FILTERS)
    shapes = {
        "char_embed": (261, DIM),
        "CNN_proj/W_proj": (num_filters, PROJECTION),
        "CNN_proj/b_proj": (PROJECTION,),
    }
    for index, (width, number) in enumerate(FILTERS):
        shapes[f"CNN/W_cnn_{index}"], shapes[f"CNN/b_cnn_{index}"] = (1, width, DIM, number), (number,)
    for name in ("transform", "carry"):
        shapes[f"CNN_high_0/W_{name}"], shapes[f"CNN_high_0/b_{name}"] = (
            (num_filters, num_filters),
            (num_filters,),
        )
    for direction in range(2):
        for layer in range(LAYERS):
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
            shapes[f"{cell}/W_0"], shapes[f"{cell}/B"] = (2 * PROJECTION, 4 * CELL), (4 * CELL,)
            shapes[f"{cell}/W_P_0"] = (CELL, PROJECTION)
    arrays = {path: draw.normal(0, 0.5, shape).astype(np.float32) for path, shape in shapes.items()}
    with h5py.File(folder / "weights.hdf5", "w") as file:
        for path, values in arrays.items():
            file[path] = values
    options = {
        "lstm": {
            "use_skip_connections": True, "projection_dim": PROJECTION, "dim": CELL, "n_layers": LAYERS,
            "cell_clip": CLIP, "proj_clip": CLIP,
        },
        "char_cnn": {
            "activation": "relu", "embedding": {"dim": DIM}, "filters": FILTERS, "max_characters_per_token": 50,
            "n_characters": 262, "n_highway": 1,
        },
    }  # fmt: skip
    (folder / "options.json").write_text(json.dumps(options), encoding="utf-8")
    return ElmoFiles(str(folder / "options.json"), str(folder / "weights.hdf5"), arrays)


@pytest.fixture(scope="session")
def tiny_transformer(tmp_path_factory) -> str:
    """The folder of a BERT with two layers of width 8 and random weights, and of its tokenizer of 12 word pieces."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("transformer")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "dog", "##s", "a", "b", "1"]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(pieces), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8
    )
    torch.manual_seed(3)
    transformers.BertModel(config).save_pretrained(folder)
    return str(folder)
