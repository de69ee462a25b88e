"""Runs that are killed at random moments, again and again, end with the same bits as runs that were left alone.

pytest tests/commands/train/test_kills.py -m slow              each kind of run is resumed from the folder before each
                                                               change of a file, and killed five times at random
pytest tests/commands/train/test_kills.py -m slow --kills 50   more often at random
pytest tests/commands/train/test_kills.py -m slow --every 5    from each fifth of these folders
"""

import contextlib
import functools
import importlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import tarfile
import tempfile
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint import FileSystemReader

from nlpreg.commands.train import distributed, train_model_from_file
from nlpreg.commands.train.launcher import launch_processes

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(autouse=True)
def importable_from_new_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[3])


TAGS = {
    "the": "DET",
    "a": "DET",
    "that": "DET",
    "dog": "NOUN",
    "cat": "NOUN",
    "bird": "NOUN",
    "apple": "NOUN",
    "book": "NOUN",
    "ate": "VERB",
    "saw": "VERB",
    "read": "VERB",
    "slept": "VERB",
    "barks": "VERB",
    "everybody": "PRON",
    "nobody": "PRON",
    "naïve": "ADJ",
}
OWN_OF_A_RUN = ("meta.json", ".nlpreg.lock")
CLOCKS = ("duration", "memory", "time", "seconds", "tokens_per", "crc32")


def sentences(count: int, seed: int) -> list[list[str]]:
    generator = random.Random(seed)
    return [generator.choices(list(TAGS), k=generator.randint(1, 9)) for _ in range(count)]


def tagger(folder: Path) -> dict[str, Any]:
    for name, count in (("train", 60), ("valid", 12)):
        lines = (" ".join(f"{word}###{TAGS[word]}" for word in words) for words in sentences(count, count))
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {
        "dataset_reader": {"type": "sequence_tagging", "token_delimiter": " "},
        "train_data_path": str(folder / "train.txt"),
        "validation_data_path": str(folder / "valid.txt"),
        "model": {
            "type": "crf_tagger",
            "dropout": 0.4,
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}},
            "encoder": {"type": "lstm", "input_size": 8, "hidden_size": 8, "num_layers": 2, "dropout": 0.3},
        },
        "data_loader": {"batch_sampler": {"type": "bucket", "batch_size": 4}},
        "trainer": {
            "num_epochs": 3,
            "validation_metric": "+accuracy",
            "optimizer": {"type": "adam", "lr": 0.01},
            "learning_rate_scheduler": {"type": "linear_with_warmup", "warmup_steps": 5},
            "moving_average": {"type": "exponential", "decay": 0.9},
            "checkpointer": {"save_every_num_batches": 2},
            "metrics_interval": 1,
            "cuda_device": -1,
        },
    }


def language_model(folder: Path) -> dict[str, Any]:
    for name, count in (("train", 150), ("valid", 20)):
        text = "\n".join(" ".join(words) for words in sentences(count, count))
        (folder / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
    config = tagger(folder)
    config["dataset_reader"] = {"type": "simple_language_modeling", "tokenizer": "whitespace"}
    for name in ("train", "valid"):
        text = "\n".join(" ".join(words) for words in sentences(150 if name == "train" else 20, len(name)))
        (folder / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
    config["model"] = {
        "type": "language_model",
        "dropout": 0.2,
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}},
        "contextualizer": {"type": "lstm", "input_size": 8, "hidden_size": 8, "stateful": True},
    }
    config["data_loader"] = {"type": "running_text", "batch_size": 3, "bptt": 8}
    config["trainer"]["validation_metric"] = "-perplexity"
    return config


def changed(**trainer: Any) -> Callable[[Path], dict[str, Any]]:
    def make(folder: Path) -> dict[str, Any]:
        config = tagger(folder)
        config["trainer"].update(trainer)
        return config

    return make


def with_workers(folder: Path) -> dict[str, Any]:
    config = tagger(folder)
    config["data_loader"] = {"batch_size": 4, "shuffle": True, "num_workers": 1}
    return config


def streamed(folder: Path) -> dict[str, Any]:
    config = tagger(folder)
    config["data_loader"] = {"batch_size": 4, "shuffle": True, "max_instances_in_memory": 6}
    del config["trainer"]["learning_rate_scheduler"]  # it asks for the number of steps
    return config


def transformer(folder: Path) -> dict[str, Any]:
    config = language_model(folder)
    config["model"]["contextualizer"] = {
        "type": "transformer_lm",
        "input_dim": 8,
        "num_layers": 1,
        "num_attention_heads": 2,
    }
    config["data_loader"] = {"batch_size": 4, "shuffle": True}
    return config


def counting(folder: Path) -> dict[str, Any]:
    config = tagger(folder)
    config["model"] = {"type": "tnt_tagger"}
    config["trainer"] = {"type": "counting"}
    return config


def two_ranks(folder: Path, accelerator: str = "torch") -> dict[str, Any]:
    config = tagger(folder)
    del config["trainer"]["cuda_device"]
    config["distributed"] = {"cuda_devices": [-1, -1], "ddp_accelerator": accelerator}
    return config


def two_shards(folder: Path) -> dict[str, Any]:
    if not hasattr(torch.cpu.Stream, "record_event"):
        pytest.skip("this torch cannot shard on the CPU")
    return two_ranks(folder, "fsdp2")


def two_saved_shards(folder: Path) -> dict[str, Any]:
    config = two_shards(folder)
    config["trainer"]["checkpointer"] = {**config["trainer"].get("checkpointer", {}), "save_sharded": True}
    return config


KINDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "language model with carried state": language_model,
    "tagger with dropout": tagger,
    "accumulation": changed(num_gradient_accumulation_steps=3),
    "half precision": changed(use_amp=True),
    "workers": with_workers,
    "streamed": streamed,
    "transformer": transformer,
    "stopped early": changed(
        patience=1, validate_every_num_batches=2, optimizer={"type": "sgd", "lr": 100.0}, moving_average=None
    ),
    "two ranks": two_ranks,
    "two shards": two_shards,
    "shards saved by their processes": two_saved_shards,
}


# Each run is forked from one process that has torch loaded and no threads. The process of the tests may have threads,
# whose locks a copy of it would wait for in vain.
PROCESSES = multiprocessing.get_context("forkserver")
SECONDS = 100.0

Moment = tuple[str, str, int]
"""A module, a function in it, and the number of the call."""


def train(
    config: str, folder: str, recover: bool, moment: Moment | None = None, force: bool | None = None
) -> None:
    """Train, in a process of its own that leads a group of its own, until a moment when it is killed."""
    os.setsid()
    # several processes are forked from this one, too, which spares each the import of torch
    distributed.launch_processes = functools.partial(launch_processes, start_method="fork")
    if moment is not None:
        kill_at(moment, folder)
    log = os.open(f"{folder}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    torch.set_num_threads(1)
    train_model_from_file(config, folder, recover=recover, force=not recover if force is None else force)


def kill_at(moment: Moment, folder: str) -> None:
    """Let this process be killed when it calls a function for the n-th time, before the function does anything."""
    module_name, function_name, calls_left = moment
    owner = importlib.import_module(module_name)
    *path, name = function_name.split(".")
    for step in path:
        owner = getattr(owner, step)
    function = getattr(owner, name)

    def count_down(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls_left
        calls_left -= 1
        if calls_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    setattr(owner, name, count_down)


def start(
    config: Path, folder: Path, moment: Moment | None = None, recover: bool | None = None
) -> BaseProcess:
    """Start a run, or one that resumes where an earlier one got a start, unless `recover` says otherwise."""
    PROCESSES.set_forkserver_preload(["nlpreg.commands.train.run", "pytest"])
    if recover is None:
        recover = (folder / "config.json").exists()
    process = PROCESSES.Process(target=train, args=(str(config), str(folder), recover, moment))
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    """End a run and all processes of its group."""
    assert process.pid is not None
    with contextlib.suppress(ProcessLookupError):  # it had no time to lead a group
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join(SECONDS)


def wait_for_end(process: BaseProcess) -> None:
    """Wait until a run ends by itself; it is gone afterwards in any case."""
    process.join(SECONDS)
    if process.exitcode is None:
        kill(process)
        pytest.fail(f"a run had not ended after {SECONDS:.0f} s")


def train_in_peace(config: Path, folder: Path, recover: bool | None = None) -> float:
    """Train to the end; returns the seconds that it took."""
    started = time.monotonic()
    process = start(config, folder, recover=recover)
    wait_for_end(process)
    assert process.exitcode == 0, folder.with_suffix(".log").read_text()
    return time.monotonic() - started


def without_clocks(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: without_clocks(item)
            for key, item in value.items()
            if not any(clock in str(key) for clock in CLOCKS)
        }
    return value


def assert_same(one: Any, other: Any, name: str) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), name
    elif isinstance(one, dict):
        one, other = without_clocks(one), without_clocks(other)
        assert one.keys() == other.keys(), name
        for key in one:
            assert_same(one[key], other[key], f"{name}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), name
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{name}.{i}")
    else:
        assert one == other or (one != one and other != other), f"{name}: {one!r} and {other!r}"


def contents(path: Path) -> Any:
    """What a file of a run holds, without what differs between any two runs: times and sizes."""
    if path.suffix == ".th":
        return torch.load(path, weights_only=True)
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.name == "model.tar.gz":
        with tarfile.open(path) as archive, tempfile.TemporaryDirectory() as folder:
            archive.extractall(folder, filter="data")
            return {str(name): value for name, value in contents_of_folder(Path(folder)).items()}
    if path.name == ".digests.json":  # the digests of files with times in them differ
        return sorted(json.loads(path.read_text()))
    if path.suffix == ".json":
        return json.loads(path.read_text())
    if path.parent.suffix == ".dcp" and path.name == ".metadata":  # each save has a random id
        metadata = FileSystemReader(path.parent).read_metadata()
        return str(metadata.state_dict_metadata), str(metadata.storage_data)
    return path.read_bytes()


def contents_of_folder(folder: Path) -> dict[Path, Any]:
    """Every file of a run but its logs and the records of the sizes of its checkpoints."""
    return {
        path.relative_to(folder): None if path.is_dir() or path.name in OWN_OF_A_RUN else contents(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix != ".log"
    }


def assert_same_run(one: Path, other: Path) -> None:
    """The same files in both folders, with the same weights, states, metrics of every epoch and step, words and configs."""
    files, others = contents_of_folder(one), contents_of_folder(other)
    assert files.keys() == others.keys()
    for path, value in files.items():
        if not path.name.startswith("checkpoint_"):
            assert_same(value, others[path], str(path))


def kill_again_and_again(kind: str, kills: int, folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(json.dumps(KINDS[kind](folder)))
    killed = folder / "run"
    seconds = train_in_peace(config, killed)
    killed.rename(folder / "whole")  # a run knows the path of its best weights, so both have the same
    moments = random.Random(kind)
    done = 0
    while done < kills:
        process = start(config, killed)
        process.join(moments.uniform(0.02, seconds))
        if process.exitcode is None:
            kill(process)
            done += 1
        else:  # it came to its end before the next kill was due
            assert process.exitcode == 0, killed.with_suffix(".log").read_text()
            assert_same_run(folder / "whole", killed)
            shutil.rmtree(killed)
    train_in_peace(config, killed)
    assert_same_run(folder / "whole", killed)
    assert not list(killed.rglob("*.tmp"))


def test_a_killed_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    kill_again_and_again("language model with carried state", 3, tmp_path)


MOMENTS: list[Moment] = [
    ("nlpreg.training.validation", "Validation._step", 4),
    ("nlpreg.training.run", "TrainingRun.save_best_weights", 1),
    ("nlpreg.training.metrics_log", "write_metrics_of_epoch", 2),
    ("nlpreg.training.checkpointer", "CheckpointFiles._write_record", 9),
    ("nlpreg.training.run", "TrainingRun.load_best_weights", 1),
    ("tarfile", "TarFile.addfile", 1),
    ("tarfile", "TarFile.addfile", 3),
    *(("os", "replace", number) for number in (2, 4, 7, 13, 26)),  # the end of each write of a file
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was left alone, its config beside it."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[3])
        (folder / "config.json").write_text(json.dumps(changed(num_epochs=2)(folder)))
        train_in_peace(folder / "config.json", folder / "run")
        return (folder / "run").rename(folder / "whole")


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: f"{moment[1]} {moment[2]}")
def test_killed_in_the_middle_of_something(moment: Moment, whole: Path) -> None:
    """In validation, while best weights, metrics and checkpoints are written, and while the archive is packed."""
    config, killed = whole.with_name("config.json"), whole.with_name("run")
    shutil.rmtree(killed, ignore_errors=True)
    process = start(config, killed, moment)
    wait_for_end(process)
    assert process.exitcode == -signal.SIGKILL, killed.with_suffix(".log").read_text()
    train_in_peace(config, killed)
    assert_same_run(whole, killed)
    assert (killed / "model.tar.gz").exists()
    assert not list(killed.rglob("*.tmp"))


def test_processes_resume_where_only_half_of_the_vocabulary_was_written(tmp_path: Path) -> None:
    config, killed = tmp_path / "config.json", tmp_path / "run"
    experiment = two_ranks(tmp_path)
    experiment["trainer"]["num_epochs"] = 1
    config.write_text(json.dumps(experiment))
    (killed / "vocabulary").mkdir(parents=True)
    (killed / "config.json").write_text(config.read_text())
    (killed / "vocabulary" / "tokens.txt").write_text("@@UNKNOWN@@\nthe\n")
    (killed / "vocabulary" / "non_padded_namespaces.txt").write_text("*tags\n*labels\n")
    train_in_peace(config, killed, recover=True)
    assert set((killed / "vocabulary" / "labels.txt").read_text().split()) == set(TAGS.values())
    assert "dog" in (killed / "vocabulary" / "tokens.txt").read_text().split()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", KINDS)
def test_many_killed_runs_end_with_the_same_bits(
    kind: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    kill_again_and_again(kind, pytestconfig.getoption("--kills"), tmp_path)
