import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import Conll2003DatasetReader, DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError
from nlpreg.data.vocabulary import Vocabulary

TEXT = """-DOCSTART- -X- -X- O

Oslo NNP I-NP I-LOC
Bergen   NNP  B-NP  B-LOC

-DOCSTART- -X- O O
Zoë NNP I-NP I-PER
Müller NNP I-NP I-PER
sang VBD I-VP O
"""


def test_sentences_and_entities(read):
    one, two = read(Conll2003DatasetReader(), TEXT)
    assert one["tokens"].human_readable_repr() == ["Oslo", "Bergen"]
    assert one["tags"].labels == ["I-LOC", "B-LOC"]
    assert two["tags"].labels == ["I-PER", "I-PER", "O"]
    assert two["metadata"]["words"] == ["Zoë", "Müller", "sang"]
    assert set(two.fields) == {"tokens", "metadata", "tags"}


def test_other_columns_conversion_and_namespaces(read):
    config = {
        "type": "conll2003",
        "tag_label": "chunk",
        "feature_labels": ["pos", "ner"],
        "convert_to_coding_scheme": "BIOUL",
        "label_namespace": "chunk_labels",
    }
    instances = read(DatasetReader.from_params(Params(config)), TEXT)
    one, two = instances
    assert one["tags"].labels == ["U-NP", "U-NP"]
    assert two["tags"].labels == ["B-NP", "L-NP", "U-VP"]
    assert two["pos_tags"].labels == ["NNP", "NNP", "VBD"]
    assert two["ner_tags"].labels == ["B-PER", "L-PER", "O"]
    namespaces = Vocabulary.from_instances(instances).get_namespaces()
    assert namespaces == {"tokens", "chunk_labels", "pos_tags", "ner_tags"}


def test_no_tags_at_all(read):
    assert set(read(Conll2003DatasetReader(tag_label=None), TEXT)[0].fields) == {"tokens", "metadata"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tag_label": "lemma"}, "tag_label must be one of 'pos', 'chunk', 'ner', null, got 'lemma'"),
        ({"feature_labels": ["ner", "x"]}, "feature_labels must be one of 'pos', 'chunk', 'ner', got 'x'"),
        (
            {"convert_to_coding_scheme": "IOB1"},
            "convert_to_coding_scheme must be one of null, 'BIOUL', got 'IOB1'",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        Conll2003DatasetReader(**arguments)


def test_the_old_keyword():
    with pytest.warns(DeprecationWarning, match="convert_to_coding_scheme"):
        assert Conll2003DatasetReader(coding_scheme="BIOUL").convert_to_coding_scheme == "BIOUL"
    with pytest.warns(DeprecationWarning, match="convert_to_coding_scheme"):
        assert Conll2003DatasetReader(coding_scheme="IOB1").convert_to_coding_scheme is None
    with (
        pytest.warns(DeprecationWarning, match="convert_to_coding_scheme"),
        pytest.raises(ConfigurationError, match="coding_scheme must be one of 'IOB1', 'BIOUL', got 'BIO'"),
    ):
        Conll2003DatasetReader(coding_scheme="BIO")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            TEXT + "\nword NN O\n",
            r"line 11: expected 4 columns \(word, pos, chunk, ner\), got 3: 'word NN O'",
        ),
        (TEXT + "word NN O O O\n", r"line 10: expected 4 columns .*, got 5"),
        ("-DOCSTART- -X- -X- O\na NN O O\nb\n", r"line 3: expected 4 columns .*, got 1: 'b'"),
    ],
)
def test_broken_lines_are_located(read, text, message):
    with pytest.raises(DataError, match=r"data\.txt, " + message):
        read(Conll2003DatasetReader(), text)


def test_tags_that_cannot_be_converted_are_located_or_left_out(read, caplog):
    text = TEXT + "\nx NN O Z-LOC\n"
    with pytest.raises(DataError, match=r"line 11: expected IOB1 tags, got 'Z-LOC'"):
        read(Conll2003DatasetReader(convert_to_coding_scheme="BIOUL"), text)
    reader = Conll2003DatasetReader(convert_to_coding_scheme="BIOUL", skip_bad_lines=True)
    assert len(read(reader, text)) == 2
    assert "left out 1 bad" in caplog.text


def test_a_feature_that_is_missing_is_an_error():
    reader = Conll2003DatasetReader(feature_labels=["pos"])
    with pytest.raises(ConfigurationError, match="feature_labels asks for 'pos', but there are no pos_tags"):
        reader.text_to_instance(["a"])


def test_a_file_of_dividers_alone_is_empty(read):
    with pytest.raises(DataError, match="expected at least one sentence, got none"):
        read(Conll2003DatasetReader(), "-DOCSTART- -X- O O\n\n-DOCSTART- -X- O O\n")


@pytest.mark.parametrize(("name", "tag"), [("conll2000", "B-NP"), ("conll2003", "I-NP")])
def test_unknown_tags(read, name, tag):
    last = " O" if name == "conll2003" else ""
    text = f"the DT {tag}{last}\ndog NN ?{last}\n. ? O{last}\n"
    for scheme, labels in ((None, [tag, "?", "O"]), ("BIOUL", ["?", "?", "O"])):
        config = {"type": name, "tag_label": "chunk", "feature_labels": ["pos"], "unknown_tag": "?"}
        reader = DatasetReader.from_params(Params({**config, "convert_to_coding_scheme": scheme}))
        (instance,) = read(reader, text)
        assert instance["tags"].labels == labels
        vocab = Vocabulary.from_instances([instance])
        assert "?" not in vocab.get_token_to_index_vocabulary("labels")
        assert set(vocab.get_token_to_index_vocabulary("pos_tags")) == {"DT", "NN"}
        instance.index_fields(vocab)
        assert (instance["tags"].label_ids[1], instance["pos_tags"].label_ids[2]) == (-1, -1)
