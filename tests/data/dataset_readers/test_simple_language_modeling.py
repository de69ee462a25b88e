import logging
import sys
from pathlib import Path

import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import (
    DatasetReader,
    PlainTextLanguageModelingReader,
    SimpleLanguageModelingDatasetReader,
)
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError
from nlpreg.data.tokenizers import LettersDigitsTokenizer, Token, WhitespaceTokenizer

TEXT = "Ein Satz .\n\n  \t \n漢字 und  ü\nlast one"


def texts(instances):
    return [instance["source"].human_readable_repr() for instance in instances]


def test_a_sentence_a_line(read):
    instances = read(SimpleLanguageModelingDatasetReader(WhitespaceTokenizer()), TEXT)
    assert texts(instances) == [["Ein", "Satz", "."], ["漢字", "und", "ü"], ["last", "one"]]
    assert set(instances[0].fields) == {"source"}


@pytest.mark.parametrize("tokenizer", ["whitespace", "letters_digits"])
def test_start_and_end_tokens_and_the_greatest_length(read, tokenizer, caplog):
    config = {
        "type": "simple_language_modeling",
        "tokenizer": tokenizer,
        "start_tokens": ["<S>", "<T>"],
        "end_tokens": ["</S>"],
        "max_sequence_length": 5,
    }
    with caplog.at_level(logging.INFO):
        instances = read(DatasetReader.from_params(Params(config)), TEXT)
    assert texts(instances) == [["<S>", "<T>", "last", "one", "</S>"]]
    assert "left out 2 sentences of more than 5 tokens" in caplog.text


def test_tokens_keep_what_the_tokenizer_knows(read):
    reader = SimpleLanguageModelingDatasetReader(LettersDigitsTokenizer(), start_tokens=["<S>"])
    (instance,) = read(reader, "a b2\n")
    assert instance["source"].tokens == [Token("<S>"), Token("a", 0), Token("b", 2), Token("2", 3)]
    assert reader.text_to_instance("a")["source"].tokens == [Token("<S>"), Token("a", 0)]


def test_lines_without_any_token_are_skipped_by_what_the_tokenizer_says(read):
    class NoPunctuation(WhitespaceTokenizer):
        def tokenize(self, text):
            return [token for token in super().tokenize(text) if token.text.isalnum()]

    instances = read(SimpleLanguageModelingDatasetReader(NoPunctuation(), end_tokens=["E"]), "a .\n. !\nb\n")
    assert texts(instances) == [["a", "E"], ["b", "E"]]


def test_an_overridden_text_to_instance_is_called(read):
    class Reversed(SimpleLanguageModelingDatasetReader):
        def text_to_instance(self, sentence):
            return super().text_to_instance(sentence[::-1])

    assert texts(read(Reversed(WhitespaceTokenizer(), max_sequence_length=2), "ab cd\na b c\n")) == [
        ["dc", "ba"]
    ]


def test_an_empty_file_is_refused(read):
    with pytest.raises(DataError, match=r"data\.txt: expected at least one line, got none"):
        read(SimpleLanguageModelingDatasetReader(WhitespaceTokenizer()), "\n\n")


def test_compressed_files_patterns_and_lists(tmp_path):
    import gzip

    (tmp_path / "a.txt").write_text("one\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"two\n"))
    reader = SimpleLanguageModelingDatasetReader(WhitespaceTokenizer())
    assert texts(reader.read(f"{tmp_path}/*.txt*")) == [["one"], ["two"]]
    assert texts(reader.read([f"{tmp_path}/b.txt.gz", f"{tmp_path}/a.txt"])) == [["two"], ["one"]]


def test_without_spacy_the_error_names_the_way_out(read, monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy", None)
    monkeypatch.setattr("nlpreg.common.runtime.environment.LOADED_SPACY_MODELS", {})
    with pytest.raises(ConfigurationError, match='"tokenizer": "whitespace"'):
        read(SimpleLanguageModelingDatasetReader(), "a b\n")


SCENE = "ROMEO:\nAy me!\n\n  Sad hours\tseem long.\n\n\n"


@pytest.mark.parametrize("text", [SCENE, SCENE.replace("\n", "\r\n"), "\ufeff" + SCENE])
def test_every_character_is_kept(text: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(text.encode())
    reader = PlainTextLanguageModelingReader()
    read = [
        token.text for instance in reader.read(tmp_path / "text.txt") for token in instance["source"].tokens
    ]
    assert "".join(read) == SCENE


def test_a_tokenizer_that_drops_line_ends_drops_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(SCENE)
    reader = PlainTextLanguageModelingReader(tokenizer=WhitespaceTokenizer())
    assert len(list(reader.read(tmp_path / "text.txt"))) == 3


def test_a_prompt_gets_no_line_end() -> None:
    instance = PlainTextLanguageModelingReader().text_to_instance("ab")
    assert [token.text for token in instance["source"].tokens] == ["a", "b"]
