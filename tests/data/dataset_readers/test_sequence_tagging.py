import pytest

from nlpreg.common import Params
from nlpreg.data.dataset_readers import DatasetReader, SequenceTaggingDatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError
from nlpreg.data.tokenizers import Token
from nlpreg.data.vocabulary import Vocabulary

TEXT = "The###DET dog###NOUN\n\n   \nÜber###ADP 漢字###X ###SYM\na###b###C\n"


def test_sentences_words_and_tags(read):
    instances = read(SequenceTaggingDatasetReader(), TEXT)
    assert [instance["tokens"].human_readable_repr() for instance in instances] == [
        ["The", "dog"],
        ["Über", "漢字", ""],
        ["a###b"],
    ]
    assert [instance["tags"].labels for instance in instances] == [
        ["DET", "NOUN"],
        ["ADP", "X", "SYM"],
        ["C"],
    ]
    assert instances[0]["metadata"].metadata == {"words": ["The", "dog"]}
    assert set(instances[0].fields) == {"tokens", "metadata", "tags"}


def test_delimiters_and_indexers_from_a_config(read):
    config = {
        "type": "sequence_tagging",
        "word_tag_delimiter": "/",
        "token_delimiter": "\t",
        "token_indexers": {"words": {"type": "single_id", "lowercase_tokens": True}},
        "max_instances": 1,
    }
    (instance,) = read(DatasetReader.from_params(Params(config)), "New York/PROPN\tis/AUX\nA/B\n")
    assert instance["tokens"].human_readable_repr() == ["New York", "is"]
    vocab = Vocabulary.from_instances([instance])
    assert vocab.get_vocab_size("labels") == 2
    instance.index_fields(vocab)
    lengths = instance.get_padding_lengths()
    assert instance.as_tensor_dict(lengths)["tokens"]["words"]["tokens"].tolist() == [2, 3]
    assert vocab.get_token_from_index(2) == "new york"


def test_an_item_without_tag_is_located(read):
    with pytest.raises(
        DataError, match=r"data\.txt, line 4: expected items such as word###TAG, got '漢字'; put the tag"
    ):
        read(SequenceTaggingDatasetReader(), TEXT.replace("漢字###X", "漢字"))


def test_an_empty_tag_is_located(read):
    with pytest.raises(
        DataError, match=r"data\.txt, line 2: expected items such as word###TAG, got 'b###'; put the"
    ):
        read(SequenceTaggingDatasetReader(), "a###X\na###X b###\n")
    with pytest.raises(DataError, match="got '######'"):
        read(SequenceTaggingDatasetReader(), "###### a###X\n")


def test_bad_lines_can_be_left_out(read, caplog):
    reader = SequenceTaggingDatasetReader(skip_bad_lines=True)
    assert len(read(reader, TEXT + "bad line\nworse\n")) == 3
    assert "left out 2 bad lines" in caplog.text
    with pytest.raises(DataError, match=r"none of the 1 sentences could be read"):
        read(reader, "bad\n")


def test_empty_files_are_refused(read):
    for text in ("", "\n \n\n"):
        with pytest.raises(DataError, match=r"data\.txt: expected at least one sentence, got none"):
            read(SequenceTaggingDatasetReader(), text)


def test_text_to_instance_takes_tokens_or_words_without_tags():
    reader = SequenceTaggingDatasetReader()
    for tokens in ([Token("a"), Token("b")], ["a", "b"]):
        instance = reader.text_to_instance(tokens)
        assert instance["tokens"].human_readable_repr() == ["a", "b"]
        assert instance["metadata"]["words"] == ["a", "b"]
        assert "tags" not in instance


def test_an_overridden_text_to_instance_is_called_with_tokens(read):
    class Upper(SequenceTaggingDatasetReader):
        def text_to_instance(self, tokens, tags=None):
            assert all(isinstance(token, Token) for token in tokens)
            return super().text_to_instance([Token(token.text.upper()) for token in tokens], tags)

    assert read(Upper(), "a###X b###Y\n")[0]["tokens"].human_readable_repr() == ["A", "B"]


def test_unknown_tags(read):
    reader = SequenceTaggingDatasetReader(unknown_tag="?")
    (instance,) = read(reader, "The###DET dog###? barks###VERB\n")
    vocab = Vocabulary.from_instances([instance])
    assert set(vocab.get_token_to_index_vocabulary("labels")) == {"DET", "VERB"}
    instance.index_fields(vocab)
    assert instance["tags"].label_ids[1] == -1
