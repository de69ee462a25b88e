import random

import numpy as np
import pytest
import torch

from nlpreg.common.runtime.environment import set_run_seed
from nlpreg.data.order import current_rank, global_generators_from, order_generator


def numbers(generator: np.random.Generator) -> list[int]:
    return generator.integers(1000, size=5).tolist()


def test_a_function_of_seed_epoch_rank_and_stream() -> None:
    set_run_seed(1)
    first = numbers(order_generator(0))
    assert numbers(order_generator(0)) == first
    assert numbers(order_generator(0, rank=0)) == first
    others = [order_generator(1), order_generator(0, rank=1), order_generator(0, 3)]
    set_run_seed(2)
    others.append(order_generator(0))
    assert first not in [numbers(other) for other in others]


@pytest.mark.parametrize("seed", [0, -1, 2**70])
def test_any_seed_will_do(seed: int) -> None:
    set_run_seed(seed)
    assert numbers(order_generator(3)) == numbers(order_generator(3))


def test_rank_without_a_process_group() -> None:
    assert current_rank() == 0


def draw() -> list[float]:
    return [random.random(), float(np.random.rand()), torch.rand(()).item()]


def test_global_generators_within_a_block() -> None:
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    outside = [draw(), draw()]
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    assert draw() == outside[0]
    with global_generators_from(order_generator(3)):
        first = draw()
    with pytest.raises(RuntimeError, match="stop"), global_generators_from(order_generator(4)):
        second = draw()
        raise RuntimeError("stop")
    with global_generators_from(order_generator(3)):
        assert draw() == first != second
    assert draw() == outside[1]
