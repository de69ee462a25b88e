import importlib.util
from pathlib import Path

import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import OntonotesNamedEntityRecognition
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError

spec = importlib.util.spec_from_file_location(
    "ontonotes_files", Path(__file__).with_name("ontonotes_files.py")
)
ontonotes_files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ontonotes_files)


@pytest.fixture
def corpus(tmp_path):
    return ontonotes_files.write(tmp_path)


def test_entities_of_all_domains_but_one(corpus):
    instances = list(OntonotesNamedEntityRecognition().read(corpus))
    assert [instance["tokens"].human_readable_repr() for instance in instances] == [
        ["Hi"],
        ["Zoë", "Berg", "sang", "and", "praised", "her", "home", "."],
        ["Oslo"],
        ["(", "Yes"],
    ]
    assert instances[1]["tags"].labels == ["B-PERSON", "I-PERSON", *"OOOOOO"]
    assert instances[2]["tags"].labels == ["B-GPE"]
    assert instances[1]["metadata"]["words"][-1] == "."


def test_one_domain_in_bioul(corpus):
    reader = OntonotesNamedEntityRecognition(domain_identifier="nw", coding_scheme="BIOUL")
    instances = list(reader.read(str(corpus)))
    assert [instance["tags"].labels[:2] for instance in instances] == [
        ["B-PERSON", "L-PERSON"],
        ["U-GPE"],
        ["O", "O"],
    ]
    assert "tags" not in reader.text_to_instance(["a"])


def test_errors(corpus):
    with pytest.raises(ConfigurationError, match="coding_scheme must be one of 'BIO', 'BIOUL', got 'IOB1'"):
        OntonotesNamedEntityRecognition(coding_scheme="IOB1")
    with pytest.raises(ConfigurationError, match="has no annotated entities"):
        OntonotesNamedEntityRecognition(domain_identifier="pt")
    with pytest.raises(ConfigurationError, match="expected files of the domain wb, found none"):
        list(OntonotesNamedEntityRecognition(domain_identifier="wb").read(corpus))
    (corpus / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="expected a folder with files that end in gold_conll"):
        list(OntonotesNamedEntityRecognition().read(corpus / "empty"))
    path = corpus / "english" / "nw" / "x" / "song.gold_conll"
    path.write_text(
        path.read_text().replace(
            " - - - Speaker#1 * * * -\nnw/x/song 0 4", " - - Speaker#1 * * * -\nnw/x/song 0 4"
        )
    )
    with pytest.raises(DataError, match=r"song\.gold_conll, line 5: expected 14 columns, got 13"):
        list(OntonotesNamedEntityRecognition().read(corpus))
    assert len(list(OntonotesNamedEntityRecognition(skip_bad_lines=True).read(corpus))) == 3
