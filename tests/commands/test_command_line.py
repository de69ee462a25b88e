import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nlpreg.commands
from nlpreg.commands import catalog, parse_args
from nlpreg.commands import main as raising_main
from nlpreg.commands.catalog import COMMANDS
from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.jsonnet import parse_overrides
from nlpreg.version import VERSION


def loaded_modules(code: str, folder: Path) -> set[str]:
    """The modules that a fresh process has imported after running `code`."""
    script = f"{code}\nimport sys\nprint('MODULES', *sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return set(result.stdout.rpartition("MODULES")[2].split())


HEAVY = {"torch", "numpy", "_jsonnet", "tqdm", "nlpreg.common"}


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"]])
def test_help_and_version_import_next_to_nothing(words: list[str], tmp_path: Path) -> None:
    code = f"from nlpreg.commands.command_line import exit_status as main\ntry:\n    main('nlpreg', {words!r})\nexcept SystemExit as e:\n    assert not e.code"
    assert not HEAVY & loaded_modules(code, tmp_path)


def test_help_of_a_command_imports_no_torch(tmp_path: Path) -> None:
    code = "from nlpreg.commands.command_line import exit_status as main\ntry:\n    main('nlpreg', ['train', '-h'])\nexcept SystemExit:\n    pass"
    assert "torch" not in loaded_modules(code, tmp_path)


def test_a_wrong_path_is_found_before_torch_is_imported(tmp_path: Path) -> None:
    code = "from nlpreg.commands.command_line import exit_status as main\nassert main('nlpreg', ['train', 'nothing.jsonnet', '-s', 'out']) == 2"
    assert "torch" not in loaded_modules(code, tmp_path)


def test_a_misspelt_command_has_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main("nlpreg", ["chekc", "c.jsonnet"])
    assert (
        'there is no command "chekc"; did you mean "check"? (known: build-vocab, ' in capsys.readouterr().err
    )


def test_no_command_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", []) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main("nlpreg", ["--version"])
    assert capsys.readouterr().out == f"nlpreg {VERSION}\n"


def test_unknown_command_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main("nlpreg", ["trian"])
    message = capsys.readouterr().err
    assert "trian" in message and "train" in message


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_is_in_the_catalog(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main("nlpreg", [name, "--help"])
    shown = capsys.readouterr().out
    assert "--debug" in shown and "--quiet" in shown
    command = Subcommand.by_name(name)()
    assert command.name == name
    assert command.summary == COMMANDS[name].summary
    assert command.requires_plugins == ("--include-package" in shown) or name == "list"


def test_the_catalog_is_sorted_by_name() -> None:
    assert list(catalog.COMMANDS) == sorted(catalog.COMMANDS)


def test_everything_promised_can_be_imported() -> None:
    assert nlpreg.commands.__all__ == sorted(nlpreg.commands.__all__)
    for name in nlpreg.commands.__all__:
        assert getattr(nlpreg.commands, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = nlpreg.commands.Nothing


def test_defaults_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main("nlpreg", ["predict", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "number of a GPU, -1 for the CPU (default: -1)" in shown
    assert "(default: None)" not in shown and "(default: False)" not in shown


PLUGIN = """
from nlpreg.commands import Subcommand

@Subcommand.register("greet")
class Greet(Subcommand):
    requires_plugins = False

    def add_subparser(self, parser):
        subparser = parser.add_parser(self.name, description="Greets.", help="greet somebody")
        subparser.add_argument("name")
        subparser.add_argument("-q", help="its own meaning of -q")
        subparser.set_defaults(func=lambda args: print("hello", args.name, args.q))
        return subparser
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "greeting_plugin.py").write_text(PLUGIN)
    (tmp_path / ".nlpreg_plugins").write_text("greeting_plugin\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "greeting_plugin", raising=False)


def test_commands_of_plugins(plugin: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["greet", "you", "-q", "softly"]) == 0
    assert capsys.readouterr().out == "hello you softly\n"


def test_commands_of_plugins_are_in_the_help(plugin: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", []) == 0
    assert "greet somebody" in capsys.readouterr().out


def test_the_docstring_of_a_command_is_its_help() -> None:
    class Greet(Subcommand):
        """Greet someone.

        Louder than others.

        examples:
          nlpreg greet you
        """

        name = "greet"
        summary = "greet somebody"

        def add_arguments(self, parser: argparse.ArgumentParser) -> None:
            parser.add_argument("who")

    text = Greet().add_subparser(argparse.ArgumentParser().add_subparsers()).format_help()
    assert "\n\nGreet someone.\n\nLouder than others.\n\npositional arguments:\n  who\n" in text
    assert text.endswith("\n\nexamples:\n  nlpreg greet you\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_described(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parse_args("nlpreg", [name, "--help"])
    usage, description, *_ = capsys.readouterr().out.split("\n\n")
    assert usage.startswith(f"usage: nlpreg {name} ")
    assert description.rstrip()[-1] in ".:"


def test_parse_args() -> None:
    parser, args = parse_args("nlpreg", ["diff", "a", "b"])
    assert parser.prog == "nlpreg"
    assert (args.checkpoint1, args.checkpoint2, args.scale) == ("a", "b", 1.0)


def test_python_dash_m(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nlpreg", "print-results", str(tmp_path / "nowhere")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 2
    assert result.stderr == f"nlpreg: error: FOLDER: {tmp_path / 'nowhere'}: there is no such folder\n"


def test_main_raises_for_a_program_that_calls_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing.jsonnet: there is no such file"):
        raising_main(argv=["train", str(tmp_path / "nothing.jsonnet"), "-s", str(tmp_path / "out")])
    assert raising_main(argv=["list", "model"]) == 0


def test_a_plugin_replaces_a_command(tmp_path: Path) -> None:
    (tmp_path / ".nlpreg_plugins").write_text("my_commands\n")
    (tmp_path / "my_commands.py").write_text(
        "from nlpreg.commands import Subcommand\n"
        "@Subcommand.register('evaluate', exist_ok=True)\n"
        "class Mine(Subcommand):\n"
        "    requires_plugins = False\n"
        "    def add_subparser(self, parser):\n"
        "        mine = self.new_parser(parser, 'Mine.')\n"
        "        mine.set_defaults(func=lambda args: print('my own'))\n"
        "        return mine\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "nlpreg", "evaluate"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (result.returncode, result.stdout) == (0, "my own\n"), result.stderr


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["trainer.num_epochs=3"], {"trainer.num_epochs": 3}),
        (["a.b=x", "c=[1, 2]", "d=1e-3", "e="], {"a.b": "x", "c": [1, 2], "d": 1e-3, "e": ""}),
        (['{"a.b": 1, c: 2}', "a.b=2"], {"a.b": 2, "c": 2}),
        (["a.b=2", '{"a.b": 1}'], {"a.b": 1}),
        (["a.b=x=y"], {"a.b": "x=y"}),
    ],
)
def test_overrides_as_json_and_as_pairs(given: list[str], expected: dict[str, Any]) -> None:
    words = ["train", "config.jsonnet", "-s", "out"]
    for change in given:
        words += ["-o", change]
    _, args = parse_args("nlpreg", words)
    assert parse_overrides(args.overrides) == expected


def test_the_nearest_option_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main("nlpreg", ["train", "c.jsonnet", "-s", "out", "--nocache", "--seds=3"])
    shown = capsys.readouterr().err
    assert shown.startswith("usage: nlpreg train ")
    assert 'unrecognized arguments: --nocache --seds=3; did you mean "--no-cache"' in shown
