import pytest

from nlpreg.data import Batch, Instance
from nlpreg.data.fields import ListField, MetadataField


def test_a_list_for_the_batch() -> None:
    objects = [{"a": 1}, {"a": 2}]
    batch = Batch([Instance({"metadata": MetadataField(one)}) for one in objects]).as_tensor_dict()
    assert batch["metadata"] == objects
    assert batch["metadata"][0] is objects[0]


def test_lists_are_padded_with_none() -> None:
    lists = [ListField([MetadataField(1)]), ListField([MetadataField(2), MetadataField(3)])]
    batch = Batch([Instance({"m": field}) for field in lists]).as_tensor_dict()
    assert batch["m"] == [[1, None], [2, 3]]


def test_as_a_mapping() -> None:
    field = MetadataField({"a": 1})
    assert field["a"] == 1
    assert list(field) == ["a"]
    assert len(field) == 1
    assert dict(field) == {"a": 1}


@pytest.mark.parametrize("use", [lambda field: field["a"], list, len])
def test_no_mapping(use: object) -> None:
    with pytest.raises(TypeError, match="expected metadata that is a mapping, got int"):
        use(MetadataField(3))


def test_equality_and_other_views() -> None:
    assert MetadataField([1]) == MetadataField([1]) != MetadataField([2])
    assert MetadataField([1]) != [1]
    assert MetadataField([1]).human_readable_repr() == [1]
    assert "MetadataField" in str(MetadataField(1))
    assert MetadataField([1]).duplicate() == MetadataField([1])
