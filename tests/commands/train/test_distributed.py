from typing import Any

import pytest

from nlpreg.commands.train.distributed import DistributedConfig, launch, rank_under_torchrun
from nlpreg.commands.train.process import RunOptions
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params


def read(**section: Any) -> DistributedConfig:
    return DistributedConfig.from_params(Params(section, "distributed."))


def test_a_machine_that_is_not_one_of_the_run() -> None:
    section = {"cuda_devices": [0, 1], "num_nodes": 3, "primary_address": "10.0.0.1", "primary_port": 29500}
    assert read(**section).world_size == 6
    with pytest.raises(ConfigurationError, match="--node-rank: expected a number from 0 to 2"):
        launch(Params({"distributed": section}), RunOptions("out"), 3)


def test_names_of_older_configs() -> None:
    config = read(cuda_devices=[0], num_nodes=2, master_address="a.host", master_port=5)
    assert (config.address, config.port) == ("a.host", 5)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"cuda_devices": [0]}, r"\[0\] on 1 machine is not more than one process"),
        ({"cuda_devices": []}, "not more than one process"),
        ({"cuda_devices": 0}, "distributed.cuda_devices"),
        ({"cuda_devices": ["0", "1"]}, "distributed.cuda_devices"),
        ({}, "distributed.cuda_devices: required without torchrun"),
        ({"cuda_devices": [0, 1], "primary_address": "far.away"}, "a free port of far.away"),
        ({"cuda_devices": [0], "num_nodes": 2}, "distributed.primary_port: required"),
        ({"cuda_devices": [0, 1], "num_node": 2}, 'did you mean "num_nodes"'),
        ({"cuda_devices": [0, 1], "ddp_accelerator": {"type": "torchh"}}, "torchh"),
    ],
)
def test_mistakes(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(**section)


def torchrun(
    monkeypatch: pytest.MonkeyPatch, local: int, rank: int, world: int, local_world: int | None
) -> None:
    monkeypatch.setenv("LOCAL_RANK", str(local))
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("WORLD_SIZE", str(world))
    if local_world is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(local_world))


def test_places_under_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert rank_under_torchrun(Params({})) is None
    torchrun(monkeypatch, 0, 0, 1, 1)
    assert rank_under_torchrun(Params({})) is None  # one process needs no others
    torchrun(monkeypatch, 1, 3, 4, 2)
    place = rank_under_torchrun(Params({}))
    assert place is not None
    assert (place.local_rank, place.rank, place.world_size, place.device) == (1, 3, 4, -1)
    assert place.local_world_size == 2
    assert read(ddp_accelerator="fsdp2").cuda_devices == []  # torchrun knows how many processes there are
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    place = rank_under_torchrun(Params({}))
    assert place is not None and place.device == 1
    place = rank_under_torchrun(Params({"distributed": {"cuda_devices": [5, -1]}}))
    assert place is not None and place.device == -1
    with pytest.raises(ConfigurationError, match="--nproc-per-node=3"):
        rank_under_torchrun(Params({"distributed": {"cuda_devices": [0, 1, 2]}}))
