import pytest

from nlpreg.data import Batch, Instance
from nlpreg.data.fields import FlagField, ListField


def test_one_value_for_the_batch() -> None:
    batch = Batch([Instance({"flag": FlagField({"a": [1]})}) for _ in range(2)]).as_tensor_dict()
    assert batch["flag"] == {"a": [1]}


def test_differing_values() -> None:
    instances = [Instance({"flag": FlagField(value)}) for value in (True, False)]
    with pytest.raises(ValueError, match="got True and False"):
        Batch(instances).as_tensor_dict()


def test_in_lists() -> None:
    instances = [Instance({"flags": ListField([FlagField(1)] * number)}) for number in (1, 2)]
    assert Batch(instances).as_tensor_dict()["flags"] == 1


def test_other_views() -> None:
    field = FlagField("x")
    assert len(field) == 1
    assert field.human_readable_repr() == "x"
    assert field.empty_field() == field
    assert str(field) == "FlagField(x)"
