from collections import namedtuple

import pytest
import torch

from nlpreg.nn import util

Pair = namedtuple("Pair", ["left", "right"])


def test_moving_a_structure() -> None:
    tensor = torch.ones(2)
    structure = {"a": [tensor, (tensor, "text")], "b": Pair(tensor, None), "c": 3}
    moved = util.move_to_device(structure, torch.device("meta"))
    assert moved is structure
    assert moved["c"] == 3
    inner = moved["a"]
    assert isinstance(inner, list)
    assert inner[0].device.type == "meta"
    assert inner[1][0].device.type == "meta"
    assert inner[1][1] == "text"
    pair = moved["b"]
    assert isinstance(pair, Pair)
    assert pair.left.device.type == "meta"
    assert pair.right is None


def test_tensors_that_are_there_already_stay() -> None:
    tensor = torch.ones(2)
    assert util.move_to_device(tensor, -1) is tensor


def test_device_numbers() -> None:
    assert util.get_device_of(torch.ones(1)) == -1
    storage = object()
    assert util.device_mapping(-1)(storage, "cuda:0") is storage


def test_reductions_outside_a_distributed_run() -> None:
    assert util.dist_reduce_sum(3) == 3
    assert util.dist_reduce_sum(2.5) == 2.5
    tensor = torch.ones(2)
    assert util.dist_reduce(tensor, torch.distributed.ReduceOp.MAX) is tensor
    with pytest.raises(RuntimeError, match="process group"):
        util.distributed_device()
