import pytest

from nlpreg.common import Params
from nlpreg.data.dataset_readers import DatasetReader, MultiTaskDatasetReader, SequenceTaggingDatasetReader
from nlpreg.data.dataset_readers.multitask import MultiTaskReaderShim


@pytest.fixture
def reader():
    config = {"type": "multitask", "readers": {"pos": "sequence_tagging", "ner": {"type": "conll2003"}}}
    return DatasetReader.from_params(Params(config))


def test_one_task_at_a_time(reader, tmp_path):
    assert isinstance(reader, MultiTaskDatasetReader)
    (tmp_path / "pos").write_text("a###X\n")
    (tmp_path / "ner").write_text("Oslo NNP I-NP I-LOC\n")
    paths = {"pos": str(tmp_path / "pos"), "ner": str(tmp_path / "ner")}
    for task, tag in (("pos", "X"), ("ner", "I-LOC")):
        (instance,) = reader.read(paths, force_task=task)
        assert instance["task"].metadata == task
        assert instance["tags"].labels == [tag]
        assert instance["tokens"].token_indexers
    with pytest.raises(RuntimeError, match="expected force_task to name one task"):
        reader.read(paths)


def test_instances_from_text(reader):
    instance = reader.text_to_instance("ner", ["Oslo"])
    assert instance["task"].metadata == "ner"
    reader.apply_token_indexers(instance)
    assert instance["tokens"].token_indexers


def test_a_shim_by_its_name(tmp_path):
    config = {
        "type": "multitask_shim",
        "inner": {"type": "sequence_tagging", "max_instances": 1},
        "head": "x",
    }
    shim = DatasetReader.from_params(Params(config))
    assert isinstance(shim, MultiTaskReaderShim)
    (tmp_path / "f").write_text("a###X\nb###X\n")
    assert [instance["task"].metadata for instance in shim.read(str(tmp_path / "f"))] == ["x"]
    assert isinstance(shim.inner, SequenceTaggingDatasetReader)
