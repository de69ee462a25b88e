from collections import Counter
from pathlib import Path

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import FoldDatasetReader, SequenceTaggingDatasetReader
from nlpreg.data.dataset_readers.dataset_reader import DatasetReaderInput, DistributedInfo, WorkerInfo

NUM_SENTENCES = 11


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "data.txt"
    file.write_text("".join(f"word{number}###X\n" for number in range(NUM_SENTENCES)))
    return str(file)


def words(reader: FoldDatasetReader, path: DatasetReaderInput) -> list[int]:
    return [int(instance["tokens"][0].text.removeprefix("word")) for instance in reader.read(path)]


def fold(path: str, number: int, held_out: bool, num_folds: int = 3, **options: int) -> FoldDatasetReader:
    return FoldDatasetReader(SequenceTaggingDatasetReader(), path, number, num_folds, held_out, **options)


def test_each_instance_is_held_out_once_and_trained_on_otherwise(path: str) -> None:
    held_out = [words(fold(path, number, True), path) for number in range(3)]
    assert Counter(word for part in held_out for word in part) == Counter(range(NUM_SENTENCES))
    for number, part in enumerate(held_out):
        trained_on = words(fold(path, number, False), path)
        assert sorted(trained_on + part) == list(range(NUM_SENTENCES))


def test_other_data_are_read_whole(path: str, tmp_path: Path) -> None:
    other = tmp_path / "test.txt"
    other.write_text("word5###X\nword6###X\n")
    assert words(fold(path, 0, True), str(other)) == [5, 6]
    assert words(fold(path, 0, True), [str(other), str(other)]) == [5, 6, 5, 6]
    assert words(fold(path, 0, True), Path(path)) == words(fold(path, 0, True), path)


def test_processes_share_a_fold(path: str) -> None:
    alone = words(fold(path, 1, False), path)
    together = []
    for rank in range(2):
        for worker in range(2):
            reader = fold(path, 1, False)
            reader.set_distributed_info(DistributedInfo(2, rank))
            reader.set_worker_info(WorkerInfo(2, worker))
            together += words(reader, path)
    assert sorted(together) == alone


def test_max_instances_counts_what_is_given(path: str) -> None:
    assert words(fold(path, 0, False, max_instances=3), path) == [1, 2, 4]


@pytest.mark.parametrize(
    ("number", "num_folds", "message"),
    [(0, 1, "num_folds: expected at least 2"), (3, 3, "fold: expected a number from 0 to 2")],
)
def test_mistakes(path: str, number: int, num_folds: int, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        fold(path, number, False, num_folds)
