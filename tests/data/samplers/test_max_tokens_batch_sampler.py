import logging

import numpy as np
import pytest

from nlpreg.data import Instance
from nlpreg.data.fields import TextField
from nlpreg.data.samplers import BucketBatchSampler, MaxTokensBatchSampler


def instances_of(*lengths: int) -> list[Instance]:
    return [Instance({"text": TextField.from_words(["w"] * length)}) for length in lengths]


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_no_batch_is_larger_and_none_is_empty(noise: float) -> None:
    lengths = np.random.default_rng(3).integers(0, 30, 200).tolist()
    instances = instances_of(*lengths)
    sampler = MaxTokensBatchSampler(60, ["text"], noise)
    batches = list(sampler.get_batch_indices(instances))
    assert sorted(index for batch in batches for index in batch) == list(range(200))
    for batch in batches:
        assert batch
        assert max(lengths[index] for index in batch) * len(batch) <= 60


def test_batches_are_filled() -> None:
    sampler = MaxTokensBatchSampler(6, ["text"], padding_noise=0)
    batches = list(sampler.get_batch_indices(instances_of(1, 1, 1, 2, 2, 3, 3, 5)))
    assert sorted(map(sorted, batches)) == [[0, 1, 2], [3, 4], [5, 6], [7]]
    assert sampler.get_num_batches(instances_of(1, 1, 1, 2, 2, 3, 3, 5)) == 4


def test_an_instance_that_is_too_long_is_alone(caplog: pytest.LogCaptureFixture) -> None:
    sampler = MaxTokensBatchSampler(4, ["text"], padding_noise=0)
    with caplog.at_level(logging.WARNING):
        batches = list(sampler.get_batch_indices(instances_of(9, 8, 2, 2)))
    assert sorted(map(sorted, batches)) == [[0], [1], [2, 3]]
    assert "length 9 is longer than max_tokens (4)" in caplog.text


def test_the_longest_key_counts() -> None:
    instances = [
        Instance({"a": TextField.from_words(["w"]), "b": TextField.from_words(["w"] * 4)}) for _ in range(4)
    ]
    sampler = MaxTokensBatchSampler(8, ["a", "b"])
    assert sorted(map(len, sampler.get_batch_indices(instances))) == [2, 2]


def test_what_it_is() -> None:
    sampler = MaxTokensBatchSampler(8)
    assert isinstance(sampler, BucketBatchSampler)
    assert sampler.get_batch_size() is None
    assert list(sampler.get_batch_indices([])) == []
    assert sampler.get_num_batches([]) == 0
