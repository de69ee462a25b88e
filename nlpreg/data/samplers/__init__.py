"""Samplers: which instances go into a batch together."""

from nlpreg.data.samplers.batch_sampler import BatchSampler
from nlpreg.data.samplers.bucket_batch_sampler import BucketBatchSampler
from nlpreg.data.samplers.max_tokens_batch_sampler import MaxTokensBatchSampler

__all__ = ["BatchSampler", "BucketBatchSampler", "MaxTokensBatchSampler"]
