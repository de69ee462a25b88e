import logging

import numpy as np
import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Instance
from nlpreg.data.fields import LabelField, MetadataField, TextField
from nlpreg.data.order import order_generator
from nlpreg.data.samplers import BucketBatchSampler


def instances_of(*lengths: int) -> list[Instance]:
    return [Instance({"text": TextField.from_words(["w"] * length)}) for length in lengths]


LENGTHS = (5, 1, 4, 1, 3, 9, 2)
SORTED = [1, 3, 6, 4, 2, 0, 5]


def test_without_shuffling_it_is_the_order_of_length() -> None:
    sampler = BucketBatchSampler(3, ["text"], padding_noise=0.5, shuffle=False)
    assert sampler.padding_noise == 0
    assert sampler.get_batch_indices(instances_of(*LENGTHS)) == [SORTED[:3], SORTED[3:6], SORTED[6:]]


def test_drop_last() -> None:
    sampler = BucketBatchSampler(3, ["text"], drop_last=True, shuffle=False)
    instances = instances_of(*LENGTHS)
    assert sampler.get_batch_indices(instances) == [SORTED[:3], SORTED[3:6]]
    assert sampler.get_num_batches(instances) == 2
    assert len(list(sampler.get_batch_indices(instances[:6]))) == 2


def test_shuffling_changes_the_order_of_batches_only() -> None:
    sampler = BucketBatchSampler(2, ["text"], padding_noise=0)
    batches = list(sampler.get_batch_indices(instances_of(*LENGTHS)))
    assert sorted(map(tuple, batches)) == sorted([(1, 3), (6, 4), (2, 0), (5,)])


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_every_instance_comes_once(noise: float) -> None:
    generator = np.random.default_rng(1)
    instances = instances_of(*generator.integers(0, 40, 101).tolist())
    sampler = BucketBatchSampler(8, ["text"], padding_noise=noise)
    batches = list(sampler.get_batch_indices(instances))
    assert sorted(index for batch in batches for index in batch) == list(range(101))
    assert len(batches) == sampler.get_num_batches(instances) == 13
    assert sorted(map(len, batches)) == [5] + [8] * 12
    for batch in batches:
        lengths = [len(instances[index]["text"]) for index in batch]
        # neighbours in the noisy order cannot be further apart than noise and the spacing of lengths allow
        assert max(lengths) * (1 - noise) <= min(lengths) * (1 + noise) + 6


def test_order_follows_from_the_generator() -> None:
    instances = instances_of(*range(50))
    sampler = BucketBatchSampler(4, ["text"])
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_generator(order_generator(epoch))
        orders.append(list(sampler.get_batch_indices(instances)))
    assert orders[0] == orders[2] != orders[1]


def test_several_keys() -> None:
    instances = [
        Instance({"a": TextField.from_words(["w"] * a), "b": TextField.from_words(["w"] * b)})
        for a, b in [(2, 1), (1, 5), (2, 0), (1, 4)]
    ]
    sampler = BucketBatchSampler(4, ["a", "b"], shuffle=False)
    assert sampler.get_batch_indices(instances) == [[3, 1, 2, 0]]


def test_the_longest_field_is_found(caplog: pytest.LogCaptureFixture) -> None:
    instances = [
        Instance(
            {
                "metadata": MetadataField({"many": 1, "keys": 2, "in": 3, "here": 4}),
                "nothing": MetadataField(3),
                "label": LabelField("a"),
                "text": TextField.from_words(["w"] * length),
            }
        )
        for length in (3, 2)
    ]
    sampler = BucketBatchSampler(2, shuffle=False)
    with caplog.at_level(logging.INFO):
        assert sampler.get_batch_indices(instances) == [[1, 0]]
    assert sampler.sorting_keys == ["text"]
    assert "'text'" in caplog.text


def test_nothing_to_sort_by() -> None:
    with pytest.raises(AssertionError, match="no field of the first instances has a length"):
        BucketBatchSampler(2).get_batch_indices(instances_of(0, 0))


def test_a_key_that_is_no_field() -> None:
    with pytest.raises(ConfigurationError, match=r"got 'words', but an instance has only \['text'\]"):
        BucketBatchSampler(2, ["words"]).get_batch_indices(instances_of(1, 2))


def test_no_instances() -> None:
    sampler = BucketBatchSampler(2)
    assert list(sampler.get_batch_indices([])) == []
    assert sampler.get_num_batches([]) == 0
    assert sampler.get_batch_size() == 2


def test_the_limit_of_older_configs_is_accepted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    assert BucketBatchSampler(2, max_instances_in_memory=5).batch_size == 2
    assert "has no effect; it is an argument of the data loader" in caplog.text
