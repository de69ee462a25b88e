import pytest
import torch

from nlpreg.data.fields import SpanField, TextField
from nlpreg.data.fields.field import batch_fields

TEXT = TextField.from_words(["a", "b", "c"])


def test_tensor() -> None:
    field = SpanField(0, 2, TEXT)
    assert field.as_tensor(field.get_padding_lengths()).tolist() == [0, 2]
    assert field.empty_field().as_tensor({}).tolist() == [-1, -1]
    batch = batch_fields([field, SpanField(1, 1, TEXT)], {})
    assert batch.tolist() == [[0, 2], [1, 1]]
    assert batch.dtype == torch.int64


def test_wrong_spans() -> None:
    with pytest.raises(TypeError, match="expected two ints"):
        SpanField("0", 1, TEXT)
    with pytest.raises(ValueError, match="ends where it starts or later"):
        SpanField(2, 1, TEXT)
    with pytest.raises(ValueError, match="within 3 elements"):
        SpanField(1, 3, TEXT)


def test_equality_and_other_views() -> None:
    field = SpanField(0, 2, TEXT)
    assert field == (0, 2)
    assert field != (0, 1)
    assert field == SpanField(0, 2, TEXT)
    assert field != SpanField(0, 1, TEXT)
    assert len(field) == 2
    assert field.human_readable_repr() == (0, 2)
    assert "(0, 2)" in str(field)
