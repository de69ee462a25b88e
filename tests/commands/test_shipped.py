"""The configs that come with nlpreg are found by name, and copied with all that they need."""

import re
from pathlib import Path

import pytest

from nlpreg.commands import parse_args
from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.options import read_config
from nlpreg.commands.shipped import config_path, copy_config, shipped_configs, shipped_folder, summary
from nlpreg.common.checks import ConfigurationError

# The others name their data by variables.
WITH_DATA = [
    "quickstart_lm",
    "quickstart_tagger",
    *(name for name in shipped_configs() if name.startswith("tutorial_")),
]


def test_every_config_is_listed_with_its_first_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(
        path.stem for path in shipped_folder().glob("*.jsonnet")
    )
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("// One sentence. And another one.", "One sentence"),
        ("// Begins here,\n// ends here; a remark.\n", "Begins here, ends here"),
        ("// By Somebody (et al. 2018) and no more.", "By Somebody (et al. 2018) and no more"),
        ("{}", ""),
    ],
)
def test_the_first_sentence(comment: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "c.jsonnet").write_text(comment)
    assert summary(tmp_path / "c.jsonnet") == expected


def test_a_name_is_a_config_and_a_file_of_that_name_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_path("tutorial_crf") == str(shipped_folder() / "tutorial_crf.jsonnet")
    assert config_path("quickstart") == str(shipped_folder() / "quickstart_tagger.jsonnet")
    for path in ("unknown", "tutorial_crf.jsonnet", "./tutorial_crf", "https://a.b/tutorial_crf"):
        assert config_path(path) == path
    (tmp_path / "tutorial_crf").write_text("{}")
    assert config_path("tutorial_crf") == "tutorial_crf"
    _, args = parse_args("nlpreg", ["check", "tutorial_hmm"])
    assert args.param_path == str(shipped_folder() / "tutorial_hmm.jsonnet")


@pytest.mark.parametrize("name", WITH_DATA)
def test_a_copy_names_its_own_data(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_config(name, tmp_path)
    for folder, file in ((tmp_path, f"{name}.jsonnet"), (tmp_path.parent, f"{tmp_path.name}/{name}.jsonnet")):
        monkeypatch.chdir(folder)
        config = read_config(file).as_dict(quiet=True)
        for key in ("train_data_path", "validation_data_path"):
            if key in config:
                assert Path(config[key]).resolve().is_relative_to(tmp_path.resolve())
                assert Path(config[key]).read_bytes()


def test_a_copy_holds_what_is_imported(tmp_path: Path) -> None:
    names = [Path(path).name for path in copy_config("ner_crf_vectors", tmp_path / "new")]
    assert names == ["ner_crf_vectors.jsonnet", "ner_crf.jsonnet"]
    assert [Path(path).name for path in copy_config("tutorial_crf", tmp_path)] == [
        "tutorial_crf.jsonnet",
        "tutorial.txt",
    ]


def test_copying_twice_does_no_harm_but_a_changed_copy_is_kept(tmp_path: Path) -> None:
    copy_config("tutorial_crf", tmp_path)
    copy_config("tutorial_crf", tmp_path)
    (tmp_path / "data" / "tutorial.txt").write_text("mine")
    (tmp_path / "tutorial_crf.jsonnet").unlink()
    with pytest.raises(ConfigurationError, match=r"tutorial\.txt: exists already; give another folder"):
        copy_config("tutorial_crf", tmp_path)
    assert not (tmp_path / "tutorial_crf.jsonnet").exists()


def test_show_prints_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["configs", "show", "tutorial_crf"]) == 0
    assert capsys.readouterr().out == (shipped_folder() / "tutorial_crf.jsonnet").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["configs", "copy"], "configs copy: expected the name of a config"),
        (["configs", "list", "ner_crf"], "expected nothing after it, got 'ner_crf'"),
        (["configs", "copy", "ner_cfr"], r"no config 'ner_cfr'; did you mean .ner_crf.\?"),
        (
            ["train", "ner_cfr", "-s", "out"],
            r"no such file .*; did you mean .ner_crf.\?; `nlpreg configs` lists",
        ),
    ],
)
def test_mistakes(
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main("nlpreg", words) == 2
    assert re.search(message, capsys.readouterr().err)
