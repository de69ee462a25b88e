from pathlib import Path

import pytest

from nlpreg.commands.command_line import exit_status as main


def test_registries(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["list"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert "crf_tagger" in lines["model"] and "lstm" in lines["seq2seq_encoder"]
    assert "subcommand" not in lines


@pytest.mark.parametrize("name", ["seq2seq_encoder", "Seq2SeqEncoder", "seq2seq-encoder"])
def test_one_registry(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["list", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split(maxsplit=1)[0] == "lstm" and "long short-term memory" in line for line in lines)


def test_constructors_of_one_class_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    seen = []
    for words in (["list", "vocabulary"], ["list", "vocabulary", "--include-package", "json"]):
        assert main("nlpreg", words) == 0
        seen.append(capsys.readouterr().out)
    assert seen[0] == seen[1]
    assert "from_files" in seen[0] and "A vocabulary that was saved in a folder" in seen[0]
    assert len({line.split(maxsplit=1)[1] for line in seen[0].splitlines()}) == len(seen[0].splitlines())


def test_a_registry_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["list", "modle"]) == 2
    assert 'there is no registry "modle"; did you mean "model"' in capsys.readouterr().err


def test_packages_are_included(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "planted_listing.py").write_text(
        "from nlpreg.modules import Seq2SeqEncoder\n"
        "@Seq2SeqEncoder.register('planted_listing')\n"
        "class Planted(Seq2SeqEncoder):\n    '''Planted.'''\n"
    )
    assert main("nlpreg", ["list", "seq2seq_encoder", "--include-package", "planted_listing"]) == 0
    assert "Planted." in capsys.readouterr().out
