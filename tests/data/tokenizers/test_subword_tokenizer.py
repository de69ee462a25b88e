import json
from pathlib import Path

import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.fingerprint import fingerprint
from nlpreg.data.tokenizers import SubwordTokenizer
from nlpreg.data.tokenizers.subword_tokenizer import train_subwords
from nlpreg.training.serialization_dir import create_serialization_dir

pytest.importorskip("tokenizers")

LINES = ["the lowest newest lower tower", "the newest tower, the widest one: naïve!", "low lower lowest"] * 20
TEXTS = ["the lower tower", "lower  tower ", "", "naïve lowest!", "a\ttab"]


@pytest.fixture(params=["bpe", "unigram", "byte-level"])
def path(request, tmp_path):
    tokenizer = train_subwords(LINES, 300 if request.param == "byte-level" else 45, request.param)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_offsets_and_back(path, text):
    tokenizer = SubwordTokenizer(str(path))
    tokens = tokenizer.tokenize(text)
    assert [token.text for token in tokens] == tokenizer.split_words(text)
    if "\t" not in text:  # which only bytes know
        assert [tokenizer.tokenizer.token_to_id(piece.text) for piece in tokens] == [
            p.text_id for p in tokens
        ]
        assert tokenizer.detokenize(tokenizer.split_words(text)) == text
    # every character but blanks is part of a piece
    covered = {at for token in tokens for at in range(token.idx, token.idx_end)}
    assert {at for at, character in enumerate(text) if not character.isspace()} <= covered
    assert tokenizer.batch_tokenize([text, text]) == [tokens, tokens]


def test_bytes_keep_everything(tmp_path):
    tokenizer = train_subwords(LINES, 300, "byte-level", special_tokens=["<|end|>"])
    tokenizer.save(str(tmp_path / "t.json"))
    one = SubwordTokenizer(str(tmp_path / "t.json"))
    text = "a\ttab, 漢字 🙂\nline\u00a0end  "
    assert one.detokenize(one.split_words(text)) == text
    assert one.split_words("x<|end|>y")[1] == "<|end|>"


def test_unknown_characters_have_the_name_of_the_vocabulary(tmp_path):
    train_subwords(LINES, 45, "bpe").save(str(tmp_path / "t.json"))
    assert "@@UNKNOWN@@" in SubwordTokenizer(str(tmp_path / "t.json")).split_words("the 漢 tower")


def test_a_run_keeps_it(path, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    one = SubwordTokenizer(str(path), serialization_dir=str(run))
    content = path.read_text()
    path.unlink()
    with pytest.raises(ConfigurationError, match="tokenizer.json: expected a tokenizer, found no such file"):
        SubwordTokenizer(str(path))
    again = SubwordTokenizer(str(path), serialization_dir=str(run))
    assert again == one
    assert again.split_words("the lower") == one.split_words("the lower")
    (kept,) = (run / "subwords").iterdir()
    assert json.loads(kept.read_text()) == json.loads(content)


def test_a_folder_with_one(path, tmp_path):
    assert SubwordTokenizer(str(tmp_path)) == SubwordTokenizer(str(path))


def test_something_else(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"x.json: expected a tokenizer.json"):
        SubwordTokenizer(str(tmp_path / "x.json"))
    with pytest.raises(ValueError, match="expected 'bpe', 'unigram' or 'byte-level', got 'words'"):
        train_subwords(LINES, 30, "words")


def test_another_content_is_another_fingerprint(tmp_path):
    found = set()
    for size in (40, 45):
        train_subwords(LINES, size).save(str(tmp_path / "t.json"))
        found.add(fingerprint(SubwordTokenizer(str(tmp_path / "t.json"))))
    assert len(found) == 2
    assert Path(tmp_path / "t.json").is_file()


def test_a_run_that_starts_anew_reads_the_source_again(path, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    SubwordTokenizer(str(path), serialization_dir=str(run))
    train_subwords(LINES, 30).save(str(path))
    (run / "config.json").write_text("{}")
    create_serialization_dir(Params({}), run, recover=False, force=True)
    assert SubwordTokenizer(str(path), serialization_dir=str(run)) == SubwordTokenizer(str(path))
