from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Instance, Vocabulary, nlpreg_collate
from nlpreg.data.data_loaders.data_collator import (
    DataCollator,
    DefaultDataCollator,
    LanguageModelingDataCollator,
)
from nlpreg.data.fields import TextField
from nlpreg.data.token_indexers import PretrainedTransformerIndexer
from nlpreg.data.tokenizers import PretrainedTransformerTokenizer


def test_the_default_pads(make_instance: Callable[..., Instance], vocab: Vocabulary) -> None:
    instances = [make_instance("the"), make_instance("the dog")]
    for instance in instances:
        instance.index_fields(vocab)
    collator = DataCollator.from_params(Params({}))
    assert isinstance(collator, DefaultDataCollator)
    ids = collator(instances)["text"]["tokens"]["tokens"]
    assert ids.tolist() == [[2, 0], [2, 3]]
    assert torch.equal(nlpreg_collate(instances)["text"]["tokens"]["tokens"], ids)


def test_the_name_in_old_configs() -> None:
    assert isinstance(DataCollator.from_params(Params({"type": "allennlp"})), DefaultDataCollator)


def test_a_collator_must_be_callable() -> None:
    with pytest.raises(NotImplementedError, match="has no __call__"):
        DataCollator()([])


def test_pieces_are_hidden_and_their_ids_become_labels(tiny_bert: Path) -> None:
    torch.manual_seed(0)
    name = str(tiny_bert)
    indexers = {"tokens": PretrainedTransformerIndexer(name)}
    tokens = PretrainedTransformerTokenizer(name).tokenize("the dog barks " * 20)
    instance = Instance({"source": TextField(tokens, indexers)})
    instance.index_fields(Vocabulary())
    original = nlpreg_collate([instance])["source"]["tokens"]["token_ids"]
    collator = LanguageModelingDataCollator(name, mlm_probability=0.5)
    tensors = collator([instance])["source"]["tokens"]
    hidden = tensors["labels"] != -100
    assert 10 < hidden.sum() < 50
    assert torch.equal(tensors["labels"][hidden], original[hidden])
    assert torch.equal(tensors["token_ids"][~hidden], original[~hidden])
    assert not torch.equal(tensors["token_ids"], original)


def test_another_field_name(
    tiny_bert: Path, make_instance: Callable[..., Instance], vocab: Vocabulary
) -> None:
    instance = make_instance("the")
    instance.index_fields(vocab)
    with pytest.raises(ConfigurationError, match=r"expected batches with 'source'.*\['text'\]"):
        LanguageModelingDataCollator(str(tiny_bert))([instance])
