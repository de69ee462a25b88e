"""Command lines are completed: by the function that shells ask, and by the shells that are there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nlpreg.commands import completion
from nlpreg.commands.completion import candidates

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a config, and few registries."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.jsonnet").write_text(
        "{ model: { type: 'simple_tagger', dropout: 0.1 }, trainer: { num_epochs: 3 } }"
    )
    registries = {"model": ["crf_tagger", "simple_tagger"], "seq2seq_encoder": ["gru", "lstm"]}
    monkeypatch.setattr(completion, "_registries", lambda: registries)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nlpreg eva", ["evaluate"]),
        ("nlpreg --v", ["--version"]),
        ("nlpreg train c.jsonnet --reco", ["--recover"]),
        ("nlpreg train c.jsonnet -o model.", ["model.dropout=", "model.type="]),
        ("nlpreg train c.jsonnet --overrides tr", ["trainer.num_epochs="]),
        ("nlpreg list s", ["seq2seq_encoder"]),
        ("nlpreg describe seq2seq_encoder:l", ["seq2seq_encoder:lstm"]),
        ("nlpreg init c", ["crf_tagger"]),
        ("nlpreg train ", []),  # a file
        ("nlpreg train missing.jsonnet -o ", []),
        ("nlpreg no-such-command x", []),
    ],
)
def test_candidates(line: str, expected: list[str]) -> None:
    assert candidates(line) == expected


def test_a_config_that_cannot_be_read_has_no_keys(tmp_path: Path) -> None:
    (tmp_path / "c.jsonnet").write_text("{ model: ")
    assert candidates("nlpreg train c.jsonnet -o ") == []


def test_all_commands_are_offered_at_the_beginning() -> None:
    assert {"train", "evaluate", "predict", "completion"} <= set(candidates("nlpreg "))


@pytest.mark.parametrize(
    ("line", "word", "expected"),
    [("nlpreg eva", "eva", "evaluate"), ("nlpreg train c.jsonnet --recov", "--recov", "--recover")],
)
def test_in_bash(line: str, word: str, expected: str, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    (tmp_path / "nlpreg").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nlpreg "$@"\n')
    (tmp_path / "nlpreg").chmod(0o755)
    number = len(line.split()) - 1
    script = (
        f"eval \"$(nlpreg completion bash)\"; COMP_LINE='{line}'; COMP_POINT={len(line)}; "
        f"COMP_WORDS=({line}); COMP_CWORD={number}; _nlpreg; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    result = subprocess.run(
        [bash, "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.stdout.split() == [expected], result.stderr


def test_zsh_leaves_no_space_after_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    from nlpreg.commands import main

    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("there is no zsh")
    main(argv=["completion", "zsh"])
    stubs = """
        compdef() { : }
        compadd() { print -r -- "$@" }
        nlpreg() { print -l -- trainer.num_epochs= trainer.optimizer }
        words=(nlpreg train c.jsonnet -o trainer.) CURRENT=5
    """
    script = stubs + capsys.readouterr().out + "_nlpreg\n"
    shown = subprocess.run([zsh, "-f"], input=script, capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.splitlines() == ["-- trainer.optimizer", "-S  -- trainer.num_epochs="]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    from nlpreg.commands import main

    main(argv=["completion", shell])
    script = capsys.readouterr().out
    assert "nlpreg completion --line" in script
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n"], input=script, text=True, check=True, timeout=60)
