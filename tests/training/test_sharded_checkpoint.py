"""Parts of a state that processes save, and that any number of processes puts together."""

import json
import logging
import os
import pickle
import zlib
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint.state_dict
import torch.distributed.fsdp  # here, so that new processes have it already
from torch import nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.testing import run_distributed_test
from nlpreg.nn.parallel import TorchFsdpAccelerator, TorchFsdpWrappedModel
from nlpreg.training.checkpoint_files import CheckpointFiles
from nlpreg.training.lockstep import make_lockstep
from nlpreg.training.sharded_checkpoint import ShardedCheckpoints, ShardedFiles
from nlpreg.training.trainer import TrainerCheckpoint

pytestmark = [
    pytest.mark.skipif(
        not hasattr(torch.cpu.Stream, "record_event"), reason="this torch cannot shard on the CPU"
    ),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]


def sharded_run(seed):
    """A spread model after three steps with Adam, whose moments are spread, too."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 1))
    model.register_buffer("constant", torch.arange(3.0) + seed)
    TorchFsdpAccelerator().wrap_model(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for step in range(3):
        generator = torch.Generator().manual_seed(step)  # the same in all processes
        optimizer.zero_grad()
        model(torch.randn(4, 5, generator=generator)).square().mean().backward()
        optimizer.step()
    return model, optimizer


def whole(state):
    if isinstance(state, dict):
        return {key: whole(value) for key, value in state.items()}
    if isinstance(state, list):
        return [whole(value) for value in state]
    return state.full_tensor() if hasattr(state, "full_tensor") else state


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


def save(rank, size, device, folder, places):
    for place in places:
        model, optimizer = sharded_run(place[0])
        state = {
            "optimizer": optimizer.state_dict(),
            "rank": rank,
            "place": list(place),
            "num_processes": size,
        }
        store = ShardedCheckpoints(str(folder), make_lockstep(True), model)
        store.check_folder()
        store.save(ShardedFiles(str(folder), *place), TrainerCheckpoint(model.state_dict(), state))
        expected = {"model": whole(model.state_dict()), "optimizer": whole(optimizer.state_dict())}
        if rank == 0:
            torch.save(expected, folder / f"expected_{place[0]}.pt")


def load(rank, size, device, folder, epochs, ranks):
    """The newest whole checkpoint has so many epochs, and its rest is that of one of the old processes."""
    logging.basicConfig(filename=folder / f"log_{rank}.txt", force=True)
    model, optimizer = sharded_run(9)
    found, checkpoint = ShardedCheckpoints(str(folder), make_lockstep(size > 1), model).load_newest()
    if epochs is None:
        assert found is None and checkpoint is None
        return
    assert found.epochs == epochs
    assert checkpoint.trainer_state["rank"] == ranks[rank]
    TorchFsdpWrappedModel(model, rank, size).load_state_dict(checkpoint.model_state)
    optimizer.load_state_dict(checkpoint.trainer_state["optimizer"])
    expected = torch.load(folder / f"expected_{epochs}.pt", weights_only=True)
    assert_same(whole(model.state_dict()), expected["model"])
    assert_same(whole(optimizer.state_dict()), expected["optimizer"])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    run_distributed_test([-1, -1], save, folder, [(1, 0), (2, 3)])
    return folder


@pytest.fixture
def run(saved, tmp_path):
    """A copy of a run of two processes with two checkpoints, for each test to spoil."""
    for path in saved.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_the_same_number_of_processes_goes_on(run):
    run_distributed_test([-1, -1], load, run, 2, [0, 1])


@pytest.mark.parametrize("size", [1, 3])
def test_any_number_of_processes_goes_on(run, size):
    run_distributed_test([-1] * size, load, run, 2, [0] * size)


def test_every_process_writes_its_part_only(run):
    sizes = {path.name: path.stat().st_size for path in run.glob("*_e2_b3*")}
    assert sizes.keys() == {
        "checkpoint_e2_b3.json",
        *(f"{kind}_state_e2_b3_w{rank}.th" for kind in ("model", "training") for rank in range(2)),
    }
    parts = [torch.load(run / f"model_state_e2_b3_w{rank}.th", weights_only=True) for rank in range(2)]
    rows = [part["spread"][".0.weight"][0]["tensor"].shape for part in parts]
    assert rows == [(4, 5), (3, 5)]
    weights = TorchFsdpWrappedModel.consolidate_sharded_state(
        [run / f"model_state_e2_b3_w{rank}.th" for rank in range(2)]
    )
    assert_same(weights, torch.load(run / "expected_2.pt", weights_only=True)["model"])


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def put_code_in(path):
    """Code in a file whose checksum is right."""
    path.write_bytes(pickle.dumps(Evil()))
    record_file = path.with_name("checkpoint_e2_b3.json")
    record = json.loads(record_file.read_text())
    record[path.name] = {"size": path.stat().st_size, "crc32": zlib.crc32(path.read_bytes())}
    record_file.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (cut_short, "model_state_e2_b3_w1.th"),
        (flip_a_byte, "training_state_e2_b3_w0.th"),
        (Path.unlink, "model_state_e2_b3_w0.th"),
        (put_code_in, "training_state_e2_b3_w1.th"),
    ],
)
def test_a_damaged_part_sends_all_to_the_checkpoint_before(run, damage, name, monkeypatch):
    monkeypatch.chdir(run)
    damage(run / name)
    run_distributed_test([-1, -1], load, run, 1, [0, 1])
    log = (run / "log_0.txt").read_text()
    assert "the checkpoint is damaged, going back to the one before" in log and name in log
    assert not (run / "evil").exists()


def test_without_its_record_there_is_no_checkpoint(run):
    """Its processes were killed before all parts were written."""
    (run / "checkpoint_e2_b3.json").unlink()
    run_distributed_test([-1, -1], load, run, 1, [0, 1])
    (run / "checkpoint_e1_b0.json").write_text("{")
    run_distributed_test([-1, -1], load, run, None, [])
    assert "no checkpoint is whole, training starts over" in (run / "log_0.txt").read_text()


def test_all_parts_go_together(run):
    files = ShardedFiles(str(run), 2, 3)
    assert files.newest_change() == max(path.stat().st_mtime for path in run.glob("*_e2_b3*"))
    CheckpointFiles(str(run), 2, 3, worker=7).save(TrainerCheckpoint({}, {}))  # of a run of more processes
    files.remove()
    assert not list(run.glob("*_e2_b3*"))
    assert len(list(run.glob("*_e1_b0*"))) == 5


def look_elsewhere(rank, size, device, folder):
    own = folder / str(rank)
    own.mkdir()
    with pytest.raises(ConfigurationError, match=r"the processes \[1\] see another folder"):
        ShardedCheckpoints(str(own), make_lockstep(True), nn.Linear(1, 1)).check_folder()
    assert not list(own.iterdir())


def test_folders_that_only_look_the_same(tmp_path):
    run_distributed_test([-1, -1], look_elsewhere, tmp_path)
