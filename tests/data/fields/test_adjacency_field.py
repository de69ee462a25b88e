import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.data.fields import AdjacencyField, TextField
from nlpreg.data.fields.field import new_counter

TEXT = TextField.from_words(["a", "b", "c"], {})


def test_ones_at_the_pairs() -> None:
    field = AdjacencyField([(0, 1), (2, 0)], TEXT)
    assert field.get_padding_lengths() == {"num_tokens": 3}
    tensor = field.as_tensor({"num_tokens": 4})
    assert tensor.dtype == torch.float32
    assert tensor.tolist() == [[-1, 1, -1, -1], [-1] * 4, [1, -1, -1, -1], [-1] * 4]
    assert field.as_tensor({"num_tokens": 2}).tolist() == [[-1, 1], [-1, -1]]


def test_labels(vocab: Vocabulary) -> None:
    field = AdjacencyField([(0, 1)], TEXT, labels=["VERB"], padding_value=0)
    counter = new_counter()
    field.count_vocab_items(counter)
    assert counter == {"labels": {"VERB": 1}}
    with pytest.raises(ConfigurationError, match="not indexed yet"):
        field.as_tensor({"num_tokens": 2})
    field.index(vocab)
    assert field.as_tensor({"num_tokens": 2}).tolist() == [[0, 2], [0, 0]]


@pytest.mark.parametrize(
    ("indices", "labels", "message"),
    [
        ([(0, 1), (0, 1)], None, "every pair once"),
        ([(0, 3)], None, "indices below 3"),
        ([(-1, 0)], None, "indices below 3"),
        ([(0, 1)], ["a", "b"], "a label for each of 1 pairs, got 2"),
    ],
)
def test_wrong_arguments(indices: list, labels: list | None, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        AdjacencyField(indices, TEXT, labels)


def test_other_views() -> None:
    assert AdjacencyField([], TEXT).empty_field().as_tensor({"num_tokens": 1}).tolist() == [[-1]]
    assert AdjacencyField([(0, 1)], TEXT).human_readable_repr() == {"indices": [(0, 1)]}
    labelled = AdjacencyField([(0, 1)], TEXT, ["x"])
    assert labelled.human_readable_repr() == {"indices": [(0, 1)], "labels": ["x"]}
    assert len(AdjacencyField([], TEXT)) == 3
    assert "length 3" in str(AdjacencyField([], TEXT))
