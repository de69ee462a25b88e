import logging

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.data.fields import LabelField
from nlpreg.data.fields.field import new_counter


def test_counting_and_indexing(vocab: Vocabulary) -> None:
    field = LabelField("VERB")
    counter = new_counter()
    field.count_vocab_items(counter)
    assert counter == {"labels": {"VERB": 1}}
    field.index(vocab)
    tensor = field.as_tensor(field.get_padding_lengths())
    assert tensor.shape == ()
    assert tensor.dtype == torch.int64
    assert tensor.item() == 2


def test_ready_made_ids_are_neither_counted_nor_looked_up() -> None:
    field = LabelField(7, skip_indexing=True)
    counter = new_counter()
    field.count_vocab_items(counter)
    LabelField.count_many([field], counter)
    assert not counter
    field.index(Vocabulary())
    LabelField.index_many([field], Vocabulary())
    assert field.as_tensor({}).item() == 7
    assert field.empty_field().as_tensor({}).item() == -1


@pytest.mark.parametrize(("label", "skip"), [("a", True), (3, False), (None, False), (1.0, True)])
def test_wrong_types(label: object, skip: bool) -> None:
    with pytest.raises(ConfigurationError, match="expected a label of type"):
        LabelField(label, skip_indexing=skip)


def test_tensor_before_index() -> None:
    with pytest.raises(ConfigurationError, match="'a' is not indexed yet"):
        LabelField("a").as_tensor({})


def test_a_label_never_seen_is_named(vocab: Vocabulary) -> None:
    with pytest.raises(ConfigurationError, match=r"'ADV' is not in the namespace 'labels'.*tokens_to_add"):
        LabelField("ADV").index(vocab)
    with pytest.raises(KeyError):
        LabelField.index_many([LabelField("VERB"), LabelField("ADV")], vocab)


def test_warning_for_a_padded_namespace_comes_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            LabelField("a", "something_odd")
    assert len([r for r in caplog.records if "something_odd" in r.getMessage()]) == 1


def test_other_views() -> None:
    field = LabelField("a")
    assert len(field) == 1
    assert field.human_readable_repr() == "a"
    assert "labels" in str(field)
    assert field == LabelField("a") != LabelField("b")
