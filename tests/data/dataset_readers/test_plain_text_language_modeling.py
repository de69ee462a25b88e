from pathlib import Path

import pytest

from nlpreg.data.dataset_readers import PlainTextLanguageModelingReader
from nlpreg.data.tokenizers import WhitespaceTokenizer

TEXT = "ROMEO:\nAy me!\n\n  Sad hours\tseem long.\n\n\n"


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n"), "\ufeff" + TEXT])
def test_every_character_is_kept(text: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(text.encode())
    reader = PlainTextLanguageModelingReader()
    read = [
        token.text for instance in reader.read(tmp_path / "text.txt") for token in instance["source"].tokens
    ]
    assert "".join(read) == TEXT


def test_a_tokenizer_that_drops_line_ends_drops_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    reader = PlainTextLanguageModelingReader(tokenizer=WhitespaceTokenizer())
    assert len(list(reader.read(tmp_path / "text.txt"))) == 3


def test_a_prompt_gets_no_line_end() -> None:
    instance = PlainTextLanguageModelingReader().text_to_instance("ab")
    assert [token.text for token in instance["source"].tokens] == ["a", "b"]
