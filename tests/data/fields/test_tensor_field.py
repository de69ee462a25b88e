import numpy as np
import pytest
import torch

from nlpreg.data import Batch, Instance
from nlpreg.data.fields import ArrayField, ListField, TensorField


def test_array_field_is_the_same_class() -> None:
    assert ArrayField is TensorField


def test_padding_and_cutting_in_every_dimension() -> None:
    field = TensorField(np.array([[1.0, 2.0], [3.0, 4.0]]), padding_value=-1)
    assert field.get_padding_lengths() == {"dimension_0": 2, "dimension_1": 2}
    assert field.as_tensor({"dimension_0": 3, "dimension_1": 1}).tolist() == [[1.0], [3.0], [-1.0]]


def test_missing_dimensions_are_added_at_the_end() -> None:
    field = TensorField(torch.tensor([1.0, 2.0]))
    assert field.as_tensor({"dimension_0": 2, "dimension_1": 2}).tolist() == [[1.0, 0.0], [2.0, 0.0]]


def test_batch_of_different_sizes() -> None:
    instances = [Instance({"x": TensorField(torch.ones(size))}) for size in (1, 3)]
    assert Batch(instances).as_tensor_dict()["x"].tolist() == [[1, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize("dtype", [torch.int32, np.int32, np.dtype("int32")])
def test_dtypes_of_both_libraries(dtype: object) -> None:
    field = TensorField(np.array([1.7]), dtype=dtype)
    assert field.tensor.dtype == torch.int32
    assert field.as_tensor({"dimension_0": 2}).dtype == torch.int32
    assert field.empty_field().tensor.dtype == torch.int32


def test_other_inputs() -> None:
    with pytest.raises(ValueError, match="expected a tensor or an array, got list"):
        TensorField([1, 2])


def test_scalars() -> None:
    field = TensorField(torch.tensor(3))
    assert len(field) == 1
    assert field.as_tensor(field.get_padding_lengths()).item() == 3


def test_lists_are_padded_with_the_padding_value() -> None:
    lists = [ListField([TensorField(torch.ones(2), 9)] * number) for number in (1, 2)]
    batch = Batch([Instance({"x": field}) for field in lists]).as_tensor_dict()["x"]
    assert batch.tolist() == [[[1, 1], [9, 9]], [[1, 1], [1, 1]]]


def test_equality_and_other_views() -> None:
    field = TensorField(torch.tensor([1.0, float("nan")]))
    assert field == TensorField(torch.tensor([1.0, float("nan")]))
    assert field == np.array([1.0, float("nan")], np.float32)
    assert field != TensorField(torch.tensor([1.0, 2.0]))
    assert field != TensorField(torch.tensor([1, 2]))
    assert TensorField(torch.tensor([1])) == torch.tensor([1])
    assert TensorField(torch.tensor([1])) != "x"
    assert len(field) == 2
    assert isinstance(field.array, np.ndarray)
    assert "(2,)" in str(field)


def test_readable_form() -> None:
    shown = TensorField(torch.tensor([[1, 3]])).human_readable_repr()
    assert shown == {"shape": [1, 2], "element_std": 1.0, "element_mean": 2.0, "type": "int64"}
    assert TensorField(torch.empty(0)).human_readable_repr()["element_mean"] == 0
