"""`nlpreg generate` with a language model of a few words."""

import json
from pathlib import Path

import pytest

from nlpreg.commands.command_line import exit_status as main
from nlpreg.predictors.generator import Generator
from tests.commands.conftest import language_model_config, run_train


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generate")
    config = language_model_config(folder)
    config["dataset_reader"].update(start_tokens=["<S>"], end_tokens=["</S>"])
    assert run_train(config, folder / "run") == 0
    return folder / "run" / "model.tar.gz"


def generate(*words: object, status: int = 0) -> None:
    assert main("nlpreg", ["generate", *map(str, words)]) == status


def test_a_prompt_is_continued_on_the_terminal(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--seed", 1, "--max-tokens", 7)
    generate(archive, "--prompt", "the dog", *options)
    shown = capsys.readouterr().out
    generate(archive, "--prompt", "the dog", "--json", *options)
    (line,) = capsys.readouterr().out.splitlines()
    text = json.loads(line)
    assert shown == "the dog" + text["text"] + "\n"
    assert set(text) == {"prompt", "text", "tokens", "log_probability", "finished"}
    assert len(text["tokens"]) <= 7 and text["finished"] in ("end", "length")


def test_several_texts_stand_on_lines_of_their_own(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate(archive, "--prompt", "the", "--prompt", "a", "--num", 3, "--seed", 2, "--min-tokens", 1)
    shown = capsys.readouterr().out.split("\n")
    assert len(shown) == 3 + 1 + 3 + 1
    assert all(line.startswith("the ") for line in shown[:3]) and all(
        line.startswith("a ") for line in shown[4:7]
    )
    generate(archive, "--prompt", "the", "--beams", 3, "--num", 2, "--max-tokens", 4)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_prompts_in_a_file(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "the cat"}\n\n{"prompt": ""}\n{"prompt": "dogs"}\n')
    options = ("--seed", 4, "--num", 2, "--max-tokens", 5, "--top-k", 4, "--temperature", 0.8)
    generate(
        archive, "--prompts", tmp_path / "prompts.jsonl", *options, "--output-file", tmp_path / "texts.jsonl"
    )
    assert capsys.readouterr().out == ""
    lines = (tmp_path / "texts.jsonl").read_text().splitlines()
    assert [json.loads(line)["prompt"] for line in lines] == ["the cat", "the cat", "", "", "dogs", "dogs"]
    generate(archive, "--prompts", tmp_path / "prompts.jsonl", *options, "--batch-size", 1)
    texts = [json.loads(line)["tokens"] for line in capsys.readouterr().out.splitlines()]
    assert texts == [json.loads(line)["tokens"] for line in lines]


def test_an_interrupted_text_ends_its_line(
    archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object):
        yield " dog"
        raise KeyboardInterrupt

    monkeypatch.setattr(Generator, "stream", interrupted)
    assert main("nlpreg", ["generate", str(archive), "--prompt", "the"]) == 130
    assert capsys.readouterr().out == "the dog\n"


def test_an_interrupted_file_is_whole_or_not_there(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = Generator.generate_batch

    def interrupted(self, prompts, options=None, stop=(), first_number=0):
        if first_number:
            raise KeyboardInterrupt
        return original(self, prompts, options, stop, first_number)

    monkeypatch.setattr(Generator, "generate_batch", interrupted)
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "the"}\n{"prompt": "a"}\n')
    options = [
        str(archive),
        "--prompts",
        str(tmp_path / "prompts.jsonl"),
        "--batch-size",
        "1",
        "--max-tokens",
        "3",
    ]
    assert main("nlpreg", ["generate", *options]) == 130
    shown = capsys.readouterr().out
    assert shown.endswith("\n") and json.loads(shown)["prompt"] == "the"
    assert main("nlpreg", ["generate", *options, "--output-file", str(tmp_path / "texts.jsonl")]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["prompts.jsonl"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--prompt", "a", "--prompts", "INPUT"],
            "--prompt: give prompts on the command line or in --prompts, not both",
        ),
        (["--prompts", "INPUT"], "prompts.jsonl, line 2: expected an object such as"),
        (["--prompt", "a", "--top-p", "2"], "top_p: expected a number from 0 to 1, got 2.0"),
        (
            ["--prompt", "a", "--greedy", "--temperature", "1"],
            "--greedy: the most likely token does not depend on",
        ),
        (["--prompt", "a", "--batch-size", "0"], "--batch-size: expected 1 or more, got 0"),
        (["--prompt", "a", "--beams", "2", "--num", "3"], "num: expected at most num_beams, 2, got 3"),
    ],
)
def test_wrong_options_are_named(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "the"}\n{"sentence": "a"}\n')
    options = [str(tmp_path / "prompts.jsonl") if option == "INPUT" else option for option in options]
    generate(archive, *options, status=2)
    assert message in capsys.readouterr().err
