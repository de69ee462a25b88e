import tarfile

import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import DatasetReader, SequenceTaggingDatasetReader, ShardedDatasetReader
from nlpreg.data.dataset_readers.dataset_reader import DistributedInfo, WorkerInfo
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    for name in ("c", "a", "b"):
        (folder / f"{name}.txt").write_text(f"{name}0###T\n{name}1###T\n")
    return folder


def words(instances):
    return [instance["tokens"].human_readable_repr()[0] for instance in instances]


def test_patterns_folders_and_archives(folder, tmp_path):
    config = {"type": "sharded", "base_reader": {"type": "sequence_tagging"}}
    reader = DatasetReader.from_params(Params(config))
    everything = ["a0", "a1", "b0", "b1", "c0", "c1"]
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        for path in folder.iterdir():
            archive.add(path, arcname=path.name)
    for path in (f"{folder}/*.txt", folder, str(tmp_path / "x.tar.gz")):
        assert words(reader.read(path)) == everything
    assert words(reader.read(f"{folder}/[bc].txt")) == ["b0", "b1", "c0", "c1"]
    instance = reader.text_to_instance(["w"], ["T"])
    reader.apply_token_indexers(instance)
    assert set(instance["tokens"].token_indexers) == {"tokens"}


def test_a_limit_of_the_base_reader_holds_for_each_file(folder):
    reader = ShardedDatasetReader(SequenceTaggingDatasetReader(max_instances=1))
    assert words(reader.read(folder)) == ["a0", "b0", "c0"]


def test_whole_files_are_shared_out(folder):
    reader = ShardedDatasetReader(SequenceTaggingDatasetReader())
    reader._set_distributed_info(DistributedInfo(2, 0))
    assert words(reader.read(folder)) == ["a0", "a1", "c0", "c1"]
    reader._set_worker_info(WorkerInfo(2, 1))
    assert words(reader.read(folder)) == ["c0", "c1"]
    assert reader.reader.get_worker_info() is None


def test_max_instances_counts_instances_and_not_files(folder):
    assert words(ShardedDatasetReader(SequenceTaggingDatasetReader(), max_instances=3).read(folder)) == [
        "a0",
        "a1",
        "b0",
    ]


def test_more_processes_than_files_is_worth_a_warning(folder, caplog):
    reader = ShardedDatasetReader(SequenceTaggingDatasetReader())
    reader._set_distributed_info(DistributedInfo(4, 3))
    assert words(reader.read(folder)) == []
    assert "3 files are too few" in caplog.text


def test_errors(folder, tmp_path):
    reader = ShardedDatasetReader(SequenceTaggingDatasetReader())
    with pytest.raises(ConfigurationError, match="got a single file; read it with the base reader"):
        list(reader.read(folder / "a.txt"))
    with pytest.raises(ConfigurationError, match="expected at least one file, got none"):
        list(reader.read(f"{folder}/*.absent"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="expected at least one file, got none"):
        list(reader.read(tmp_path / "empty"))


def test_bad_lines_are_located_in_their_file(folder, caplog):
    (folder / "b.txt").write_text("b0###T\nb1\n")
    with pytest.raises(DataError, match=r"b\.txt, line 2: expected items such as word###TAG, got 'b1'"):
        list(ShardedDatasetReader(SequenceTaggingDatasetReader()).read(folder))
    reader = ShardedDatasetReader(SequenceTaggingDatasetReader(skip_bad_lines=True))
    assert words(reader.read(folder)) == ["a0", "a1", "b0", "c0", "c1"]
    assert "b.txt: left out 1 bad lines" in caplog.text
