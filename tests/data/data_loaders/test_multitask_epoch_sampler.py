from typing import Any

import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data.data_loaders.data_loader import DataLoader
from nlpreg.data.data_loaders.multitask_epoch_sampler import (
    MultiTaskEpochSampler,
    ProportionalSampler,
    UniformSampler,
    WeightedSampler,
)


class Sized(DataLoader):
    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size


LOADERS: dict[str, Any] = {"a": Sized(30), "b": Sized(10)}


def test_shares() -> None:
    assert UniformSampler().get_task_proportions(LOADERS) == {"a": 0.5, "b": 0.5}
    assert WeightedSampler({"a": 1, "b": 4, "c": 9}).get_task_proportions(LOADERS) == {"a": 0.2, "b": 0.8}
    assert ProportionalSampler().get_task_proportions(LOADERS) == {"a": 0.75, "b": 0.25}


def test_a_task_without_a_weight() -> None:
    with pytest.raises(ConfigurationError, match=r"got none for \['b'\]"):
        WeightedSampler({"a": 1}).get_task_proportions(LOADERS)


def test_nothing_to_share() -> None:
    with pytest.raises(ConfigurationError, match="expected no negative numbers"):
        WeightedSampler({"a": -1, "b": 2})
    with pytest.raises(ConfigurationError, match="expected one above 0"):
        WeightedSampler({"a": 0, "b": 0}).get_task_proportions(LOADERS)
    with pytest.raises(ConfigurationError, match="the tasks a have no data"):
        ProportionalSampler().get_task_proportions({"a": Sized(0)})


def test_loaders_without_a_length() -> None:
    with pytest.raises(ValueError, match="needs loaders that know their length"):
        ProportionalSampler().get_task_proportions({"a": DataLoader()})


def test_from_config() -> None:
    sampler = MultiTaskEpochSampler.from_params(Params({"type": "weighted", "weights": {"a": 2}}))
    assert isinstance(sampler, WeightedSampler)
    sampler.update_from_epoch_metrics({})
    assert MultiTaskEpochSampler.list_available() == ["uniform", "weighted", "proportional"]
    with pytest.raises(NotImplementedError, match="has no get_task_proportions"):
        MultiTaskEpochSampler().get_task_proportions({})
