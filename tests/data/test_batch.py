import logging
from collections.abc import Callable

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Batch, Instance, Vocabulary
from nlpreg.data.fields import LabelField, MetadataField


def test_the_example_of_the_documentation(make_instance: Callable[..., Instance], vocab: Vocabulary) -> None:
    vocab.add_token_to_namespace("x", "topic_labels")
    batch = Batch([make_instance("the dog barks", label="x"), make_instance("a " * 5, label="x")])
    batch.index_instances(vocab)
    tensors = batch.as_tensor_dict()
    assert tensors["text"]["tokens"]["tokens"].shape == (2, 5)
    assert tensors["text"]["chars"]["token_characters"].shape == (2, 5, 5)
    assert tensors["label"].shape == (2,)
    assert tensors["label"].dtype == torch.int64


def test_given_lengths_replace_those_that_are_given(
    make_instance: Callable[..., Instance], vocab: Vocabulary
) -> None:
    batch = Batch([make_instance("the dog barks", "DET NOUN VERB")])
    batch.index_instances(vocab)
    lengths = {"text": {"tokens___tokens": 2, "chars___num_token_characters": 1}, "tags": {"num_tokens": 4}}
    tensors = batch.as_tensor_dict(lengths)
    assert tensors["text"]["tokens"]["tokens"].tolist() == [[2, 3]]
    assert tensors["text"]["chars"]["token_characters"].shape == (1, 3, 1)
    assert tensors["tags"].tolist() == [[0, 1, 2, 0]]


def test_lengths_are_the_greatest(make_instance: Callable[..., Instance], vocab: Vocabulary) -> None:
    batch = Batch([make_instance("the"), make_instance("dog barks")])
    batch.index_instances(vocab)
    assert batch.get_padding_lengths()["text"] == {
        "tokens___tokens": 2,
        "chars___token_characters": 2,
        "chars___num_token_characters": 5,
    }


def test_fields_must_be_the_same_everywhere() -> None:
    label, metadata = LabelField("a"), MetadataField("a")
    with pytest.raises(
        ConfigurationError, match=r"\['x'\] in one and \['x', 'y'\] in another: y is missing in \{'x': 'a'\}"
    ):
        Batch([Instance({"x": label}), Instance({"x": label, "y": label})])
    with pytest.raises(ConfigurationError, match=r"\['LabelField', 'MetadataField'\] under 'x'"):
        Batch([Instance({"x": label}), Instance({"x": metadata})])


def test_the_order_of_fields_does_not_matter(vocab: Vocabulary) -> None:
    vocab.add_tokens_to_namespace(["a", "b"], "x_labels")
    first, second = LabelField("a", "x_labels"), LabelField("b", "x_labels")
    batch = Batch([Instance({"x": first, "y": second}), Instance({"y": first, "x": second})])
    batch.index_instances(vocab)
    tensors = batch.as_tensor_dict()
    assert tensors["x"].tolist() == [0, 1]
    assert tensors["y"].tolist() == [1, 0]


def test_as_a_list(make_instance: Callable[..., Instance]) -> None:
    instances = [make_instance("a"), make_instance("b")]
    assert list(Batch(iter(instances))) == instances
    assert len(Batch(instances)) == 2
    assert Batch([]).as_tensor_dict() == {}


def test_statistics(
    make_instance: Callable[..., Instance], vocab: Vocabulary, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = Batch([make_instance("the"), make_instance("the dog barks")])
    with pytest.raises(ConfigurationError, match="index the instances first"):
        batch.print_statistics()
    batch.index_instances(vocab)
    batch.print_statistics()
    printed = capsys.readouterr().out
    assert "text.tokens___tokens" in printed
    assert "Mean: 2.0" in printed


def test_verbose_says_the_lengths(
    make_instance: Callable[..., Instance], vocab: Vocabulary, caplog: pytest.LogCaptureFixture
) -> None:
    batch = Batch([make_instance("the")])
    batch.index_instances(vocab)
    with caplog.at_level(logging.INFO):
        batch.as_tensor_dict(verbose=True)
    assert "tokens___tokens" in caplog.text
