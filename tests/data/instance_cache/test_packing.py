import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpreg.data import Instance, Token
from nlpreg.data.fields import (
    FlagField,
    LabelField,
    MetadataField,
    SequenceLabelField,
    TextField,
)
from nlpreg.data.instance_cache import NotPackable, pack_instances, unpack_instances


def tagged(words, tags, label="x", number=0):
    text = TextField.from_words(words)
    return Instance(
        {
            "tokens": text,
            "metadata": MetadataField({"words": words, "number": number}),
            "tags": SequenceLabelField(tags, text, "pos_tags"),
            "label": LabelField(label, "topics"),
        }
    )


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.text(), st.text(max_size=2))),
            st.text(),
            st.one_of(st.integers(), st.booleans(), st.none(), st.lists(st.text())),
        ),
        min_size=1,
    )
)
def test_there_and_back(sentences):
    instances = [
        tagged([word for word, _ in pairs], [tag for _, tag in pairs], label, number)
        for pairs, label, number in sentences
        if pairs
    ]
    if not instances:
        return
    found = unpack_instances(pack_instances(instances))
    assert [instance.fields for instance in found] == [instance.fields for instance in instances]
    for instance in found:
        assert instance["tags"].sequence_field is instance["tokens"]
        assert instance["metadata"]["words"] is instance["tokens"].words
        assert not instance.indexed


def test_arrays_need_no_pickle(tmp_path):
    arrays = pack_instances([tagged(["a", "é"], ["X", "Y"])])
    assert all(array.dtype.kind == "u" for array in arrays.values())
    np.savez(tmp_path / "a.npz", **arrays)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as loaded:
        assert unpack_instances(loaded)[0]["tokens"].words == ["a", "é"]


class OwnText(TextField):
    pass


class OwnInstance(Instance):
    pass


def text(words=("a",)):
    return TextField.from_words(list(words))


def an_indexed_one(vocab):
    instance = tagged(["a"], ["X"])
    instance.indexed = True
    return instance


@pytest.mark.parametrize(
    ("instances", "reason"),
    [
        ([Instance({"text": OwnText([])})], "the field 'text' is a OwnText"),
        ([Instance({"flag": FlagField(1)})], "the field 'flag' is a FlagField"),
        ([OwnInstance({"text": text()})], "a class of their own"),
        ([Instance({"text": text()}), OwnInstance({"text": text()})], "the classes of the instances differ"),
        ([Instance({"a": text()}), Instance({"b": text()})], "the names of the fields differ"),
        ([Instance({"a": text()}), Instance({"a": LabelField("x")})], "the classes of the fields 'a' differ"),
        ([Instance({"text": TextField([Token("a", idx=3)])})], "tokens that may be more than words"),
        ([Instance({"tags": SequenceLabelField(["X"], text())})], "a sequence that is no field before them"),
        ([Instance({"t": text(), "tags": SequenceLabelField(["X"], text())})], "no field before them"),
        ([Instance({"label": LabelField(3, skip_indexing=True)})], "labels are ids"),
        ([Instance({"l": LabelField("a", "x")}), Instance({"l": LabelField("a", "y")})], "namespaces"),
        ([Instance({"m": MetadataField("a")})], "metadata that is no dict"),
        ([Instance({"m": MetadataField({})})], "metadata without keys"),
        ([Instance({"m": MetadataField({1: 2})})], "keys that are no text"),
        ([Instance({"m": MetadataField({"a": (1, 2)})})], "JSON does not keep as it is"),
        ([Instance({"m": MetadataField({"a": Token("a")})})], "a value that JSON does not have"),
        (
            [Instance({"m": MetadataField({"a": 1})}), Instance({"m": MetadataField({"b": 1})})],
            "keys of metadata",
        ),
    ],
)
def test_what_arrays_cannot_say(instances, reason):
    with pytest.raises(NotPackable, match=reason):
        pack_instances(instances)


def test_indexed_instances_and_ids_as_labels():
    instance = tagged(["a"], ["X"])
    instance.indexed = True
    with pytest.raises(NotPackable, match="are indexed"):
        pack_instances([instance])
    words = text()
    with pytest.raises(NotPackable, match="labels of a sequence are ids"):
        pack_instances([Instance({"text": words, "tags": SequenceLabelField([3], words)})])


def test_arrays_that_do_not_go_together():
    arrays = pack_instances([tagged(["a", "b"], ["X", "Y"])])
    with pytest.raises(ValueError, match="expected 2 words, got 1"):
        unpack_instances({**arrays, "0.numbers": arrays["0.numbers"][:1]})
    with pytest.raises(KeyError, match="schema"):
        unpack_instances({})
    schema = json.loads(arrays["schema"].tobytes())
    schema["num_instances"] = 2
    with pytest.raises(ValueError, match="expected 2 instances, got 1"):
        unpack_instances({**arrays, "schema": np.frombuffer(json.dumps(schema).encode(), np.uint8)})
