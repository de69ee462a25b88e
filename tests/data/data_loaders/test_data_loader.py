from typing import Any

import pytest
import torch

from nlpreg.data import DataLoader, Vocabulary


def test_registered_names() -> None:
    assert DataLoader.list_available()[0] == "multiprocess"
    assert {"simple", "multitask"} <= set(DataLoader.list_available())


@pytest.mark.parametrize(
    "call",
    [
        iter,
        lambda loader: loader.iter_instances(),
        lambda loader: loader.index_with(Vocabulary()),
        lambda loader: loader.set_target_device(torch.device("cpu")),
    ],
)
def test_what_must_be_written(call: Any) -> None:
    with pytest.raises(NotImplementedError, match="DataLoader has no"):
        call(DataLoader())


def test_a_loader_without_a_length_and_without_a_position() -> None:
    with pytest.raises(TypeError, match="has no length"):
        len(DataLoader())
    assert DataLoader().state_dict() == {}
    DataLoader().load_state_dict({})
