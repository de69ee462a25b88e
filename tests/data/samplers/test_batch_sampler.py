import pytest

from nlpreg.common import Params
from nlpreg.data.order import order_generator
from nlpreg.data.samplers import BatchSampler, BucketBatchSampler


def test_what_must_be_written() -> None:
    with pytest.raises(NotImplementedError, match="has no get_batch_indices"):
        BatchSampler().get_batch_indices([])
    with pytest.raises(NotImplementedError, match="has no get_num_batches"):
        BatchSampler().get_num_batches([])
    assert BatchSampler().get_batch_size() is None


def test_the_generator_is_the_one_that_was_set() -> None:
    sampler = BatchSampler()
    first = sampler.generator
    assert sampler.generator is first
    other = order_generator(3)
    sampler.set_generator(other)
    assert sampler.generator is other


def test_from_config() -> None:
    sampler = BatchSampler.from_params(Params({"type": "bucket", "batch_size": 3}))
    assert isinstance(sampler, BucketBatchSampler)
    assert set(BatchSampler.list_available()) >= {"bucket", "max_tokens_sampler"}
