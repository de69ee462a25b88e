import errno
import os
import subprocess
import sys
import time

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.training.checkpointer import (
    Checkpointer,
    CheckpointFiles,
    DamagedCheckpointError,
    find_checkpoints,
    load_state,
    remove_temporary_files,
    save_state,
)
from nlpreg.training.trainer import Trainer, TrainerCheckpoint


@pytest.fixture
def files(tmp_path):
    return CheckpointFiles(str(tmp_path), 2, 30)


def checkpoint(value=1.0):
    return TrainerCheckpoint({"weight": torch.full((100,), value)}, {"step": [1, 2], "x": torch.zeros(50)})


def test_there_and_back(files):
    files.save(checkpoint())
    files.verify()
    loaded = files.load()
    assert torch.equal(loaded.model_state["weight"], torch.ones(100))
    assert loaded.trainer_state["step"] == [1, 2]
    assert sorted(os.listdir(files.folder)) == [
        "checkpoint_e2_b30.json",
        "model_state_e2_b30.th",
        "training_state_e2_b30.th",
    ]


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["model_path", "training_path"])
@pytest.mark.parametrize("place", [0, 0.3, 0.5, 0.9, -1])
def test_one_changed_bit_is_noticed(files, tmp_path, kind, place):
    files.save(checkpoint())
    path = tmp_path / os.path.basename(getattr(files, kind))
    flip(path, int(place * path.stat().st_size) if place != -1 else -1)
    with pytest.raises(
        DamagedCheckpointError, match=f"{path.name} is not what was written: its checksum differs"
    ):
        files.verify()


@pytest.mark.parametrize("kind", ["model_path", "training_path"])
def test_a_truncated_file_is_noticed(files, kind):
    files.save(checkpoint())
    path = getattr(files, kind)
    size = os.path.getsize(path)
    os.truncate(path, size // 2)
    with pytest.raises(DamagedCheckpointError, match=f"has {size // 2} bytes instead of {size}"):
        files.verify()


@pytest.mark.parametrize("kind", ["model_path", "training_path"])
def test_half_a_pair_is_noticed(files, kind):
    files.save(checkpoint())
    os.remove(getattr(files, kind))
    with pytest.raises(DamagedCheckpointError, match="is missing"):
        files.verify()


def test_files_of_two_checkpoints_do_not_make_one(files, tmp_path):
    files.save(checkpoint(1.0))
    other = tmp_path / "other"
    other.mkdir()
    CheckpointFiles(str(other), 2, 30).save(checkpoint(2.0))
    os.replace(other / "model_state_e2_b30.th", files.model_path)
    with pytest.raises(DamagedCheckpointError, match="checksum differs"):
        files.verify()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"model_state_e2_b30.th": 3}'])
def test_a_damaged_record_is_noticed(files, tmp_path, text):
    files.save(checkpoint())
    (tmp_path / "checkpoint_e2_b30.json").write_text(text)
    with pytest.raises(DamagedCheckpointError, match=r"checkpoint_e2_b30.json cannot be read"):
        files.verify()


def test_a_pair_without_a_record_is_taken(files):
    files.save(checkpoint())
    os.remove(files.record_path)
    files.verify()
    assert files.load().trainer_state["step"] == [1, 2]


def test_saving_again_leaves_no_old_half(files, monkeypatch):
    files.save(checkpoint(1.0))
    saved = torch.save

    def save_weights_only(state, file):
        if "step" in state:
            raise KeyboardInterrupt
        saved(state, file)

    monkeypatch.setattr(torch, "save", save_weights_only)
    with pytest.raises(KeyboardInterrupt):
        files.save(checkpoint(2.0))
    with pytest.raises(DamagedCheckpointError, match="training_state_e2_b30.th is missing"):
        files.verify()


def test_what_is_in_a_folder(tmp_path):
    names = [
        "model_state_e1_b0.th",
        "training_state_e1_b0.th",
        "model_state_e0_b10.th",
        "training_state_e0_b9.th",
    ]
    for name in [
        *names,
        "best.th",
        "model_state_x.th",
        "model_state_e3_b0.th.damaged",
    ]:
        (tmp_path / name).touch()
    found = [(files.epochs, files.batches) for files in find_checkpoints(str(tmp_path))]
    assert found == [(0, 9), (0, 10), (1, 0)]


class Evil:
    def __reduce__(self):
        return os.system, ("echo evil",)


def test_code_in_a_file_is_never_run(tmp_path, capfd):
    path = tmp_path / "training_state_e0_b1.th"
    torch.save({"evil": Evil()}, path)
    with pytest.raises(DamagedCheckpointError, match="cannot be read"):
        load_state(str(path))
    assert "evil" not in capfd.readouterr().out


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04", b"hello" * 100, bytes(1000)])
def test_files_of_another_kind(tmp_path, content):
    path = tmp_path / "model_state_e0_b1.th"
    path.write_bytes(content)
    with pytest.raises(DamagedCheckpointError, match="model_state_e0_b1.th cannot be read"):
        load_state(str(path))


def test_a_file_that_holds_no_dictionary(tmp_path):
    path = tmp_path / "state.th"
    torch.save([1, 2], path)
    with pytest.raises(DamagedCheckpointError, match="expected a dictionary, found a list"):
        load_state(str(path))


def test_a_full_disk(tmp_path, monkeypatch):
    path = tmp_path / "model_state_e1_b0.th"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(
        ConfigurationError, match="No space left on device.*earlier checkpoints are untouched"
    ):
        save_state(str(path), {"x": torch.zeros(10)})
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == [path.name]


FULL_DISK = """
import resource, signal, sys
import torch
from nlpreg.common.checks import ConfigurationError
from nlpreg.training.checkpointer import save_state
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save_state(sys.argv[1], {"x": torch.zeros(1_000_000)})
except ConfigurationError as error:
    print(error)
"""


def test_a_disk_that_fills_up_while_torch_writes(tmp_path):
    pytest.importorskip("resource")
    # in a process of its own, since the limit would hold for all later tests, too; no copy of this one, because torch
    # would wait for threads that the copy has not
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "model_state_e1_b0.th")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert "cannot be written" in done.stdout, done.stderr
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_gone(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be written"):
        save_state(str(tmp_path / "no" / "x.th"), {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigurationError, match="Permission denied"):
        save_state(str(tmp_path / "x.th"), {})


def test_what_a_killed_process_left_behind_goes(tmp_path):
    (tmp_path / "vocabulary").mkdir()
    (tmp_path / ".best_0a1b2c3d.tmp").mkdir()
    (tmp_path / ".best_0a1b2c3d.tmp" / "best.th").touch()
    for name in (
        ".best.th.abc_1234.tmp",
        "vocabulary/.tokens.txt.abcdefg9.tmp",
        ".model.tar.gz.abcdefg9.tmp",
    ):
        (tmp_path / name).touch()
    kept = ("best.th", "vocabulary/tokens.txt", "notes.tmp", ".notes.tmp")
    for name in kept:
        (tmp_path / name).touch()
    remove_temporary_files(str(tmp_path))
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")} == {*kept, "vocabulary"}


class FakeTrainer:
    """Holds a place in a run, which is its state."""

    def __init__(self):
        self._epochs_completed = 0
        self._batches_in_epoch_completed = 0

    def at(self, epochs, batches):
        self._epochs_completed, self._batches_in_epoch_completed = epochs, batches
        return self

    def get_checkpoint_state(self):
        place = [self._epochs_completed, self._batches_in_epoch_completed]
        return TrainerCheckpoint({"place": torch.tensor(place)}, {"place": place})


@pytest.fixture
def trainer():
    return FakeTrainer()


@pytest.fixture
def make(tmp_path):
    def build(**config):
        return Checkpointer.from_params(Params(config), serialization_dir=str(tmp_path))

    return build


def offer(checkpointer, trainer, places):
    """Offers each place; returns those that were saved."""
    return [
        (epochs, batches)
        for epochs, batches in places
        if checkpointer.maybe_save_checkpoint(trainer.at(epochs, batches), epochs, batches)
    ]


def places_in(folder):
    names = [name for name in os.listdir(folder) if name.startswith("training_state")]
    return sorted(tuple(int(part[1:]) for part in name[:-3].split("_")[2:]) for name in names)


EPOCHS = [(epoch + batch // 5, batch % 5) for epoch in range(3) for batch in range(1, 6)]


def test_after_each_epoch_and_the_newest_two_are_kept(make, trainer, tmp_path):
    assert offer(make(), trainer, EPOCHS) == [(1, 0), (2, 0), (3, 0)]
    assert places_in(tmp_path) == [(2, 0), (3, 0)]
    assert len(os.listdir(tmp_path)) == 6


def test_every_so_many_updates(make, trainer, tmp_path):
    checkpointer = make(save_every_num_batches=2, keep_most_recent_by_count=None)
    assert offer(checkpointer, trainer, EPOCHS) == [
        (0, 2),
        (0, 4),
        (1, 0),
        (1, 2),
        (1, 4),
        (2, 0),
        (2, 2),
        (2, 4),
        (3, 0),
    ]
    assert len(places_in(tmp_path)) == 9


def test_not_after_epochs(make, trainer, tmp_path):
    checkpointer = make(save_completed_epochs=False, save_every_num_batches=4)
    assert offer(checkpointer, trainer, EPOCHS) == [(0, 4), (1, 4), (2, 4)]


def test_every_so_many_seconds(make, trainer, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    checkpointer = make(save_every_num_seconds=10, save_completed_epochs=False)
    saved = []
    for batch in range(1, 30):
        now[0] += 3.0
        saved += offer(checkpointer, trainer, [(0, batch)])
    assert saved == [(0, 4), (0, 8), (0, 12), (0, 16), (0, 20), (0, 24), (0, 28)]


def test_young_ones_are_kept(make, trainer, tmp_path):
    checkpointer = make(keep_most_recent_by_count=1, keep_most_recent_by_age=1000)
    offer(checkpointer, trainer, [(1, 0), (2, 0)])
    for name in os.listdir(tmp_path):
        if "_e1_" in name:
            os.utime(tmp_path / name, (0, 0))
    offer(checkpointer, trainer, [(3, 0)])
    assert places_in(tmp_path) == [(2, 0), (3, 0)]


def test_the_newest_is_loaded(make, trainer, tmp_path):
    assert make().load_checkpoint() is None
    assert make().find_latest_checkpoint() is None
    offer(make(save_every_num_batches=3, keep_most_recent_by_count=None), trainer, EPOCHS[:13])
    assert make().find_latest_checkpoint() == (
        str(tmp_path / "model_state_e2_b3.th"),
        str(tmp_path / "training_state_e2_b3.th"),
    )
    assert make().load_checkpoint().trainer_state == {"place": [2, 3]}


@pytest.mark.parametrize("damage", ["truncate", "remove", "change", "no record, no zip"])
@pytest.mark.parametrize("kind", ["model_state", "training_state"])
def test_a_damaged_one_is_passed_over(make, trainer, tmp_path, caplog, damage, kind):
    offer(make(keep_most_recent_by_count=1), trainer, [(1, 0)])
    offer(make(keep_most_recent_by_count=3), trainer, [(2, 0), (3, 0)])
    path = tmp_path / f"{kind}_e3_b0.th"
    if damage == "truncate":
        os.truncate(path, 100)
    elif damage == "remove":
        path.unlink()
    elif damage == "change":
        path.write_bytes(path.read_bytes().replace(b"PK", b"KP", 1))
    else:
        path.write_bytes(b"nothing")
        (tmp_path / "checkpoint_e3_b0.json").unlink()
    checkpointer = make(keep_most_recent_by_count=2)
    assert checkpointer.load_checkpoint().trainer_state == {"place": [2, 0]}
    assert "the checkpoint is damaged; using the previous one" in caplog.text
    assert f"{kind}_e3_b0.th" in caplog.text
    # what is damaged does not count among those that are kept
    offer(checkpointer, trainer, [(2, 4), (3, 0)])
    assert checkpointer.load_checkpoint() is not None


def test_a_pair_whose_record_was_not_written_any_more_gets_it(make, trainer, tmp_path):
    offer(make(), trainer, [(1, 0)])
    record = tmp_path / "checkpoint_e1_b0.json"
    written = record.read_text()
    record.unlink()
    make().load_checkpoint()
    assert record.read_text() == written


def test_all_damaged(make, trainer, tmp_path, caplog):
    offer(make(), trainer, [(1, 0), (2, 0)])
    for path in tmp_path.glob("model_state*"):
        path.write_bytes(b"")
    assert make().load_checkpoint() is None
    assert caplog.text.count("is damaged") == 2
    assert "no checkpoint is intact, training starts over" in caplog.text


def test_a_place_is_saved_once(make, trainer, tmp_path):
    checkpointer = make()
    offer(checkpointer, trainer, [(1, 0)])
    os.remove(tmp_path / "model_state_e1_b0.th")
    checkpointer.save_checkpoint(trainer)
    assert not (tmp_path / "model_state_e1_b0.th").exists()


def test_updates_are_counted_from_the_loaded_one(make, trainer):
    offer(make(save_every_num_batches=3), trainer, [(0, 3)])
    checkpointer = make(save_every_num_batches=3)
    checkpointer.load_checkpoint()
    assert offer(checkpointer, trainer, [(0, 4), (0, 5), (0, 6)]) == [(0, 6)]


@pytest.mark.parametrize("name", ["save_every_num_seconds", "save_every_num_batches"])
def test_numbers_that_make_no_sense(make, name):
    with pytest.raises(
        ConfigurationError, match=f"checkpointer.{name}: expected a number above 0 or null, got 0"
    ):
        make(**{name: 0})


def test_seconds_make_no_sense_for_several_processes(make, monkeypatch):
    monkeypatch.setattr("nlpreg.training.checkpointer.is_distributed", lambda: True)
    with pytest.raises(ValueError, match="use save_every_num_batches"):
        make(save_every_num_seconds=3)


def test_none_are_kept(make, trainer, tmp_path):
    checkpointer = make(keep_most_recent_by_count=0)
    assert offer(checkpointer, trainer, [(1, 0), (2, 0)]) == [(1, 0), (2, 0)]
    assert places_in(tmp_path) == []
    assert not checkpointer.keeps_checkpoints
    with pytest.raises(ConfigurationError, match="keep_most_recent_by_count: expected 0 or more, got -1"):
        make(keep_most_recent_by_count=-1)


def test_a_trainer_that_only_gives_its_state(make, tmp_path):
    class Own(Trainer):
        def get_checkpoint_state(self):
            return TrainerCheckpoint({}, {"epochs_completed": 3, "batches_in_epoch_completed": 4})

    trainer = Own(str(tmp_path), cuda_device=-1)
    checkpointer = make(keep_most_recent_by_count=None)
    assert checkpointer.maybe_save_checkpoint(trainer, 1, 0)
    checkpointer.save_checkpoint(trainer)  # where it is, its state says
    assert places_in(tmp_path) == [(1, 0), (3, 4)]


@pytest.mark.parametrize("half", ["model_state_e1_b0.th", "training_state_e1_b0.th", "checkpoint_e1_b0.json"])
def test_what_a_kill_kept_from_being_deleted_is_deleted_on_resuming(make, trainer, tmp_path, caplog, half):
    offer(make(keep_most_recent_by_count=None), trainer, [(1, 0), (2, 0), (3, 0), (4, 0)])
    for path in tmp_path.glob("*_e1_b0*"):
        if path.name != half:
            path.unlink()
    make().load_checkpoint()
    assert places_in(tmp_path) == [(3, 0), (4, 0)]
    assert len(os.listdir(tmp_path)) == 6
    assert not caplog.text


def test_a_subclass_may_override_saving_as_in_allennlp(make, trainer, tmp_path):
    class Own(Checkpointer):
        calls = 0

        def save_checkpoint(self, trainer):
            self.calls += 1
            super().save_checkpoint(trainer)

    checkpointer = Own(str(tmp_path))
    assert offer(checkpointer, trainer, [(1, 0), (2, 0)]) == [(1, 0), (2, 0)]
    assert checkpointer.calls == 2
    assert places_in(tmp_path) == [(1, 0), (2, 0)]
