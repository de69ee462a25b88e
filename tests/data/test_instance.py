from collections.abc import Callable

import pytest

from nlpreg.data import Instance, Vocabulary
from nlpreg.data.fields import LabelField, TextField
from nlpreg.data.fields.field import new_counter


def test_as_a_mapping(make_instance: Callable[..., Instance]) -> None:
    instance = make_instance("the dog", label="x")
    assert list(instance) == ["text", "label"]
    assert len(instance) == 2
    assert "label" in instance
    assert isinstance(instance["text"], TextField)
    assert dict(instance.items()) == instance.fields


def test_slots(make_instance: Callable[..., Instance]) -> None:
    instance = make_instance("a")
    with pytest.raises(AttributeError, match="something"):
        instance.something = 1


def test_indexing_happens_once(make_instance: Callable[..., Instance], vocab: Vocabulary) -> None:
    instance = make_instance("the dog")
    assert not instance.indexed
    instance.index_fields(vocab)
    assert instance.indexed
    instance.index_fields(Vocabulary())
    tensors = instance.as_tensor_dict()
    assert tensors["text"]["tokens"]["tokens"].tolist() == [2, 3]


def test_added_fields_are_indexed_if_the_instance_is(
    make_instance: Callable[..., Instance], vocab: Vocabulary
) -> None:
    instance = make_instance("the")
    instance.add_field("early", LabelField("DET"), vocab)
    assert instance["early"]._label_id is None
    instance.index_fields(vocab)
    instance.add_field("late", LabelField("VERB"), vocab)
    assert instance.as_tensor_dict()["late"].item() == 2


def test_counting(make_instance: Callable[..., Instance]) -> None:
    counter = new_counter()
    make_instance("a a", "X Y", "z").count_vocab_items(counter)
    assert counter["tokens"] == {"a": 2}
    assert counter["labels"] == {"X": 1, "Y": 1}
    assert counter["topic_labels"] == {"z": 1}


def test_tensors_without_a_batch_dimension(make_instance: Callable[..., Instance], vocab: Vocabulary) -> None:
    instance = make_instance("the dog", "DET NOUN")
    instance.index_fields(vocab)
    lengths = instance.get_padding_lengths()
    assert lengths["tags"] == {"num_tokens": 2}
    assert instance.as_tensor_dict()["tags"].tolist() == [0, 1]
    assert instance.as_tensor_dict({**lengths, "tags": {"num_tokens": 3}})["tags"].tolist() == [0, 1, 0]


def test_duplicate(make_instance: Callable[..., Instance], vocab: Vocabulary) -> None:
    instance = make_instance("the", "DET")
    instance.index_fields(vocab)
    copied = instance.duplicate()
    assert copied.indexed
    assert copied.fields == instance.fields
    copied.add_field("x", LabelField("y"))
    assert "x" not in instance


def test_readable_forms(make_instance: Callable[..., Instance]) -> None:
    instance = make_instance("the dog", "DET NOUN", "x")
    assert instance.human_readable_dict() == {"text": ["the", "dog"], "tags": ["DET", "NOUN"], "label": "x"}
    assert "tags: SequenceLabelField" in str(instance)
