from typing import Any

import pytest
import torch

from nlpreg.data import Batch, Instance, TokenIndexer, Vocabulary
from nlpreg.data.fields import (
    Field,
    FlagField,
    IndexField,
    LabelField,
    ListField,
    MetadataField,
    SequenceLabelField,
    SpanField,
    TextField,
)
from nlpreg.data.fields.field import new_counter

Indexers = dict[str, TokenIndexer]


def slow_batch(fields: list[Any], lengths: dict[str, int]) -> Any:
    """The tensors of fields, one by one."""
    return fields[0].batch_tensors([field.as_tensor(lengths) for field in fields])


def check_against_one_by_one(fields: list[ListField], vocab: Vocabulary) -> Any:
    """The batch of some lists, after comparing it with the one made field by field."""
    copies = [field.duplicate() for field in fields]
    batch = Batch([Instance({"x": field}) for field in fields])
    batch.index_instances(vocab)
    lengths: dict[str, int] = {}
    for field in copies:
        field.index(vocab)
        for key, length in field.get_padding_lengths().items():
            lengths[key] = max(length, lengths.get(key, 0))
    assert batch.get_padding_lengths() == {"x": lengths}
    fast = batch.as_tensor_dict()["x"]
    slow = slow_batch(copies, lengths)
    if isinstance(slow, torch.Tensor):
        assert torch.equal(fast, slow)
        assert fast.dtype == slow.dtype
    else:
        for indexer, tensors in slow.items():
            for key, tensor in tensors.items():
                assert torch.equal(fast[indexer][key], tensor)
    return fast


def test_texts(indexers: Indexers, vocab: Vocabulary) -> None:
    def text(words: str) -> TextField:
        return TextField.from_words(words.split(), indexers)

    lists = [ListField([text("the dog"), text("")]), ListField([text("barks . the"), text("a"), text("dog")])]
    batch = check_against_one_by_one(lists, vocab)
    assert batch["tokens"]["tokens"].shape == (2, 3, 3)
    assert batch["chars"]["token_characters"].shape == (2, 3, 3, 5)
    assert batch["tokens"]["tokens"][0].tolist() == [[2, 3, 0], [0, 0, 0], [0, 0, 0]]


def test_lists_of_lists(indexers: Indexers, vocab: Vocabulary) -> None:
    def texts(*words: str) -> ListField:
        return ListField([TextField.from_words(one.split(), indexers) for one in words])

    lists = [ListField([texts("the", "the dog"), texts("a")]), ListField([texts("dog")])]
    batch = check_against_one_by_one(lists, vocab)
    assert batch["tokens"]["tokens"].shape == (2, 2, 2, 2)


def test_labels_spans_and_indices(vocab: Vocabulary) -> None:
    text = TextField.from_words(["a"] * 4, {})
    labels = [ListField([LabelField("DET")]), ListField([LabelField("VERB"), LabelField("NOUN")])]
    assert check_against_one_by_one(labels, vocab).tolist() == [[0, -1], [2, 1]]
    spans = [ListField([SpanField(0, 3, text)]), ListField([SpanField(1, 2, text), SpanField(1, 1, text)])]
    assert check_against_one_by_one(spans, vocab).tolist() == [[[0, 3], [-1, -1]], [[1, 2], [1, 1]]]
    indices = [ListField([IndexField(2, text)] * 2), ListField([IndexField(0, text)])]
    assert check_against_one_by_one(indices, vocab).tolist() == [[[2], [2]], [[0], [-1]]]


def test_sequence_labels(indexers: Indexers, vocab: Vocabulary) -> None:
    def tags(*labels: str) -> SequenceLabelField:
        return SequenceLabelField(list(labels), TextField.from_words(["w"] * len(labels), indexers))

    lists = [ListField([tags("VERB", "NOUN"), tags("NOUN")]), ListField([tags("VERB")])]
    assert check_against_one_by_one(lists, vocab).tolist() == [[[2, 1], [1, 0]], [[2, 0], [0, 0]]]


def test_every_length_is_one_at_least(indexers: Indexers, vocab: Vocabulary) -> None:
    empty = ListField([TextField.from_words(["a"], indexers).empty_field()])
    assert empty.get_padding_lengths() == {
        "num_fields": 1,
        "list_tokens___tokens": 1,
        "list_chars___token_characters": 1,
        "list_chars___num_token_characters": 2,
    }
    batch = check_against_one_by_one([empty, empty.duplicate()], vocab)
    assert batch["tokens"]["tokens"].tolist() == [[[0]], [[0]]]


def test_given_lengths_cut_and_lengthen(vocab: Vocabulary) -> None:
    field = ListField([LabelField("DET"), LabelField("VERB")])
    batch = Batch([Instance({"x": field})])
    batch.index_instances(vocab)
    assert batch.as_tensor_dict({"x": {"num_fields": 1}})["x"].tolist() == [[0]]
    assert batch.as_tensor_dict({"x": {"num_fields": 3}})["x"].tolist() == [[0, 2, -1]]


def test_counting(indexers: Indexers) -> None:
    field = ListField([TextField.from_words(["a", "b"], indexers), TextField.from_words(["a"], indexers)])
    one_by_one, together = new_counter(), new_counter()
    field.count_vocab_items(one_by_one)
    ListField.count_many([field], together)
    assert one_by_one == together
    assert one_by_one["tokens"] == {"a": 2, "b": 1}


def test_fields_of_one_class_and_at_least_one() -> None:
    with pytest.raises(AssertionError, match=r"got \[\]"):
        ListField([])
    with pytest.raises(AssertionError, match=r"\['LabelField', 'TextField'\]"):
        ListField([LabelField("a"), TextField([])])


class Doubled(Field[torch.Tensor]):
    """A field of a plugin that merges in a way of its own."""

    def __init__(self, value: float) -> None:
        self.value = value

    def get_padding_lengths(self) -> dict[str, int]:
        return {}

    def as_tensor(self, padding_lengths: dict[str, int]) -> torch.Tensor:
        return torch.tensor(self.value)

    def empty_field(self) -> Field[Any]:
        return Doubled(0)

    def batch_tensors(self, tensor_list: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(tensor_list) * 2


def test_fields_that_merge_in_their_own_way() -> None:
    lists = [ListField([Doubled(1.0)]), ListField([Doubled(2.0), Doubled(3.0)])]
    batch = Batch([Instance({"x": field}) for field in lists]).as_tensor_dict()["x"]
    assert batch.tolist() == [[4, 0], [8, 12]]


def test_lists_of_lists_of_what_does_not_become_a_tensor() -> None:
    lists = [
        ListField([ListField([MetadataField("a"), MetadataField("b")]), ListField([MetadataField("c")])]),
        ListField([ListField([MetadataField("d")])]),
    ]
    batch = Batch([Instance({"x": field}) for field in lists])
    assert batch.as_tensor_dict()["x"] == [[["a", "b"], ["c", None]], [["d", None], [None, None]]]
    flags = ListField([ListField([FlagField(3)])])
    assert Batch([Instance({"x": flags}), Instance({"x": flags})]).as_tensor_dict() == {"x": 3}


def test_as_a_sequence(vocab: Vocabulary) -> None:
    labels = [LabelField("DET"), LabelField("VERB")]
    field = ListField(labels)
    assert len(field) == field.sequence_length() == 2
    assert list(field) == labels
    assert field[0] == labels[0]
    assert field[1:] == labels[1:]
    assert field.human_readable_repr() == ["DET", "VERB"]
    assert len(field.empty_field()) == 1
    assert "2 LabelFields" in str(field)
    assert field == ListField(labels)
