"""Tiny transformers, loaded once."""

import io
import shutil
import sys

import pytest
import torch

from nlpreg.common import cached_transformers
from nlpreg.common import logging as common_logging
from nlpreg.common.checks import ConfigurationError

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A BERT with three layers of width 4 and random weights, without a tokenizer."""
    folder = tmp_path_factory.mktemp("transformer")
    config = transformers.BertConfig(
        vocab_size=6, hidden_size=4, num_hidden_layers=3, num_attention_heads=1, intermediate_size=4
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    return str(folder)


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(model, other):
    """Numbers of the layers whose attention differs, and whether the table of word pieces does."""
    mine, others = weights(model), weights(other)
    key = "encoder.layer.{}.attention.self.query.weight"
    layers = [i for i in range(3) if not torch.equal(mine[key.format(i)], others[key.format(i)])]
    table = "embeddings.word_embeddings.weight"
    return layers, not torch.equal(mine[table], others[table])


def test_one_object_or_copies_of_it(folder):
    model = cached_transformers.get(folder, False)
    assert cached_transformers.get(folder, False) is model
    copy = cached_transformers.get(folder, True)
    assert copy is not model and changed(copy, model) == ([], False)


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "without_bars", "is_shown"),
    [(Screen, False, True), (Screen, True, False), (io.StringIO, False, False)],
)
def test_bars_of_the_library_are_shown_where_others_are(
    folder, tmp_path, monkeypatch, stream, without_bars, is_shown
):
    transformers.utils.logging.enable_progress_bar()
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setattr(common_logging, "WITHOUT_BARS", without_bars)
    cached_transformers.get(shutil.copytree(folder, tmp_path / "copy"), False)
    assert ("Loading" in sys.stderr.getvalue()) is is_shown
    assert transformers.utils.logging.is_progress_bar_enabled()


def test_without_weights(folder):
    bare = cached_transformers.get(folder, False, load_weights=False)
    assert changed(bare, cached_transformers.get(folder, False)) == ([0, 1, 2], True)


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (1, ([2], False)),
        (2, ([1, 2], False)),
        ((0, -1), ([0, 2], False)),
        ((r"layer\.1\.attention", "word_embeddings"), ([1], True)),
        (0, ([], False)),
    ],
)
def test_parts_that_are_drawn_anew(folder, which, expected):
    model = cached_transformers.get(folder, False, reinit_modules=which)
    assert changed(model, cached_transformers.get(folder, False)) == expected


def test_layers_that_are_not_there(folder):
    with pytest.raises(ValueError, match="a model that has 3, got 3"):
        cached_transformers.get(folder, False, reinit_modules=(3,))


@pytest.mark.parametrize("prefix", [None, "bert."])
def test_weights_from_a_file(folder, tmp_path, prefix):
    state = cached_transformers.get(folder, True, load_weights=False).state_dict()
    state["embeddings.word_embeddings.weight"] = torch.full((6, 4), 7.0)
    torch.save({(prefix or "") + name: tensor for name, tensor in state.items()}, tmp_path / "weights.th")
    model = cached_transformers.get(
        folder,
        False,
        override_weights_file=str(tmp_path / "weights.th"),
        override_weights_strip_prefix=prefix,
    )
    assert (model.embeddings.word_embeddings.weight == 7).all()
    with pytest.raises(ValueError, match="expected names that start with 'roberta.'"):
        cached_transformers.get(
            folder,
            False,
            override_weights_file=str(tmp_path / "weights.th"),
            override_weights_strip_prefix="roberta.",
        )


@pytest.mark.parametrize("load_weights", [True, False])
def test_a_folder_that_has_moved(folder, tmp_path, monkeypatch, load_weights):
    transformers = pytest.importorskip("transformers")

    def fail(*_, **__):
        raise OSError("cannot reach the hub.\nFurther lines")

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", fail)
    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", fail)
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", fail)
    gone = str(tmp_path / "gone")
    message = "gone' is not a folder in .* the hub failed: cannot reach the hub. If the folder has moved, give its new path"
    with pytest.raises(ConfigurationError, match=message):
        cached_transformers.get(gone, True, load_weights=load_weights)
    with pytest.raises(ConfigurationError, match=message):
        cached_transformers.get_tokenizer(gone)
