import json

import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import DatasetReader, InterleavingDatasetReader, SequenceTaggingDatasetReader


@pytest.fixture
def paths(tmp_path):
    for name, size in (("a", 4), ("b", 2)):
        (tmp_path / name).write_text("".join(f"{name}{i}###T\n" for i in range(size)))
    return {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")}


def reader(scheme="round_robin", **kwargs):
    config = {
        "type": "interleaving",
        "readers": {
            "a": {"type": "sequence_tagging"},
            "b": {"type": "sequence_tagging", "token_indexers": {"x": "single_id"}},
        },
        "scheme": scheme,
        **kwargs,
    }
    return DatasetReader.from_params(Params(config))


def words(instances):
    return [instance["tokens"].human_readable_repr()[0] for instance in instances]


def test_schemes(paths):
    assert words(reader().read(paths)) == ["a0", "b0", "a1", "b1", "a2", "a3"]
    assert words(reader("all_at_once").read(json.dumps(paths))) == ["a0", "a1", "a2", "a3", "b0", "b1"]
    assert words(reader(max_instances=3).read(paths)) == ["a0", "b0", "a1"]


def test_instances_say_where_they_are_from(paths):
    one, two, *_ = reader(dataset_field_name="origin").read(paths)
    assert (one["origin"].metadata, two["origin"].metadata) == ("a", "b")
    assert set(one["tokens"].token_indexers) == {"tokens"}
    assert set(two["tokens"].token_indexers) == {"x"}
    instance = reader().text_to_instance("b", ["w"])
    assert instance["dataset"].metadata == "b"
    reader().apply_token_indexers(instance)
    assert set(instance["tokens"].token_indexers) == {"x"}


def test_errors(paths):
    with pytest.raises(
        ConfigurationError, match="scheme must be one of 'round_robin', 'all_at_once', got 'x'"
    ):
        InterleavingDatasetReader({"a": SequenceTaggingDatasetReader()}, scheme="x")
    with pytest.raises(
        ConfigurationError, match=r"expected a path for each of the readers \['a', 'b'\], got \['a'\]"
    ):
        list(reader().read({"a": paths["a"]}))
    with pytest.raises(ConfigurationError, match="or JSON of one, got 'some/path'"):
        list(reader().read("some/path"))
    with pytest.raises(ConfigurationError, match=r"got '\[1\]'|got \[1\]"):
        list(reader().read("[1]"))
