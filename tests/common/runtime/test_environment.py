import random
import sys
import types

import numpy as np
import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params
from nlpreg.common.runtime.environment import (
    LOADED_SPACY_MODELS,
    get_spacy_model,
    prepare_environment,
    run_seed,
    set_run_seed,
)


@pytest.fixture(autouse=True)
def run_seed_as_it_was():
    before = run_seed()
    yield
    set_run_seed(before)


def draw():
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_the_same_seeds_give_the_same_numbers_and_are_taken_from_the_config():
    params = Params({"random_seed": 5, "numpy_seed": 6, "pytorch_seed": 7, "model": {}})
    prepare_environment(params)
    assert list(params) == ["model"]
    assert run_seed() == 5
    first = draw()
    prepare_environment(Params({"random_seed": 5, "numpy_seed": 6, "pytorch_seed": 7}))
    assert draw() == first


def test_default_seeds():
    prepare_environment(Params({}))
    assert run_seed() == 13370
    assert draw() == (
        random.Random(13370).random(),
        np.random.RandomState(1337).rand(),
        torch.rand(1, generator=torch.Generator().manual_seed(133)).item(),
    )


def test_null_leaves_a_generator_alone():
    set_run_seed(99)
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    prepare_environment(Params({"random_seed": None, "numpy_seed": None, "pytorch_seed": None}))
    assert run_seed() == 99
    assert draw() == (
        random.Random(1).random(),
        np.random.RandomState(1).rand(),
        torch.rand(1, generator=torch.Generator().manual_seed(1)).item(),
    )


@pytest.fixture
def fake_spacy(monkeypatch):
    """A stand-in for spaCy that knows one model, and can download a second."""
    spacy, cli = types.ModuleType("spacy"), types.ModuleType("spacy.cli")
    installed, calls = {"en"}, []

    def load(name, disable):
        calls.append((name, tuple(disable)))
        if name not in installed:
            raise OSError("no model")
        return f"model {name}"

    def download(name):
        if name == "nowhere":
            sys.exit(1)
        installed.add(name)

    spacy.load, cli.download = load, download
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    monkeypatch.setitem(sys.modules, "spacy.cli", cli)
    monkeypatch.setattr("nlpreg.common.runtime.environment.LOADED_SPACY_MODELS", {})
    return calls


def test_spacy_models_load_once_for_each_set_of_pipes(fake_spacy):
    assert get_spacy_model("en") is get_spacy_model("en")
    get_spacy_model("en", pos_tags=False, parse=True, ner=True)
    assert fake_spacy == [
        ("en", ("vectors", "textcat", "parser", "ner")),
        ("en", ("vectors", "textcat", "tagger")),
    ]


def test_a_missing_spacy_model_is_downloaded_or_named(fake_spacy):
    assert get_spacy_model("de") == "model de"
    with pytest.raises(
        ConfigurationError, match=r'python -m spacy download nowhere.*"tokenizer": "whitespace"'
    ):
        get_spacy_model("nowhere")


def test_without_spacy_the_error_names_extra_and_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy", None)
    key = ("absent_model", True, False, False)
    assert key not in LOADED_SPACY_MODELS
    with pytest.raises(ConfigurationError, match=r'"tokenizer": "whitespace"') as caught:
        get_spacy_model("absent_model")
    assert "nlpreg[spacy]" in str(caught.value)
