import functools
import json
import multiprocessing
import os
import shutil
import sys

import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.training.serialization_dir import (
    LOCK_NAME,
    discard_replaced,
    locked,
    replacing_run,
    restore_replaced,
)
from nlpreg.training.util import create_serialization_dir

CONFIG = {"model": {"type": "m", "size": 3}, "trainer": {"num_epochs": 2}}


def create(folder, recover=False, force=False, config=CONFIG):
    create_serialization_dir(Params(config), str(folder), recover, force)


@pytest.fixture
def used(tmp_path):
    folder = tmp_path / "used"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "best.th").write_text("weights")
    return folder


@pytest.mark.parametrize("force", [True, False])
def test_a_missing_folder_is_made(tmp_path, force):
    create(tmp_path / "a" / "b", force=force)
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_run_that_failed_before_it_had_data_starts_anew(tmp_path):
    for name in ("config.json", "config.resolved.json", "meta.json", ".digests.json"):
        (tmp_path / name).write_text(json.dumps(CONFIG))
    (tmp_path / "out.log").write_text("error")
    create(tmp_path, config={**CONFIG, "model": {"type": "other"}})
    (tmp_path / "best.th").write_text("weights")
    with pytest.raises(ConfigurationError, match="is not empty"):
        create(tmp_path)


@pytest.mark.parametrize("force", [True, False])
def test_an_empty_folder_is_used(tmp_path, force):
    (tmp_path / "x").mkdir()
    create(tmp_path / "x", force=force)
    assert (tmp_path / "x").is_dir()


def test_a_folder_in_use_is_refused(used):
    with pytest.raises(ConfigurationError, match="is not empty; give another one, or --recover"):
        create(used)
    assert (used / "best.th").exists()


def test_force_deletes(used):
    create(used, force=True)
    assert list(used.iterdir()) == []


def begun(folder):
    """Replace a run as far as `discard_replaced`, which comes when the new one has proved to be one."""
    create_serialization_dir(Params(CONFIG), str(folder), recover=False, force=True, sets_aside=True)
    (folder / "config.json").write_text("{}")
    (folder / "vocabulary").mkdir()


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_is_replaced_goes_when_the_new_one_works(used):
    with replacing_run(str(used)):
        begun(used)
        assert (used / ".nlpreg-replaced" / "best.th").exists()
        discard_replaced(str(used))
    assert sorted(path.name for path in used.iterdir()) == ["config.json", "vocabulary"]


@pytest.mark.parametrize("error", [ConfigurationError("no"), KeyboardInterrupt("stop")])
def test_a_run_that_is_replaced_in_vain_comes_back(used, error, caplog):
    (used / "notes.txt").write_text("mine")
    before = content(used)
    with pytest.raises(type(error), match=str(error)), replacing_run(str(used)):
        begun(used)
        raise error
    assert content(used) == before
    assert "the earlier run was restored" in caplog.text


def test_no_run_is_restored_where_there_was_none(tmp_path, caplog):
    with pytest.raises(ConfigurationError, match="no"), replacing_run(str(tmp_path)):
        begun(tmp_path)
        raise ConfigurationError("no")
    assert content(tmp_path) == {}
    assert "restored" not in caplog.text


class Killed(BaseException):
    pass


def test_killed_at_any_renaming_of_a_replacement(used, monkeypatch):
    """The next start finds the earlier run whole, or the new one."""
    before = content(used)
    rename, unlink, rmtree = os.rename, os.unlink, shutil.rmtree
    for number in range(1, 100):
        left = number

        def dies(function, *arguments, **options):
            nonlocal left
            left -= 1
            if left <= 0:
                raise Killed
            return function(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", functools.partial(dies, rename))
            patch.setattr(os, "unlink", functools.partial(dies, unlink))
            patch.setattr(shutil, "rmtree", functools.partial(dies, rmtree))
            is_new = False
            try:
                begun(used)
                is_new = number % 2 == 0
                if is_new:
                    discard_replaced(str(used))
                else:
                    restore_replaced(str(used))
            except Killed:
                pass
        is_over = left > 0
        with replacing_run(str(used)):
            pass
        after = content(used)
        assert after == before or (is_new and after == {"config.json": b"{}"}), number
        assert not [path for path in used.iterdir() if path.name.startswith(".nlpreg-")]
        if is_over and number % 2 == 0:
            break
        shutil.rmtree(used)
        used.mkdir()
        for name, data in before.items():
            (used / name).write_bytes(data)
    assert number > 6


def test_recovering(used):
    create(used, recover=True)
    assert (used / "best.th").exists()


def test_recovering_with_another_config(used, caplog):
    config = {"model": {"type": "m", "size": 4}, "trainer": {"num_epochs": 2, "optimizer": "adam"}}
    with pytest.raises(ConfigurationError, match="model.size: 3 in the folder, 4 now; trainer.optimizer"):
        create(used, recover=True, config=config)
    assert caplog.text.count("the config differs at") == 2


@pytest.mark.parametrize(
    "change",
    [
        {"num_epochs": 8},
        {"patience": 3},
        {"checkpointer": {"keep_most_recent_by_count": 5}},
        {"callbacks": ["tensorboard", {"type": "wandb"}]},
    ],
)
def test_what_changes_neither_data_nor_weights_may_differ(used, change, caplog):
    caplog.set_level("INFO")
    create(used, recover=True, config={**CONFIG, "trainer": {**CONFIG["trainer"], **change}})
    assert "the run is resumed with another config at trainer." in caplog.text
    with pytest.raises(ConfigurationError, match="data_loader.batch_size"):
        create(used, recover=True, config={**CONFIG, "data_loader": {"batch_size": 3}})


@pytest.mark.parametrize("names", [[".config.json.abcdefgh.tmp"], ["out.log"], ["config.json", "meta.json"]])
@pytest.mark.parametrize("recover", [False, True])
def test_a_run_that_was_killed_right_at_its_start_starts_anew(tmp_path, names, recover):
    for name in names:
        (tmp_path / name).write_text('{"model": ')  # half of a config
    if recover and "config.json" in names:
        return  # a config that cannot be read is no config to resume with
    create(tmp_path, recover=recover)


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("text")
    with pytest.raises(ConfigurationError, match="is not empty"):
        create(tmp_path)
    with pytest.raises(ConfigurationError, match=r"there is no config.json"):
        create(tmp_path, recover=True)


def test_recovering_from_nothing(tmp_path):
    with pytest.raises(ConfigurationError, match="but there is no such folder"):
        create(tmp_path / "missing", recover=True)
    with pytest.raises(ConfigurationError, match=r"there is no config.json"):
        create(tmp_path, recover=True)


def test_both_flags(used):
    with pytest.raises(ConfigurationError, match="expected one of them, got both"):
        create(used, recover=True, force=True)


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="expected a folder for the run, found a file"):
        create(tmp_path / "file")
    with pytest.raises(ConfigurationError, match="cannot create the folder of the run"):
        create(tmp_path / "file" / "below")


def test_an_empty_path():
    with pytest.raises(ConfigurationError, match="--serialization-dir: expected the path of a folder"):
        create("")


@pytest.mark.parametrize(
    "name",
    ["thesis.txt", "checkpoint_notes.txt", "model_state_of_the_art.md", "lab.log", "metrics_by_hand.json"],
)
def test_force_leaves_what_no_run_writes(name, used, caplog):
    (used / name).write_text("of three years")
    (used / "vocabulary").mkdir()
    for written in (
        "checkpoint_e1_b0.json",
        "model_state_epoch_3.th",
        "out_worker1.log",
        "metrics_epoch_1.json",
    ):
        (used / written).touch()
    create(used, force=True)
    assert [path.name for path in used.iterdir()] == [name]
    assert f"not deleted, because no run of nlpreg writes them: {name}" in caplog.text


def test_force_works_through_a_link(used, tmp_path):
    (tmp_path / "link").symlink_to(used)
    create(tmp_path / "link", force=True)
    assert (tmp_path / "link").is_symlink() and list(used.iterdir()) == []


def test_force_refuses_what_is_no_run(tmp_path):
    (tmp_path / "thesis.txt").write_text("of three years")
    with pytest.raises(
        ConfigurationError, match="--force deletes runs only, and this folder is not empty but"
    ):
        create(tmp_path, force=True)
    assert (tmp_path / "thesis.txt").exists()


def test_force_refuses_the_working_folder_and_those_above_it(used, monkeypatch):
    (used / "deep").mkdir()
    monkeypatch.chdir(used / "deep")
    for folder in (".", "..", used):
        with pytest.raises(ConfigurationError, match="does not delete the working folder"):
            create(folder, force=True)
    assert (used / "best.th").exists()


@pytest.mark.parametrize(
    "config",
    [
        {"train_data_path": "{}/data.txt"},
        {"train_data_path": {"de": ["{}/data.txt"]}},
        {"validation_data_path": "{}/d*.txt"},
        {"model": {"embedder": {"pretrained_file": "{}/data.txt"}}},
        {"model": {"type": "from_archive", "archive_file": "{}/data.txt!inside"}},
        {"vocabulary": {"directory": "{}"}},
    ],
)
def test_force_refuses_a_folder_that_holds_what_the_run_needs(used, config):
    (used / "data.txt").write_text("1")
    config = json.loads(json.dumps(config).replace("{}", str(used)))
    with pytest.raises(ConfigurationError, match="--force would delete .*, which this run needs"):
        create(used, force=True, config=config)
    assert (used / "best.th").exists()


def test_force_refuses_a_folder_that_holds_the_config(used):
    with pytest.raises(ConfigurationError, match="config.json, which this run needs .the config."):
        create_serialization_dir(Params(CONFIG), used, False, True, used / "config.json")


def hold(folder, ready, release):
    with locked(folder):
        ready.set()
        release.wait(60)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_one_process_at_a_time_and_the_lock_goes_with_it(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(str(tmp_path / "run"), ready, release))
    holder.start()
    assert ready.wait(60)
    with (
        pytest.raises(
            ConfigurationError, match=f"another run is using this folder: process {holder.pid} on "
        ),
        locked(tmp_path / "run"),
    ):
        pass
    holder.kill()
    holder.join()
    with locked(tmp_path / "run"):
        assert (tmp_path / "run" / LOCK_NAME).exists()
    assert not (tmp_path / "run" / LOCK_NAME).exists()
