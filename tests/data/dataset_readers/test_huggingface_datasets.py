import itertools
import sys
from types import SimpleNamespace

import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import DatasetReader, HuggingfaceDatasetsReader
from nlpreg.data.dataset_readers.dataset_reader import DistributedInfo, WorkerInfo
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError
from nlpreg.data.tokenizers import Token

ROWS = {"text": ["schön ist das", "a b", "c"], "label": ["pos", "neg", "pos"], "extra": [1, 2, 3]}


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    package = pytest.importorskip("datasets")
    monkeypatch.setattr(package.config, "HF_DATASETS_CACHE", tmp_path / "hf-cache")
    package.disable_progress_bars()
    return package


def make(**config):
    return DatasetReader.from_params(
        Params({"type": "huggingface_datasets", "tokenizer": "whitespace", **config})
    )


def write(datasets, rows, path):
    table = datasets.Dataset.from_dict(rows)
    if path.suffix == ".arrow":
        with datasets.arrow_writer.ArrowWriter(path=str(path)) as writer:
            writer.write_table(table.data.table)
        return str(path)
    getattr(table, {"parquet": "to_parquet", "jsonl": "to_json", "csv": "to_csv"}[path.suffix[1:]])(str(path))
    return str(path)


@pytest.mark.parametrize(
    ("format_", "suffix"), [("parquet", "parquet"), ("json", "jsonl"), ("csv", "csv"), ("arrow", "arrow")]
)
def test_local_files(datasets, tmp_path, format_, suffix):
    path = write(datasets, ROWS, tmp_path / f"data.{suffix}")
    reader = make(dataset=format_, labels={"label": "label"}, metadata={"about": "extra"})
    instances = list(reader.read(path))
    assert [i["tokens"].human_readable_repr() for i in instances] == [
        ["schön", "ist", "das"],
        ["a", "b"],
        ["c"],
    ]
    assert [i["label"].label for i in instances] == ["pos", "neg", "pos"]
    assert [i["about"].metadata for i in instances] == [1, 2, 3]
    assert instances[0]["tokens"].token_indexers is reader._token_indexers


def test_saved_tables_with_named_classes_and_tags(datasets, tmp_path):
    features = datasets.Features(
        {
            "words": datasets.Sequence(datasets.Value("string")),
            "ner": datasets.Sequence(datasets.ClassLabel(names=["O", "B-LOC"])),
            "kind": datasets.ClassLabel(names=["news", "fiction"]),
        }
    )
    rows = {"words": [["in", "Oslo"], ["nö"]], "ner": [[0, 1], [0]], "kind": [1, -1]}
    table = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict({"train": table}).save_to_disk(str(tmp_path / "saved"))
    reader = make(
        dataset=str(tmp_path / "saved"),
        words={"tokens": "words"},
        tags={"tags": "ner"},
        labels={"kind": "kind"},
    )
    one, two = reader.read("train")
    assert one["tags"].labels == ["O", "B-LOC"]
    assert one["kind"].label == "fiction"
    assert "kind" not in two.fields
    table.save_to_disk(str(tmp_path / "single"))
    assert len(list(make(dataset=str(tmp_path / "single"), words={"tokens": "words"}).read("any"))) == 2


@pytest.mark.parametrize("streaming", [False, True])
def test_processes_share_the_rows(datasets, tmp_path, streaming):
    words = [f"w{i}" for i in range(11)]
    path = write(datasets, {"text": words}, tmp_path / "data.parquet")
    found = []
    for rank, worker in itertools.product(range(2), range(2)):
        reader = make(dataset="parquet", load_arguments={"streaming": streaming})
        reader._set_distributed_info(DistributedInfo(2, rank))
        reader._set_worker_info(WorkerInfo(2, worker))
        found += [instance["tokens"].human_readable_repr()[0] for instance in reader.read(path)]
    assert sorted(found) == sorted(words)
    assert len(list(make(dataset="parquet", max_instances=4).read([path]))) == 4


def test_errors(datasets, tmp_path):
    path = write(datasets, ROWS, tmp_path / "data.parquet")
    with pytest.raises(
        ConfigurationError, match='expected a column "body", got the columns text, label, extra'
    ):
        list(make(dataset="parquet", texts={"tokens": "body"}).read(path))
    with pytest.raises(FileNotFoundError, match=r"absent\.parquet: no such file"):
        list(make(dataset="parquet").read(str(tmp_path / "absent.parquet")))
    with pytest.raises(ConfigurationError, match="tags need words"):
        make(dataset="parquet", tags={"tags": "ner"})


def test_bad_rows_are_located(datasets, tmp_path, caplog):
    rows = {
        "text": ["a", None, "c", "d"],
        "words": [["a"], ["b"], None, ["d", "e"]],
        "tags": [["A"], ["B"], ["C"], ["D"]],
    }
    path = write(datasets, rows, tmp_path / "data.parquet")
    columns = {"texts": {"text": "text"}, "words": {"tokens": "words"}, "tags": {"tags": "tags"}}
    for number, message in [
        (1, "expected a text in the column \"text\", got 'None'"),
        (2, "expected a list in the column \"words\", got 'None'"),
        (3, "SequenceLabelField: expected a label for each of 2 elements, got 1"),
    ]:
        reader = make(dataset="parquet", load_arguments={"streaming": True}, **columns)
        reader._set_distributed_info(DistributedInfo(4, number))
        with pytest.raises(DataError, match=rf"parquet \(.*\), row {number}: {message}"):
            list(reader.read(path))
    assert len(list(make(dataset="parquet", skip_bad_lines=True, **columns).read(path))) == 1
    assert "left out 3 bad lines" in caplog.text


def test_instances_for_predictors():
    assert make(dataset="x").text_to_instance("a b")["tokens"].human_readable_repr() == ["a", "b"]
    tagger = make(dataset="x", words={"tokens": "w"}, tags={"tags": "t"})
    assert tagger.text_to_instance([Token("a"), Token("b")])["tokens"].human_readable_repr() == ["a", "b"]
    assert set(tagger.text_to_instance(["a"]).fields) == {"tokens"}


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r"nlpreg\[datasets\]"):
        list(HuggingfaceDatasetsReader("x", words={"tokens": "w"}).read("train"))


class Table(list):
    """What the reader uses of a streamed data set."""

    column_names = ("words", "ner")
    features = {"ner": SimpleNamespace(feature=SimpleNamespace(names=["O", "B-LOC"]))}


@pytest.mark.parametrize(
    ("tags", "expected"), [([0, 1], ["O", "B-LOC"]), ([-1, -1], None), (None, None), ([], None)]
)
def test_numbers_of_missing_tags_are_no_tags(monkeypatch, tags, expected):
    rows = [{"words": ["in", "Oslo"] if tags != [] else [], "ner": tags}]
    monkeypatch.setattr(HuggingfaceDatasetsReader, "_load", lambda self, path: Table(rows))
    (instance,) = make(dataset="x", words={"tokens": "words"}, tags={"tags": "ner"}).read("train")
    assert ("tags" in instance.fields) == (expected is not None or tags == [])
    if expected is not None:
        assert instance["tags"].labels == expected


def test_a_row_with_some_tags_missing_is_reported(monkeypatch):
    rows = [{"words": ["in", "Oslo"], "ner": [0, -1]}]
    monkeypatch.setattr(HuggingfaceDatasetsReader, "_load", lambda self, path: Table(rows))
    with pytest.raises(
        DataError, match=r"row 0: .*expected labels that are all str or all int, got \['O', None\]"
    ):
        list(make(dataset="x", words={"tokens": "words"}, tags={"tags": "ner"}).read("train"))
