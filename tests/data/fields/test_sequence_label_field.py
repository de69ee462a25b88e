import numpy as np
import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.data.fields import SequenceLabelField, TextField
from nlpreg.data.fields.field import batch_fields, index_fields, new_counter, padding_lengths_of_fields


def field_of(labels: list, namespace: str = "labels") -> SequenceLabelField:
    return SequenceLabelField(labels, TextField.from_words(["w"] * len(labels)), namespace)


def test_counting_indexing_padding(vocab: Vocabulary) -> None:
    field = field_of(["VERB", "DET", "VERB"])
    counter = new_counter()
    field.count_vocab_items(counter)
    assert counter == {"labels": {"VERB": 2, "DET": 1}}
    field.index(vocab)
    assert field._indexed_labels == [2, 0, 2]
    assert field.get_padding_lengths() == {"num_tokens": 3}
    tensor = field.as_tensor({"num_tokens": 5})
    assert tensor.dtype == torch.int64
    assert tensor.tolist() == [2, 0, 2, 0, 0]
    assert field.as_tensor({"num_tokens": 2}).tolist() == [2, 0]


def test_many_at_once_are_the_same_as_one_by_one(vocab: Vocabulary) -> None:
    labels = [["VERB", "DET"], [], ["NOUN"]]
    single = [field_of(one) for one in labels]
    for field in single:
        field.index(vocab)
    many = [field_of(one) for one in labels]
    index_fields(many, vocab)
    assert isinstance(many[0]._indexed_labels, np.ndarray)
    assert many == single
    lengths = padding_lengths_of_fields(many)
    assert lengths == {"num_tokens": 2}
    expected = torch.stack([field.as_tensor(lengths) for field in single])
    assert torch.equal(batch_fields(many, lengths), expected)
    assert batch_fields(many, lengths).dtype == torch.int64


def test_ready_made_ids() -> None:
    field = field_of([3, 1])
    counter = new_counter()
    field.count_vocab_items(counter)
    SequenceLabelField.count_many([field], counter)
    assert not counter
    field.index(Vocabulary())
    SequenceLabelField.index_many([field], Vocabulary())
    assert field.as_tensor({"num_tokens": 3}).tolist() == [3, 1, 0]


def test_wrong_labels() -> None:
    with pytest.raises(ConfigurationError, match="expected a label for each of 2 elements, got 1"):
        SequenceLabelField(["A"], TextField.from_words(["a", "b"]))
    with pytest.raises(ConfigurationError, match="all str or all int"):
        field_of(["A", 1])
    with pytest.raises(ConfigurationError, match="all str or all int"):
        field_of([None])


def test_tensor_before_index() -> None:
    with pytest.raises(ConfigurationError, match="not indexed yet"):
        field_of(["A"]).as_tensor({"num_tokens": 1})


def test_empty_field_is_all_padding() -> None:
    text = TextField.from_words(["a"], {})
    empty = SequenceLabelField(["A"], text).empty_field()
    assert empty.as_tensor({"num_tokens": 2}).tolist() == [0, 0]


def test_as_a_sequence() -> None:
    field = field_of(["A", "B"])
    assert list(field) == ["A", "B"] == field.human_readable_repr()
    assert field[0] == "A"
    assert field[1:] == ["B"]
    assert len(field) == 2
    assert field != field_of(["A", "C"])
    assert field != field_of(["A", "B"], "tags")
    assert field != 3
    assert "length 2" in str(field)


def test_unknown_labels_have_no_entry_and_the_id_minus_one():
    fields = [
        SequenceLabelField(labels, TextField.from_words(["w"] * len(labels)), "tags", unknown_label="?")
        for labels in (["A", "?", "B"], ["?"], [])
    ]
    alone, together = new_counter(), new_counter()
    for field in fields:
        field.count_vocab_items(alone)
    SequenceLabelField.count_many(fields, together)
    assert alone["tags"] == together["tags"] == {"A": 1, "B": 1}
    vocab = Vocabulary(counter=together)
    a, b = (vocab.get_token_index(label, "tags") for label in "AB")
    index_fields(fields, vocab)
    tensor = batch_fields(fields, padding_lengths_of_fields(fields))
    assert tensor.tolist() == [[a, -1, b], [-1, 0, 0], [0, 0, 0]]
    for field, row in zip(fields, tensor, strict=True):
        field.index(vocab)
        assert field.as_tensor({"num_tokens": 3}).tolist() == row.tolist()
    assert fields[0].empty_field().unknown_label == "?"
    assert fields[1] != SequenceLabelField(["?"], TextField.from_words(["w"]), "tags")
