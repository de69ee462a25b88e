import json
from pathlib import Path

import pytest

from nlpreg.commands.check.checking import check_file
from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.show.init import skeleton_config
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.plugins import import_builtin_parts
from nlpreg.models import Model

import_builtin_parts()
MODELS = Model.list_available()

SENTENCES = "the dog barks\na cat sleeps\n" * 3
TAGGED = "the###D dog###N barks###V\na###D cat###N sleeps###V\n" * 3
LABELLED = "".join(json.dumps({"text": "the dog barks", "label": str(i % 2)}) + "\n" for i in range(6))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.mark.parametrize("model", MODELS)
def test_the_config_of_every_model_passes_the_check(model: str, folder: Path) -> None:
    Path("c.jsonnet").write_text(skeleton_config(model), encoding="utf-8")
    problems = check_file("c.jsonnet").problems
    assert [problem for problem in problems if "there is no file" not in problem.message] == []


@pytest.mark.parametrize("model", MODELS)
def test_what_is_commented_out_can_be_set(model: str, folder: Path) -> None:
    """The comments hold keys with their defaults: taken in, they change nothing."""
    lines = []
    for line in skeleton_config(model).splitlines():
        commented = line.strip().removeprefix("// ")
        is_key = (
            line.startswith("    // ") and commented.split(":")[0].isidentifier() and commented.endswith(",")
        )
        lines.append("    " + commented if is_key and "{ ..." not in commented else line)
    Path("c.jsonnet").write_text("\n".join(lines), encoding="utf-8")
    Path("d.jsonnet").write_text(skeleton_config(model), encoding="utf-8")
    with_all, plain = check_file("c.jsonnet"), check_file("d.jsonnet")
    messages = [[problem.message for problem in checked.problems] for checked in (with_all, plain)]
    assert messages[0] == messages[1]
    assert with_all.resolved_config() == plain.resolved_config()


@pytest.mark.parametrize(
    ("model", "data", "suffix"),
    [
        ("simple_tagger", TAGGED, "txt"),
        ("language_model", SENTENCES, "txt"),
        ("basic_classifier", LABELLED, "jsonl"),
    ],
)
def test_the_config_trains(model: str, data: str, suffix: str, folder: Path) -> None:
    Path("c.jsonnet").write_text(skeleton_config(model))
    for part in ("train", "validation"):
        (folder / "data" / f"{part}.{suffix}").write_text(data)
    overrides = '{"trainer.num_epochs": 1, "trainer.cuda_device": -1}'
    assert main("nlpreg", ["train", "c.jsonnet", "-s", "out", "-o", overrides, "-q"]) == 0
    assert (folder / "out" / "model.tar.gz").is_file()
    resolved = json.loads((folder / "out" / "config.resolved.json").read_text())
    assert resolved["trainer"]["num_epochs"] == 1
    assert resolved["trainer"]["type"] == "gradient_descent"


def test_another_reader(folder: Path) -> None:
    text = skeleton_config("crf_tagger", "conll2003")
    assert "type: 'conll2003'" in text
    with pytest.raises(ConfigurationError, match='no registered DatasetReader; did you mean "conll2003"'):
        skeleton_config("crf_tagger", "conll2033")


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match='no registered Model; did you mean "crf_tagger"'):
        skeleton_config("crf_taggr")


def test_the_command_writes_a_file_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["init", "simple_tagger", "-o", "c.jsonnet"]) == 0
    assert "nlpreg check c.jsonnet" in capsys.readouterr().out
    assert Path("c.jsonnet").read_text() == skeleton_config("simple_tagger")
    assert main("nlpreg", ["init", "crf_tagger", "-o", "c.jsonnet"]) == 2
    assert "this exists already" in capsys.readouterr().err
    assert main("nlpreg", ["init", "crf_tagger", "-o", "c.jsonnet", "-f"]) == 0
    assert Path("c.jsonnet").read_text() == skeleton_config("crf_tagger")


def test_the_command_prints(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["init", "simple_tagger"]) == 0
    assert capsys.readouterr().out == skeleton_config("simple_tagger")
