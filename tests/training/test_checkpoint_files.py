import errno
import os
import subprocess
import sys

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.checkpoint_files import (
    CheckpointFiles,
    DamagedCheckpointError,
    find_checkpoints,
    load_state,
    remove_left_overs,
    save_state,
)
from nlpreg.training.trainer import TrainerCheckpoint


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
    with pytest.raises(DamagedCheckpointError, match="holds no state but a list"):
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
from nlpreg.training.checkpoint_files import save_state
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
    remove_left_overs(str(tmp_path))
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")} == {*kept, "vocabulary"}
