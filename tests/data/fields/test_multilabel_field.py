import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.data.fields import MultiLabelField
from nlpreg.data.fields.field import new_counter


def test_ones_at_the_labels(vocab: Vocabulary) -> None:
    field = MultiLabelField(["VERB", "DET"])
    counter = new_counter()
    field.count_vocab_items(counter)
    assert counter == {"labels": {"VERB": 1, "DET": 1}}
    field.index(vocab)
    tensor = field.as_tensor(field.get_padding_lengths())
    assert tensor.dtype == torch.int64
    assert tensor.tolist() == [1, 0, 1, 0]
    assert field.empty_field().as_tensor({}).tolist() == [0, 0, 0, 0]


def test_no_labels(vocab: Vocabulary) -> None:
    field = MultiLabelField([])
    field.index(vocab)
    assert field.as_tensor({}).tolist() == [0] * 4


def test_ready_made_ids_and_own_width() -> None:
    field = MultiLabelField([0, 2], skip_indexing=True, num_labels=3)
    counter = new_counter()
    field.count_vocab_items(counter)
    assert not counter
    assert field.as_tensor({}).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("labels", "arguments", "message"),
    [
        ([0], {"skip_indexing": True}, "expected num_labels"),
        ([3], {"skip_indexing": True, "num_labels": 3}, "below num_labels=3, got 3"),
        (["a"], {"skip_indexing": True, "num_labels": 3}, "expected labels of type int"),
        ([1], {}, "expected labels of type str"),
    ],
)
def test_arguments_that_do_not_agree(labels: list, arguments: dict, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        MultiLabelField(labels, **arguments)


def test_tensor_before_index() -> None:
    with pytest.raises(ConfigurationError, match="not indexed yet"):
        MultiLabelField(["a"]).as_tensor({})


def test_other_views() -> None:
    field = MultiLabelField(("a", "b"))
    assert len(field) == 1
    assert field.human_readable_repr() == ["a", "b"]
    assert "labels" in str(field)
