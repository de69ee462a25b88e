import numpy as np
import pytest

from nlpreg.common.randomness import set_run_seed
from nlpreg.data.order import current_rank, order_generator


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
