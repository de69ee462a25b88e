"""What holds for every field: lengths 0 and 1, alone and in a batch with a longer one."""

import pytest
import torch

from nlpreg.data import Batch, Instance, Token, Vocabulary, fields
from nlpreg.data.fields import (
    AdjacencyField,
    FlagField,
    IndexField,
    LabelField,
    ListField,
    MetadataField,
    MultiLabelField,
    NamespaceSwappingField,
    SequenceLabelField,
    SequenceMultiLabelField,
    SpanField,
    TensorField,
    TextField,
    TransformerTextField,
)
from nlpreg.data.token_indexers import (
    ELMoTokenCharactersIndexer,
    SingleIdTokenIndexer,
    TokenCharactersIndexer,
)

INDEXERS = {
    "tokens": SingleIdTokenIndexer(),
    "characters": TokenCharactersIndexer(min_padding_length=3),
    "elmo": ELMoTokenCharactersIndexer(),
}


def text(length):
    return TextField([Token(f"w{i}") for i in range(length)], INDEXERS)


MAKERS = {
    "AdjacencyField": lambda n: AdjacencyField([(i, i) for i in range(n)], text(n)),
    "FlagField": lambda n: FlagField(True),
    "IndexField": lambda n: IndexField(n - 1, text(n)),
    "LabelField": lambda n: LabelField(str(n)),
    "ListField": lambda n: ListField([text(n), text(0)]),
    "MetadataField": lambda n: MetadataField({"n": n}),
    "MultiLabelField": lambda n: MultiLabelField([str(i) for i in range(n)]),
    "NamespaceSwappingField": lambda n: NamespaceSwappingField([Token(f"w{i}") for i in range(n)], "other"),
    "SequenceLabelField": lambda n: SequenceLabelField([f"L{i}" for i in range(n)], text(n)),
    "SequenceMultiLabelField": lambda n: SequenceMultiLabelField([[f"L{i}"] * i for i in range(n)], text(n)),
    "SpanField": lambda n: SpanField(0, n, text(n + 1)),
    "TensorField": lambda n: TensorField(torch.arange(n)),
    "TextField": text,
    "TransformerTextField": lambda n: TransformerTextField(torch.arange(n), attention_mask=torch.ones(n)),
}


def test_no_field_is_left_out():
    assert set(MAKERS) == set(fields.__all__) - {"ArrayField", "Field", "SequenceField"}


def instances_of(name, lengths):
    instances = [Instance({"field": MAKERS[name](length)}) for length in lengths]
    vocab = Vocabulary.from_instances(instances)
    for instance in instances:
        instance.index_fields(vocab)
    return instances


def leaves(tensors):
    if isinstance(tensors, dict):
        return [leaf for value in tensors.values() for leaf in leaves(value)]
    return [tensors] if isinstance(tensors, torch.Tensor) else []


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("length", [0, 1])
def test_alone(name, length):
    (instance,) = instances_of(name, [length])
    alone = instance.as_tensor_dict()
    batch = Batch([instance]).as_tensor_dict()
    assert [tuple(leaf.shape[1:]) for leaf in leaves(batch)] == [tuple(leaf.shape) for leaf in leaves(alone)]
    for one, in_batch in zip(leaves(alone), leaves(batch), strict=True):
        assert torch.equal(one, in_batch[0])
    assert instance.duplicate().as_tensor_dict().keys() == alone.keys()
    instance.human_readable_dict()
    str(instance)


@pytest.mark.parametrize("name", MAKERS)
def test_beside_a_longer_one(name):
    instances = instances_of(name, [0, 1, 4, 0])
    together = Batch(instances)
    lengths = together.get_padding_lengths()
    batch = leaves(together.as_tensor_dict())
    for row, instance in enumerate(instances):
        for one, in_batch in zip(leaves(instance.as_tensor_dict(lengths)), batch, strict=True):
            assert torch.equal(one.to(in_batch.dtype), in_batch[row])


# lists of the fields that are left out do not become one tensor
@pytest.mark.parametrize("name", sorted(set(MAKERS) - {"FlagField", "TransformerTextField", "MetadataField"}))
def test_in_a_list(name):
    instances = [
        Instance({"field": ListField([MAKERS[name](n) for n in lengths])}) for lengths in ([1], [3, 1])
    ]
    vocab = Vocabulary.from_instances(instances)
    batch = Batch(instances)
    batch.index_instances(vocab)
    for leaf in leaves(batch.as_tensor_dict()):
        assert leaf.shape[:2] == (2, 2)


@pytest.mark.parametrize("name", MAKERS)
def test_equal_whether_indexed_alone_or_together(name):
    first, second = instances_of(name, [1, 2])
    again = Batch([Instance({"field": MAKERS[name](length)}) for length in (1, 2)])
    again.index_instances(Vocabulary.from_instances([Instance({"field": MAKERS[name](n)}) for n in (1, 2)]))
    assert again.instances[0]["field"] == first["field"]
    assert again.instances[1]["field"] == second["field"]
    assert (first["field"] == second["field"]) == (name == "FlagField")


def test_metadata_with_arrays_can_be_compared():
    assert MetadataField({"x": torch.arange(3)}) == MetadataField({"x": torch.arange(3)})
    assert MetadataField({"x": torch.arange(3)}) != MetadataField({"x": torch.arange(4)})
