import importlib.util
from pathlib import Path

import pytest

from nlpreg.data.dataset_readers.dataset_utils import Ontonotes, OntonotesSentence
from nlpreg.data.dataset_readers.dataset_utils.ontonotes import labels_of_brackets

spec = importlib.util.spec_from_file_location(
    "ontonotes_files", Path(__file__).parents[1] / "ontonotes_files.py"
)
ontonotes_files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ontonotes_files)


@pytest.fixture
def corpus(tmp_path):
    return ontonotes_files.write(tmp_path)


def test_files_are_found_in_order(corpus):
    names = [Path(path).name for path in Ontonotes().dataset_path_iterator(str(corpus))]
    assert names == ["talk.v4_gold_conll", "song.gold_conll", "mark.gold_conll"]
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        list(Ontonotes().dataset_path_iterator(str(corpus / "absent")))


def test_everything_about_a_sentence(corpus):
    path = str(corpus / "english" / "nw" / "x" / "song.gold_conll")
    one, two, three = Ontonotes().sentence_iterator(path)
    assert one.words == ["Zoë", "Berg", "sang", "and", "praised", "her", "home", "/."]
    assert one.pos_tags[2] == "VBD"
    assert (one.document_id, one.sentence_id, three.sentence_id) == ("nw/x/song", 0, 1)
    assert one.predicate_lemmas == [None, None, "sing", None, "praise", None, None, None]
    assert one.predicate_framenet_ids == [None, None, "01", None, "01", None, None, None]
    assert one.word_senses == [None, None, 2.0, None, 1.0, None, None, None]
    assert one.speakers == ["Speaker#1"] * 8
    assert one.named_entities[:3] == ["B-PERSON", "I-PERSON", "O"]
    assert one.srl_frames == [
        ("sang", ["B-ARG0", "I-ARG0", "B-V", "O", "O", "O", "O", "O"]),
        ("praised", ["O", "O", "O", "O", "B-V", "B-ARG1", "I-ARG1", "O"]),
    ]
    assert one.coref_spans == {(3, (0, 1)), (3, (5, 5)), (5, (5, 6))}
    assert two.speakers == [None]
    assert two.coref_spans == set()
    assert three.parse_tree is None


def test_trees_by_nltk(corpus):
    pytest.importorskip("nltk")
    sentences = Ontonotes().dataset_iterator(str(corpus / "english" / "nw"))
    tree = next(sentences).parse_tree
    assert tree.leaves()[:3] == ["Zoë", "Berg", "sang"]
    assert tree[0].label() == "S"
    assert next(sentences).parse_tree.leaves() == ["Oslo"]


def test_documents(corpus):
    path = str(corpus / "english" / "nw" / "x" / "song.gold_conll")
    documents = list(Ontonotes().dataset_document_iterator(path))
    assert [len(document) for document in documents] == [2, 1]
    assert all(isinstance(sentence, OntonotesSentence) for sentence in documents[0])
    assert len(list(Ontonotes().dataset_iterator(str(corpus)))) == 5


def test_labels_of_brackets():
    assert labels_of_brackets(["(A*", "*", "*)", "*", "(B)", "(C*)"]) == [
        "B-A",
        "I-A",
        "I-A",
        "O",
        "B-B",
        "B-C",
    ]
    assert labels_of_brackets([]) == []
