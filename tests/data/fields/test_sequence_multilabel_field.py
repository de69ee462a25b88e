import pickle

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Batch, Instance, Token, Vocabulary
from nlpreg.data.fields import SequenceMultiLabelField, TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer


def field_of(*labels):
    text = TextField([Token("w")] * len(labels), {"tokens": SingleIdTokenIndexer()})
    return SequenceMultiLabelField(list(labels), text, "features")


FIELDS = [
    lambda: field_of(["Case=Nom", "Number=Sing"], [], ["Number=Sing"]),
    lambda: field_of(["Case=Nom"]),
]


def test_vocabulary_and_tensors():
    instances = [Instance({"features": make()}) for make in FIELDS]
    vocab = Vocabulary.from_instances(instances)
    assert vocab.get_token_to_index_vocabulary("features").keys() - {"Case=Nom", "Number=Sing"} == {
        vocab.get_token_from_index(0, "features"),
        vocab.get_token_from_index(1, "features"),
    }
    case, number = (vocab.get_token_index(label, "features") for label in ("Case=Nom", "Number=Sing"))
    batch = Batch(instances)
    batch.index_instances(vocab)
    expected = [[[case, number], [0, 0], [number, 0]], [[case, 0], [0, 0], [0, 0]]]
    assert torch.equal(batch.as_tensor_dict()["features"], torch.tensor(expected))


def test_alone_as_in_a_batch_and_after_a_copy():
    vocab = Vocabulary.from_instances([Instance({"features": make()}) for make in FIELDS])
    alone = FIELDS[0]()
    alone.index(vocab)
    together = [make() for make in FIELDS]
    SequenceMultiLabelField.index_many(together, vocab)
    lengths = alone.get_padding_lengths()
    assert lengths == {"num_tokens": 3, "num_labels": 2}
    assert alone == together[0]
    copied = pickle.loads(pickle.dumps(alone))
    for field in (together[0], copied, alone.duplicate()):
        assert torch.equal(field.as_tensor(lengths), alone.as_tensor(lengths))
    assert alone.human_readable_repr() == [["Case=Nom", "Number=Sing"], [], ["Number=Sing"]]


def test_unknown_labels_have_the_unknown_id():
    vocab = Vocabulary.from_instances([Instance({"features": FIELDS[1]()})])
    field = field_of(["Gender=Fem"])
    field.index(vocab)
    assert field.as_tensor(field.get_padding_lengths()).tolist() == [[1]]


def test_errors():
    text = TextField([Token("w")], {})
    with pytest.raises(ConfigurationError, match="expected a list of labels for each of 1 elements, got 2"):
        SequenceMultiLabelField([["A"], ["B"]], text)
    with pytest.raises(ConfigurationError, match="not indexed yet"):
        field_of(["A"]).get_padding_lengths()
