import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import Conll2000DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError

TEXT = "ships NNS B-NP\nsail VBP B-VP\n\nthe DT B-NP\nnaïve JJ I-NP\nship NN I-NP\n"


def test_chunks_and_their_conversion(read):
    one, two = read(Conll2000DatasetReader(), TEXT)
    assert one["tags"].labels == ["B-NP", "B-VP"]
    assert two["tokens"].human_readable_repr() == ["the", "naïve", "ship"]
    one, two = read(Conll2000DatasetReader(convert_to_coding_scheme="BIOUL", feature_labels=["pos"]), TEXT)
    assert one["tags"].labels == ["U-NP", "U-VP"]
    assert two["tags"].labels == ["B-NP", "I-NP", "L-NP"]
    assert two["pos_tags"].labels == ["DT", "JJ", "NN"]


def test_errors(read):
    with pytest.raises(ConfigurationError, match="tag_label must be one of 'pos', 'chunk', null, got 'ner'"):
        Conll2000DatasetReader(tag_label="ner")
    with (
        pytest.warns(DeprecationWarning, match="convert_to_coding_scheme"),
        pytest.raises(ConfigurationError, match="must be one of 'BIO', 'BIOUL', got 'IOB1'"),
    ):
        Conll2000DatasetReader(coding_scheme="IOB1")
    with pytest.raises(DataError, match=r"line 2: expected 3 columns \(word, pos, chunk\), got 2: 'b NN'"):
        read(Conll2000DatasetReader(), "a NN B-NP\nb NN\n")
    with pytest.raises(DataError, match=r"line 1: expected BIO tags, got 'O I-NP'"):
        read(Conll2000DatasetReader(convert_to_coding_scheme="BIOUL"), "a NN O\nb NN I-NP\n")


def test_bad_sentences_are_left_out_and_counted(read, caplog):
    assert (
        len(read(Conll2000DatasetReader(skip_bad_lines=True), TEXT + "\na NN\n\nb\nc NN O\n\nd NN O\n")) == 3
    )
    assert "left out 2 bad lines" in caplog.text
