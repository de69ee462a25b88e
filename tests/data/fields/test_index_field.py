import numpy as np
import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.fields import IndexField, TextField
from nlpreg.data.fields.field import batch_fields

TEXT = TextField.from_words(["a", "b"])


def test_tensor() -> None:
    field = IndexField(1, TEXT)
    assert field.as_tensor(field.get_padding_lengths()).tolist() == [1]
    assert field.empty_field().as_tensor({}).tolist() == [-1]
    batch = batch_fields([field, IndexField(0, TEXT)], {})
    assert batch.tolist() == [[1], [0]]
    assert batch.dtype == torch.int64


@pytest.mark.parametrize("index", [1.0, "1", None, np.int64(1)])
def test_only_ints(index: object) -> None:
    with pytest.raises(ConfigurationError, match="expected an int"):
        IndexField(index, TEXT)


def test_equality_and_other_views() -> None:
    assert IndexField(1, TEXT) == 1
    assert IndexField(1, TEXT) == IndexField(1, TEXT)
    assert IndexField(1, TEXT) != IndexField(0, TEXT)
    assert len(IndexField(1, TEXT)) == 1
    assert IndexField(1, TEXT).human_readable_repr() == 1
    assert str(IndexField(1, TEXT)) == "IndexField with index: 1."
