"""Runs that are resumed from what their folder held at any moment end with the folder of a run that was left alone.

A process that is killed leaves what stood in its folder. So one run is enough to see all that kills can leave: the folder
is copied before each system call that changes it. Each copy that differs from the others is resumed, all in processes
forked from one that has trained before, which spares them the imports: a second or less each.
"""

import contextlib
import hashlib
import itertools
import json
import multiprocessing
import os
import random
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpreg.commands.train import train_model_from_file
from tests.commands.train import test_kills
from tests.commands.train.test_kills import KINDS, PROCESSES, assert_same_run, counting, tagger, train

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

FORKED = multiprocessing.get_context("fork")
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "os.chmod"}
TEMPORARY = re.compile(r"(?<=\.)[a-z0-9_]{8}(?=\.tmp$)|(?<=_)[a-z0-9_]{8}(?=\.tmp$)")
"""The random part of a temporary file's name."""
SECONDS = 100.0


def few_sentences(count: int, seed: int) -> list[list[str]]:
    generator = random.Random(seed)
    return [generator.choices(list(test_kills.TAGS), k=generator.randint(1, 9)) for _ in range(count // 6)]


def copy(folder: Path, target: Path) -> None:
    """Copy a folder that may be changed meanwhile by other processes; hard links stay links."""
    links: dict[int, Path] = {}
    target.mkdir(parents=True)
    for path in sorted(folder.rglob("*")):
        place = target / path.relative_to(folder)
        with contextlib.suppress(FileNotFoundError):
            if path.is_dir():
                place.mkdir(exist_ok=True)
                continue
            inode = path.stat().st_ino
            place.parent.mkdir(exist_ok=True)
            if inode in links:
                os.link(links[inode], place)
            else:
                shutil.copy2(path, place)
                links[inode] = place


def copy_at_every_change(folder: Path, copies: Path) -> None:
    """Let this process, and those forked from it, copy a folder before each system call that changes it.

    Python reports these calls before they are made. What is written to a file between two of them is seen at the second.
    """
    numbers = itertools.count()
    is_copying = False

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal is_copying
        if is_copying or not (
            event in CHANGES
            or event in ("tempfile.mkstemp", "tempfile.mkdtemp")
            or (event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"))
        ):
            return
        path = arguments[0]
        if isinstance(path, (str, Path)) and str(path).startswith(str(folder)) and folder.is_dir():
            is_copying = True
            try:
                copy(folder, copies / f"{next(numbers):05}_{os.getpid()}")
            finally:
                is_copying = False

    sys.addaudithook(watch)


def photographed(config: Path, folder: Path, copies: Path, recover: bool, force: bool) -> None:
    copy_at_every_change(folder, copies)
    trained(config, folder, recover, force)


def trained(config: Path, folder: Path, recover: bool, force: bool) -> None:
    os.fsync = lambda descriptor: None  # a killed process loses nothing that it wrote
    train(str(config), str(folder), recover, force=force)


def run(target: Callable[..., None], config: Path, folder: Path, *arguments: Any) -> None:
    """Call a function in a process forked from this one, which has to succeed."""
    process = FORKED.Process(target=target, args=(config, folder, *arguments))
    process.start()
    test_kills.wait_for_end(process)
    assert process.exitcode == 0, folder.with_suffix(".log").read_text()[-6000:]


def distinct(copies: Path, resumed: Path | None = None) -> Iterator[Path]:
    """The copies of which each resumes in another way: apart from logs and from what temporary files hold.

    A line of `metrics.jsonl` that is new in a copy makes another one, in which it is only half written. A run that is
    `resumed` from a folder finds lines that a checkpoint counts already: no kill tears these.
    """
    seen = set()
    lines = 0
    if resumed is not None and (resumed / "metrics.jsonl").exists():
        lines = (resumed / "metrics.jsonl").stat().st_size
    for place in sorted(copies.iterdir(), key=lambda place: place.stat().st_mtime_ns):
        files = []
        for path in sorted(place.rglob("*")):
            name = TEMPORARY.sub("", str(path.relative_to(place)))
            is_counted = (
                path.is_file() and path.suffix not in (".tmp", ".log") and path.name != ".nlpreg.lock"
            )
            files.append((name, hashlib.sha256(path.read_bytes()).hexdigest() if is_counted else ""))
        state = tuple(files)
        if state in seen:
            continue
        seen.add(state)
        yield place
        log = place / "metrics.jsonl"
        if log.exists() and log.stat().st_size > lines:
            lines = log.stat().st_size
            torn = copies / f"{place.name}_torn"
            copy(place, torn)
            os.truncate(torn / log.name, lines - 20)
            yield torn


def explore(kind: str, folder: Path, every: int) -> None:
    """Resume one kind of run from every state of its folder; each tenth of these runs is killed again."""
    torch.set_num_threads(1)
    test_kills.sentences = few_sentences
    config, killed, whole, earlier = (folder / name for name in ("config.json", "run", "whole", "earlier"))
    experiment = counting(folder) if kind == "counting" else KINDS.get(kind, tagger)(folder)
    if kind != "counting":
        experiment["trainer"].update(num_epochs=2, checkpointer={"save_every_num_batches": 1})
    config.write_text(json.dumps(experiment))
    (folder / "warm.json").write_text(json.dumps(tagger(folder)))
    train_model_from_file(folder / "warm.json", folder / "warm")
    is_replaced = kind == "replaced"
    if is_replaced:
        run(trained, config, killed, False, False)
        (killed / "best.th").write_text("of the earlier run")
        copy(killed, earlier)
    run(photographed, config, killed, folder / "copies", False, is_replaced)
    killed.rename(whole)
    states = list(distinct(folder / "copies"))[::every]
    again = random.Random(kind)
    done = 0
    failures = []
    for number, state in enumerate([earlier, *states] if is_replaced else states):
        kills_again = number % 10 == 9
        shutil.rmtree(folder / "copies_again", ignore_errors=True)
        for attempt in range(2 if kills_again else 1):
            shutil.rmtree(killed, ignore_errors=True)
            copy(state, killed)
            recover = not is_replaced and (killed / "config.json").exists()
            killed.with_suffix(".log").unlink(missing_ok=True)
            try:
                if kills_again and attempt == 0:
                    run(photographed, config, killed, folder / "copies_again", recover, is_replaced)
                else:
                    run(trained, config, killed, recover, is_replaced)
                assert_same_run(whole, killed)
            except BaseException:
                failures.append(f"{state.name}\n{traceback.format_exc()}")
            done += 1
            if kills_again and attempt == 0:
                state = again.choice(list(distinct(folder / "copies_again", resumed=state)))
    total = len(list((folder / "copies").iterdir()))
    report = f"{kind}: {total} moments, {len(states)} states, {done} runs resumed, {len(failures)} wrong"
    (folder / "report").write_text("\n".join([report, *failures]))
    assert len(states) > 20 // every
    assert not failures


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", [*KINDS, "counting", "replaced"])
def test_resumed_from_every_state_of_the_folder(
    kind: str, tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run with `--force` in the place of another one ("replaced") is started in the same way again."""
    monkeypatch.syspath_prepend(Path(__file__).parents[3])
    if kind in KINDS:
        KINDS[kind](tmp_path)  # skips what this torch lacks
    PROCESSES.set_forkserver_preload(["nlpreg.commands.train.run", "pytest"])
    process = PROCESSES.Process(target=explore, args=(kind, tmp_path, pytestconfig.getoption("--every")))
    process.start()
    process.join(3500)
    if process.exitcode is None:
        test_kills.kill(process)
    report = tmp_path / "report"
    print(report.read_text().splitlines()[0] if report.exists() else "")
    assert process.exitcode == 0, report.read_text()[:20_000] if report.exists() else "it did not end"
