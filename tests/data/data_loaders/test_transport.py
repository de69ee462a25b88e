import numpy as np
import pytest
import torch

from nlpreg.data.data_loaders.transport import from_bytes, to_bytes


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6).view(2, 3),
        torch.tensor([], dtype=torch.int64),
        torch.tensor(True),
        torch.ones(2, 3).t(),
        torch.ones(2, dtype=torch.bfloat16),
        torch.eye(2).to_sparse(),
        torch.arange(1000).view(10, 100),
        torch.arange(1000) - 1,
        torch.arange(1000) * 2**50,
    ],
)
def test_tensors_of_every_kind(tensor: torch.Tensor) -> None:
    received = from_bytes(to_bytes({"x": [tensor]}))["x"][0]
    assert received.dtype == tensor.dtype
    assert torch.equal(received.to_dense(), tensor.to_dense())


def test_what_arrives_can_be_written_to() -> None:
    received = from_bytes(to_bytes(torch.zeros(3)))
    received += 1
    assert received.tolist() == [1, 1, 1]


def test_other_objects() -> None:
    batch = {"metadata": [{"words": ["é"]}, None], "array": np.arange(3)}
    received = from_bytes(to_bytes(batch))
    assert received["metadata"] == batch["metadata"]
    assert received["array"].tolist() == [0, 1, 2]


def test_parameters_keep_their_class() -> None:
    received = from_bytes(to_bytes(torch.nn.Parameter(torch.ones(2))))
    assert isinstance(received, torch.nn.Parameter)
    assert received.requires_grad


def test_small_ids_take_little_room() -> None:
    assert len(to_bytes(torch.arange(10_000) % 200)) < 11_000
    assert len(to_bytes(torch.arange(10_000))) < 21_000
