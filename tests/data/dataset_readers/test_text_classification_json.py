import json
import types

import pytest

from nlpreg.common import Params
from nlpreg.data.dataset_readers import DatasetReader, TextClassificationJsonReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError
from nlpreg.data.tokenizers import WhitespaceTokenizer


def json_lines(*items):
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)


def reader(**kwargs):
    return TextClassificationJsonReader(tokenizer=WhitespaceTokenizer(), **kwargs)


def test_texts_and_labels(read):
    one, two, three = read(
        reader(),
        json_lines({"text": "schön ist das", "label": "pos"}, {"text": "b", "label": 3})
        + '\n{"text": "c d"}\n',
    )
    assert one["tokens"].human_readable_repr() == ["schön", "ist", "das"]
    assert one["label"].label == "pos"
    assert two["label"].label == "3"
    assert set(three.fields) == {"tokens"}


def test_other_keys_and_cut_texts_from_a_config(read):
    config = {
        "type": "text_classification_json",
        "tokenizer": "whitespace",
        "text_key": "body",
        "label_key": "y",
        "max_sequence_length": 2,
        "skip_label_indexing": True,
    }
    one, two = read(
        DatasetReader.from_params(Params(config)),
        json_lines({"body": "a b c", "y": "2"}, {"body": "a", "y": 0}),
    )
    assert one["tokens"].human_readable_repr() == ["a", "b"]
    assert (one["label"].label, two["label"].label) == (2, 0)
    assert one["label"].as_tensor({}).item() == 2


def test_sentences_apart(monkeypatch):
    halves = types.SimpleNamespace(split_sentences=lambda text: text.split(" . "))
    module = "nlpreg.data.dataset_readers.text_classification_json"
    monkeypatch.setattr(f"{module}.SpacySentenceSplitter", lambda: halves)
    one = reader(segment_sentences=True, max_sequence_length=2)
    instance = one.text_to_instance("a b c . d")
    one.apply_token_indexers(instance)
    assert [text.human_readable_repr() for text in instance["tokens"]] == [["a", "b"], ["d"]]
    assert instance["tokens"][1].token_indexers == one._token_indexers


def test_a_text_without_sentences(monkeypatch):
    none = types.SimpleNamespace(split_sentences=lambda text: [])
    module = "nlpreg.data.dataset_readers.text_classification_json"
    monkeypatch.setattr(f"{module}.SpacySentenceSplitter", lambda: none)
    instance = reader(segment_sentences=True).text_to_instance("")
    assert [text.human_readable_repr() for text in instance["tokens"]] == [[]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a", "label": ', r"line 2: expected a JSON object \(Expecting value at column 24\), got"),
        ('["a"]', r"line 2: expected a JSON object, got '\[\"a\"\]'"),
        ('{"txt": "a"}', r'line 2: expected the key "text", got the keys txt'),
        ("{}", r'line 2: expected the key "text", got the keys none'),
        ('{"text": 3}', r'line 2: expected a text under the key "text", got \'3\''),
    ],
)
def test_broken_lines_are_located(read, line, message):
    text = json_lines({"text": "fine"}) + line + "\n"
    with pytest.raises(DataError, match=r"data\.txt, " + message):
        read(reader(), text)
    assert len(read(reader(skip_bad_lines=True), text)) == 1


def test_labels_that_should_be_ids(read):
    with pytest.raises(DataError, match=r'line 1: expected an integer under the key "label", got \'"pos"\''):
        read(reader(skip_label_indexing=True), json_lines({"text": "a", "label": "pos"}))
    with pytest.raises(DataError, match="line 1: expected an integer .*, got '1.5'"):
        read(reader(skip_label_indexing=True), json_lines({"text": "a", "label": 1.5}))
    with pytest.raises(ValueError, match="expected an integer since skip_label_indexing is set, got 'pos'"):
        reader(skip_label_indexing=True).text_to_instance("a", "pos")


@pytest.mark.parametrize("label", ['["x"]', '{"a": 1}'])
def test_labels_are_texts_or_numbers(tmp_path, label):
    (tmp_path / "data").write_text('{"text": "a", "label": "x"}\n{"text": "b", "label": ' + label + "}\n")
    with pytest.raises(DataError, match="data, line 2: expected a text or a number as the label, got"):
        list(TextClassificationJsonReader(tokenizer=WhitespaceTokenizer()).read(str(tmp_path / "data")))


def test_a_subclass_may_truncate_otherwise():
    class Tail(TextClassificationJsonReader):
        def _truncate(self, tokens):
            return tokens[-2:]

    instance = Tail(tokenizer=WhitespaceTokenizer(), max_sequence_length=2).text_to_instance("a b c d")
    assert instance["tokens"].words == ["c", "d"]
