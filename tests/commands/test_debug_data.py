import json

import pytest

from nlpreg.commands.command_line import exit_status
from nlpreg.commands.debug_data import Split, is_allowed, report_lines, shared_texts, unknown_words

TRAIN = """the###O dog###B-X barks###O
the###O dog###B-X barks###O
Rex###B-X Smith###I-X sleeps###O
the###O dog###O barks###O
one###O two###O three###O four###O five###O six###O
"""
DEV = """Rex###I-X The###O
one###O two###O three###O four###O five###O six###O
new###B-Y
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "train.txt").write_text(TRAIN)
    (tmp_path / "dev.txt").write_text(DEV)
    sections = {
        "dataset_reader": {"type": "sequence_tagging"},
        "train_data_path": str(tmp_path / "train.txt"),
        "validation_data_path": str(tmp_path / "dev.txt"),
        "model": {
            "type": "crf_tagger",
            "label_encoding": "BIO",
            "text_field_embedder": {"token_embedders": {"tokens": {"embedding_dim": 4}}},
            "encoder": {"type": "lstm", "input_size": 4, "hidden_size": 3},
        },
        "data_loader": {"batch_size": 2},
        "trainer": {"num_epochs": 1, "optimizer": "adam"},
    }
    (tmp_path / "config.json").write_text(json.dumps(sections))
    return tmp_path / "config.json"


def test_what_is_printed(config, capsys):
    assert exit_status("nlpreg", ["debug-data", str(config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line[:24].strip(): line[24:].split() for line in lines if line}
    assert rows["instances"] == ["5", "3"]
    assert rows["words"] == ["18", "9"]
    assert rows["distinct words"] == ["12", "9"]
    assert rows["longest text"] == ["6", "6"]
    assert rows["duplicate texts"] == ["2", "0"]
    # unknown in dev: The, new; in lower case only new
    assert rows["unknown words"] == ["22.22%"] and rows["unknown, in lower case"] == ["11.11%"]
    assert rows["texts also in train"] == ["33.33%"]
    text = "\n".join(lines)
    assert "tags: 4 labels" in text
    assert "train: 1 texts occur with different labels, such as number 1: the dog barks" in text
    assert "validation: BIO does not allow the tags of 1 instances, the first is number 1: I-X O" in text
    assert "validation: labels of 'tags' that do not occur in train: B-Y" in text
    assert (
        "validation: 1 distinct texts of more than five words also occur in train, such as number 2: one two"
        in text
    )
    assert "4 likely problems" in text


def test_limits(config, capsys):
    assert exit_status("nlpreg", ["debug-data", str(config), "--limit", "2", "--top", "1"]) == 0
    text = capsys.readouterr().out
    assert "tags: 3 labels, the 1 most frequent" in text
    assert exit_status("nlpreg", ["debug-data", str(config), "--top", "0"]) == 2
    assert "--top: expected 1 or more, got 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("encoding", "tags", "allowed"),
    [
        ("BIO", "O B-X I-X", True),
        ("BIO", "I-X", False),
        ("BIO", "B-X I-Y", False),
        ("IOB1", "I-X B-X", True),
        ("IOB1", "B-X", False),
        ("BIOUL", "B-X L-X U-Y", True),
        ("BIOUL", "B-X", False),
        ("BMES", "B-X M-X E-X S-X", True),
        ("BMES", "B-X S-X", False),
        ("BIO", "", True),
    ],
)
def test_allowed_sequences(encoding, tags, allowed):
    assert is_allowed(encoding, tags.split()) is allowed


def test_nothing_to_look_at():
    one, other = Split("train"), Split("validation")
    assert unknown_words(one, other) == shared_texts(one, other) == 0.0
    assert list(report_lines([one, other]))[-1] == "no likely problems"
