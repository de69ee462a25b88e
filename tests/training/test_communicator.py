"""Two processes that train together, over gloo on the CPU."""

import importlib.util
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nlpreg.nn.parallel.torch_fsdp_accelerator import join_shards
from nlpreg.training.checkpointer import Checkpointer
from nlpreg.training.communicator import SingleProcess, make_communicator

JOB = Path(__file__).with_name("distributed_job.py")

ACCUMULATION = {
    "num_gradient_accumulation_steps": 4,
    "grad_norm": 0.5,
    "validate_every_num_batches": 2,
    "num_epochs": 1,
}
# the callback stays in the run that goes on, where its moment has passed
ASKING = {"callbacks": [{"type": "ask_to_end", "rank": 1, "after": 8}]}


def interrupted(accelerator, name=None, trainer=None):
    name, trainer = name or accelerator, trainer or {}
    orders = {"dropout": 0.3, "accelerator": accelerator}
    return {
        f"{name} whole": {"folder": f"{name}_whole", "trainer": trainer, **orders},
        f"{name} ended": {"folder": f"{name}_parts", "trainer": {**trainer, **ASKING}, **orders},
        f"{name} resumed": {"folder": f"{name}_parts", "trainer": {**trainer, **ASKING}, **orders},
    }


SAVING_SHARDS = {
    "checkpointer": {"save_sharded": True},
    "optimizer": {"type": "adam", "lr": 0.01},
    "moving_average": {"type": "exponential"},
}


ORDERS = {
    "plain": {"folder": "plain"},
    "accumulation": {"folder": "accumulation", "trainer": ACCUMULATION},
    "uneven": {"folder": "uneven", "uneven": True},
    "few": {"folder": "few", "few": True},
    **interrupted("torch"),
}
CAN_SHARD = hasattr(torch.cpu.Stream, "record_event")  # the first torch releases with FSDP2 cannot on the CPU
if CAN_SHARD:
    ORDERS["sharded"] = {"folder": "sharded", "accelerator": "fsdp2", "trainer": {"grad_norm": 0.5}}
    ORDERS.update(interrupted("fsdp2"))
    ORDERS.update(interrupted("fsdp2", "shards", SAVING_SHARDS))
needs_sharding = pytest.mark.skipif(not CAN_SHARD, reason="this torch cannot shard on the CPU")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder of all runs of two processes, and for each run what each process reports."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "orders.json").write_text(json.dumps(ORDERS))
    processes = [
        subprocess.Popen(
            [sys.executable, str(JOB), str(rank), "2", str(folder)], stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    try:
        errors = [process.communicate(timeout=100)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
    results = [json.loads((folder / f"result_{rank}.json").read_text()) for rank in range(2)]
    return folder, {name: [result[name] for result in results] for name in ORDERS}


@pytest.fixture
def alone(tmp_path):
    """Runs the same in this process; returns what it reports."""
    spec = importlib.util.spec_from_file_location("distributed_job", JOB)
    job = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(job)
    return lambda name: job.run(ORDERS[name], 0, 1, tmp_path)


def repeatable(metrics):
    return {n: v for n, v in metrics.items() if n != "training_duration" and "memory" not in n}


def flat(weights):
    return torch.cat([torch.tensor(weights[name]).reshape(-1) for name in sorted(weights)]).tolist()


def test_alone():
    communicator = make_communicator(False)
    assert isinstance(communicator, SingleProcess)
    assert communicator.agree(3, True) == (3, True)
    assert communicator.gather({"a": 1}) == [{"a": 1}]
    assert (communicator.rank, communicator.size) == (0, 1)
    communicator.barrier()


@pytest.mark.parametrize("name", ["plain", "accumulation", pytest.param("sharded", marks=needs_sharding)])
def test_two_processes_do_what_one_does_with_the_double_batch(two, alone, tmp_path, name):
    folder, results = two
    one = alone(name)
    for result in results[name]:
        assert repeatable(result["metrics"]) == pytest.approx(repeatable(one["metrics"]), rel=1e-5)
    assert flat(results[name][0]["weights"]) == pytest.approx(flat(one["weights"]), rel=1e-5)
    written = {path.name for path in (folder / ORDERS[name]["folder"]).iterdir()}
    expected = {path.name for path in (tmp_path / ORDERS[name]["folder"]).iterdir()}
    assert written == expected
    if name != "sharded":
        assert results[name][0]["weights"] == results[name][1]["weights"]


def test_processes_with_unequal_data_end_an_epoch_together(two):
    folder, results = two
    # three updates an epoch, as many as the shorter share has; the next epoch starts at its start
    for result in results["uneven"]:
        for epoch in range(2):
            assert [index for e, index in result["given"] if e == epoch][:3] == [0, 1, 2]
    assert results["uneven"][0]["weights"] == results["uneven"][1]["weights"]
    # everything is validated, by whoever has it
    assert [len(result["validated"]) for result in results["uneven"]] == [4, 6]
    metrics = [repeatable(result["metrics"]) for result in results["uneven"]]
    assert metrics[0] == metrics[1]
    assert "another process has run out of training data" in (folder / "log_0.txt").read_text()


def test_fewer_batches_than_processes(two):
    for result in two[1]["few"]:
        assert "there is no batch in the training data" in result["refused"]
        assert "in the processes [1] of 2" in result["refused"]
        assert "Are there fewer instances, or batches, than processes?" in result["refused"]


@pytest.mark.parametrize(
    "accelerator",
    [
        "torch",
        pytest.param("fsdp2", marks=needs_sharding),
        pytest.param("shards", marks=needs_sharding),
    ],
)
def test_when_one_is_asked_to_end_all_do_and_go_on_later(two, accelerator):
    _, results = two
    for ended in results[f"{accelerator} ended"]:
        assert "after 2 updates of epoch 1; a checkpoint was saved" in ended["ended"]
    for result, whole in zip(results[f"{accelerator} resumed"], results[f"{accelerator} whole"], strict=True):
        assert result["weights"] == whole["weights"]
        assert repeatable(result["metrics"]) == repeatable(whole["metrics"])
        assert result["given"] == [[1, index] for index in range(2, 6)]


def folder_with_shards(two, tmp_path):
    """A copy of the folder of a run of two processes that each saved its shards."""
    copied = tmp_path / "shards"
    shutil.copytree(two[0] / "shards_whole", copied)
    (shards,) = copied.glob("model_state_e2_b0.*")
    return shards


@needs_sharding
def test_processes_write_their_own_shards(two, tmp_path):
    shards = folder_with_shards(two, tmp_path)
    assert shards.suffix == ".dcp"
    assert {path.name for path in shards.iterdir()} == {".metadata", "__0_0.distcp", "__1_0.distcp"}
    record = json.loads((shards.parent / "checkpoint_e2_b0.json").read_text())
    expected = {f"{shards.name}/{path.name}" for path in shards.iterdir()} | {"training_state_e2_b0.th"}
    assert record.keys() == expected


@needs_sharding
def test_one_process_resumes_from_the_shards_of_two(two, tmp_path, alone):
    shards = folder_with_shards(two, tmp_path)
    best = torch.load(shards.parent / "best.th")
    ORDERS["alone"] = {"folder": "shards", "trainer": {**SAVING_SHARDS, "num_epochs": 2}}
    result = alone("alone")
    assert result["given"] == []  # nothing is left to train
    assert result["weights"] == {name: value.tolist() for name, value in best.items()}
    ORDERS["alone"]["trainer"]["num_epochs"] = 3
    assert {epoch for epoch, _ in alone("alone")["given"]} == {2}


@needs_sharding
@pytest.mark.parametrize("name", ["__1_0.distcp", ".metadata"])
def test_damaged_shards_are_passed_over(two, tmp_path, name, caplog):
    shards = folder_with_shards(two, tmp_path)
    contents = bytearray((shards / name).read_bytes())
    contents[len(contents) // 2] ^= 1
    (shards / name).write_bytes(contents)
    found = Checkpointer(shards.parent).find_latest_checkpoint()
    assert found == tuple(
        str(shards.parent / f"{kind}_e1_b0.{suffix}")
        for kind, suffix in (("model_state", "dcp"), ("training_state", "th"))
    )
    assert f"{name} is not what was written" in caplog.text


class Hostile:
    def __reduce__(self):
        return os.mkdir, ("made_by_hostile_index",)


@needs_sharding
def test_the_index_of_shards_runs_no_code(two, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shards = folder_with_shards(two, tmp_path)
    (shards / ".metadata").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(RuntimeError, match="mkdir is not allowed in the index of a checkpoint"):
        join_shards({}, str(shards), None)
    assert not Path("made_by_hostile_index").exists()
