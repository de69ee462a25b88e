import pytest

from nlpreg.data.tokenizers import LettersDigitsTokenizer


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("in2words_!", ["in", "2", "words", "_", "!"]),
        ("3.14 a-b", ["3", ".", "14", "a", "-", "b"]),
        ("Straße № 12٣", ["Straße", "№", "12٣"]),
        ("日本語7", ["日本語", "7"]),
        ("", []),
        ("  ", []),
        ("...", [".", ".", "."]),
    ],
)
def test_runs_of_one_kind(text: str, words: list[str]) -> None:
    tokens = LettersDigitsTokenizer().tokenize(text)
    assert [token.text for token in tokens] == words


def test_offsets_find_the_words_again() -> None:
    text = "ab 12_cd  é!"
    for token in LettersDigitsTokenizer().tokenize(text):
        assert text[token.idx :].startswith(token.ensure_text())
