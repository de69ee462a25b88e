"""Archives whose configs name what they must not: in every slot that an experiment has, through every command."""

import json
import os
import runpy
import shutil
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.train.experiment import TrainModel
from nlpreg.common.config.hints import signature_of
from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.from_params import construct_arg
from nlpreg.common.params import Params
from nlpreg.common.plugins import import_plugins
from nlpreg.evaluation import Evaluator
from nlpreg.models import Model, load_archive
from nlpreg.modules import Seq2SeqEncoder
from nlpreg.modules.token_embedders import TokenEmbedder
from nlpreg.predictors import Predictor

HOSTILE: list[dict[str, Any]] = [
    {"type": "os.system", "command": "mkdir EVIL"},
    {"type": "subprocess.Popen", "args": ["mkdir", "EVIL"]},
    {"type": "subprocess.getoutput", "cmd": "mkdir EVIL"},
    {"type": "runpy.run_path", "path_name": "evil_script.py"},
    {"type": "unittest.__main__.x"},
    {"type": "evil_module.C"},
    {
        "type": "nlpreg.data.data_loaders.multiprocess_data_loader.MultiProcessDataLoader",
        "data_path": "/etc/passwd",
    },
    {"type": "nlpreg.models.simple_tagger.SimpleTagger"},
]
BUILT = (
    "dataset_reader",
    "validation_dataset_reader",
    "model",
    "data_loader",
    "validation_data_loader",
    "evaluation",
)
"""The sections that are built where an archive is evaluated."""


def families_in(annotation: Any) -> Iterator[tuple[Any, Callable[[Any], Any]]]:
    """The classes with `from_params` in an annotation, each with what wraps its section in a config."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (list, tuple, set) or getattr(origin, "__name__", "") in (
        "Sequence",
        "Iterable",
        "Collection",
    ):
        for cls, wrap in families_in(arguments[0]):
            yield cls, lambda section, wrap=wrap: [wrap(section)]
    elif origin in (dict,) or getattr(origin, "__name__", "") in ("Mapping", "MutableMapping"):
        for cls, wrap in families_in(arguments[-1]):
            yield cls, lambda section, wrap=wrap: {"a": wrap(section)}
    elif arguments:
        for argument in arguments:
            yield from families_in(argument)
    elif hasattr(annotation, "from_params"):
        yield annotation, lambda section: section


def _sections_beside(evaluation: Evaluator) -> None:
    """What the config of an experiment may hold beside the arguments of `TrainModel`."""


def slots() -> list[tuple[str, Callable[[Any], Any]]]:
    """Every place of an experiment where a config chooses a class: its key path, and the top section with it filled.

    Each argument of each registered class counts once, where it stands nearest to the top.
    """
    import_plugins()  # so that every class is registered
    found: list[tuple[str, Callable[[Any], Any]]] = []
    queue: list[tuple[Any, Any, str, Callable[[Any], Any]]] = [
        (TrainModel, TrainModel.from_partial_objects, "", lambda section: section),
        (_sections_beside, None, "", lambda section: section),
    ]
    seen = set()
    for cls, constructor, path, above in queue:
        for name, parameter in signature_of(cls, constructor).parameters.items():
            for family, wrap in families_in(parameter.annotation):
                here = f"{path}.{name}".lstrip(".")

                def within(section: Any, above: Any = above, name: str = name, wrap: Any = wrap) -> Any:
                    return above({name: wrap(section)})

                found.append((here, within))
                known = REGISTRY.get(family) or {None: (family, None)}
                for type_name, (chosen, method) in known.items():
                    if (chosen, method) in seen or not hasattr(chosen, "from_params"):
                        continue
                    seen.add((chosen, method))
                    make = getattr(chosen, method) if method else None

                    def typed(section: Any, within: Any = within, type_name: Any = type_name) -> Any:
                        return within({"type": type_name, **section} if type_name else section)

                    queue.append((chosen, make, f"{here}<{type_name}>", typed))
    return found


@pytest.fixture
def run_folder(trained_tagger: Path, tagger: dict[str, Any], tmp_path: Path) -> Path:
    """A copy of a tagger's run, to be made hostile."""
    return Path(shutil.copytree(trained_tagger, tmp_path / "stranger"))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What was called that must not be; the current folder holds a module and a script to run."""
    made: list[str] = []

    def recorder(name: str) -> Callable[..., int]:
        def record(*args: Any, **kwargs: Any) -> int:
            made.append(name)
            return 0

        return record

    for module, name in [
        (os, "system"),
        (subprocess, "Popen"),
        (subprocess, "getoutput"),
        (runpy, "run_path"),
    ]:
        monkeypatch.setattr(module, name, recorder(name))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "evil_module.py").write_text("class C: pass\n")
    return made


def assert_nothing_ran(calls: list[str], case: str) -> None:
    assert calls == [], case
    assert "evil_module" not in sys.modules and "unittest.__main__" not in sys.modules, case


def with_section(folder: Path, config: dict[str, Any], changes: Any) -> None:
    top = dict(config)
    for key, section in changes.items():
        ours = config.get(key)
        keeps = (
            isinstance(ours, dict)
            and isinstance(section, dict)
            and section.get("type") in (None, ours.get("type"))
        )
        top[key] = ours | section if keeps else section
    (folder / "config.json").write_text(json.dumps(top))


def test_there_are_slots_everywhere() -> None:
    paths = [path for path, _ in slots()]
    assert len(paths) > 120
    expected = ["dataset_reader", "model", "evaluation", "evaluation<simple>.batch_serializer", "trainer"]
    assert set(expected) <= {path.replace("<None>", "") for path in paths}


COMMANDS: dict[str, Callable[[str, str], Any]] = {
    "evaluate": lambda archive, data: main("nlpreg", ["evaluate", archive, data]),
    "predict": lambda archive, data: main("nlpreg", ["predict", archive, data, "--use-dataset-reader"]),
    "from_path": lambda archive, data: Predictor.from_path(archive, import_plugins=False),
    "from_archive": lambda archive, data: Model.from_params(
        Params({"type": "from_archive", "archive_file": archive})
    ),
    "_pretrained": lambda archive, data: construct_arg(
        "Tagger",
        "encoder",
        {"_pretrained": {"archive_file": archive, "module_path": "encoder"}},
        Seq2SeqEncoder,
        None,
    ),
    "embedder": lambda archive, data: TokenEmbedder.from_params(
        Params({"type": "language_model_token_embedder", "archive_file": archive})
    ),
    "push-to-hf": lambda archive, data: main("nlpreg", ["push-to-hf", "-n", "x/y", "-s", archive]),
    "diff": lambda archive, data: main("nlpreg", ["diff", archive, archive]),
    "print-results": lambda archive, data: main("nlpreg", ["print-results", archive]),
    "generate": lambda archive, data: main("nlpreg", ["generate", archive, "--prompt", "a"]),
    "score": lambda archive, data: main("nlpreg", ["score", archive, data]),
    "compare": lambda archive, data: main("nlpreg", ["compare", archive, archive, data]),
    "report": lambda archive, data: main("nlpreg", ["report", archive, "--data", data]),
    "export": lambda archive, data: main(
        "nlpreg", ["export", archive, "--to", "safetensors", "-o", f"{archive}-exported", "--data", data]
    ),
    "ensemble": lambda archive, data: main(
        "nlpreg", ["ensemble", f"{archive}-ensemble.tar.gz", archive, archive, "-f"]
    ),
    "package": lambda archive, data: main(
        "nlpreg", ["package", archive, "-n", "stranger", "-o", f"{archive}-wheel"]
    ),
}


def run(command: str, folder: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """All that a command says."""
    said = ""
    try:
        COMMANDS[command](str(folder), str(data))
    except (Exception, SystemExit) as error:  # what is refused matters here, not how
        said = str(error)
    captured = capsys.readouterr()
    return said + captured.out + captured.err


@pytest.mark.parametrize("step", [10, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_slot(
    command: str,
    step: int,
    run_folder: Path,
    tagger: dict[str, Any],
    tmp_path: Path,
    calls: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each slot with one of the hostile names in turn; of those that the command does not build, every tenth (slow: all)."""
    builds = command in ("evaluate", "predict", "from_path")
    config = json.loads((run_folder / "config.json").read_text())
    for number, (path, fill) in enumerate(slots()):
        is_built = path.partition("<")[0].partition(".")[0] in BUILT
        if number % (1 if builds and is_built else step):
            continue
        hostile = HOSTILE[number % len(HOSTILE)]
        with_section(run_folder, config, fill(hostile))
        said = run(command, run_folder, tmp_path / "valid.txt", capsys)
        assert_nothing_ran(calls, f"{path}: {hostile}: {said}")
        assert "root:" not in said
    assert not (tmp_path / "EVIL").exists()


@pytest.mark.parametrize("hostile", HOSTILE, ids=[str(section["type"]) for section in HOSTILE])
@pytest.mark.parametrize(
    "key",
    [
        "dataset_reader",
        "dataset_reader.token_indexers.tokens",
        "validation_dataset_reader",
        "model.encoder",
        "model.text_field_embedder.token_embedders.tokens",
        "model.initializer.regexes.0.1",
        "data_loader.batch_sampler",
        "data_loader",
        "validation_data_loader",
        "evaluation",
        "evaluation.batch_serializer",
    ],
)
def test_it_is_said(
    hostile: dict[str, Any],
    key: str,
    run_folder: Path,
    tmp_path: Path,
    calls: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = json.loads((run_folder / "config.json").read_text())
    first, *steps = key.split(".")
    section: Any = hostile
    for step in reversed(steps):
        if step in ("0", "1"):
            section = [".*", section] if step == "1" else [section]
        else:
            section = {step: section}
    if not steps and first not in ("dataset_reader", "validation_dataset_reader"):
        section = hostile
    if isinstance(config.get(first), dict) and steps:
        section = {**config[first], **section}
    if key == "model.text_field_embedder.token_embedders.tokens":
        section["text_field_embedder"] = {"token_embedders": {"tokens": hostile}}
    (run_folder / "config.json").write_text(json.dumps({**config, first: section}))
    said = run("evaluate", run_folder, tmp_path / "valid.txt", capsys)
    assert_nothing_ran(calls, said)
    if key == "model.initializer.regexes.0.1":
        return  # initializers do not matter where there are trained weights
    if key == "data_loader.batch_sampler" and "validation_data_loader" in config:
        return
    if "data_loader" in key and "DataLoader" in hostile["type"] and not steps:
        return  # a class of that family, which counts; what it may read, another test says
    assert "refused" in said and str(hostile["type"]) in said, said


def test_training_from_a_hostile_archive(
    run_folder: Path, tagger: dict[str, Any], tmp_path: Path, capsys: Any
) -> None:
    config = json.loads((run_folder / "config.json").read_text())
    config["model"]["encoder"] = {"type": "os.system", "command": f"mkdir {tmp_path}/EVIL"}
    (run_folder / "config.json").write_text(json.dumps(config))
    tagger["model"] = {"type": "from_archive", "archive_file": str(run_folder)}
    (tmp_path / "c.json").write_text(json.dumps(tagger))
    assert main("nlpreg", ["train", str(tmp_path / "c.json"), "-s", str(tmp_path / "out"), "--dry-run"]) != 0
    assert "os.system" in capsys.readouterr().err
    assert not (tmp_path / "EVIL").exists()


def test_data_path_and_reader_are_the_users(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((run_folder / "config.json").read_text())
    config["data_loader"] |= {"data_path": "/etc/passwd", "reader": {"type": "text_classification_json"}}
    config.pop("validation_data_loader", None)
    (run_folder / "config.json").write_text(json.dumps(config))
    status = main("nlpreg", ["evaluate", str(run_folder), str(tmp_path / "valid.txt")])
    assert status == 0, capsys.readouterr().err


def test_users_packages_may_be_named_once_they_are_loaded(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_reader_package.py").write_text(
        "from nlpreg.data.dataset_readers import SequenceTaggingDatasetReader\n"
        "class Own(SequenceTaggingDatasetReader):\n    pass\n"
    )
    config = json.loads((run_folder / "config.json").read_text())
    config["dataset_reader"]["type"] = "own_reader_package.Own"
    (run_folder / "config.json").write_text(json.dumps(config))
    arguments = ["evaluate", str(run_folder), str(tmp_path / "valid.txt")]
    assert main("nlpreg", arguments) == 2
    assert "add --include-package own_reader_package" in capsys.readouterr().err
    assert "own_reader_package" not in sys.modules
    status = main("nlpreg", [*arguments, "--include-package", "own_reader_package"])
    assert status == 0, capsys.readouterr().err
    sys.modules.pop("own_reader_package")


def test_the_archives_config_stays_untrusted(run_folder: Path) -> None:
    archive = load_archive(run_folder)
    assert archive.config.origin is not None
    assert archive.config["trainer"]["optimizer"].origin == archive.config.origin
