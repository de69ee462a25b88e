"""Random number generators for the order of data and for data loader workers."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.distributed as dist

from nlpreg.common.runtime.environment import run_seed


def current_rank() -> int:
    """The number of this process in a distributed training, 0 without one."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def order_generator(epoch: int, *stream: int, rank: int | None = None) -> np.random.Generator:
    """A generator whose numbers are a function of the run's seed, the epoch and the rank.

    Args:
        epoch: number of the pass over the data, from 0.
        stream: numbers that identify an independent stream of random numbers within an epoch, such as that of a worker
            or a chunk.
        rank: rank of the training process; by default that of this process.
    """
    rank = current_rank() if rank is None else rank
    return np.random.default_rng([run_seed() % 2**64, epoch, rank, *stream])


def seed_global_generators(generator: np.random.Generator) -> None:
    """Seed the global generators of Python, numpy and torch (CPU) from `generator`."""
    seed = int(generator.integers(2**32))
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)


@contextmanager
def global_generators_from(generator: np.random.Generator) -> Iterator[None]:
    """Context manager that seeds the global generators and restores them at the end.

    Code in the block draws the same numbers in any process, and does not change those that dropout draws later.
    """
    python, numpy, torch_cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed_global_generators(generator)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(torch_cpu)
