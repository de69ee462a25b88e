import gc

import pytest
import torch

from nlpreg.common.runtime.memory import (
    format_size,
    peak_cpu_memory,
    peak_gpu_memory,
    reduced_garbage_collection,
)
from nlpreg.common.testing import run_distributed_test


def test_garbage_is_looked_for_seldom_and_then_as_before():
    before = gc.get_threshold()
    with pytest.raises(RuntimeError, match="stop"), reduced_garbage_collection():
        assert gc.get_threshold()[0] > before[0]
        with reduced_garbage_collection():
            pass
        assert gc.get_threshold()[0] > before[0]
        raise RuntimeError("stop")
    assert gc.get_threshold() == before


def test_what_was_made_meanwhile_is_old_and_what_was_frozen_stays_so():
    with reduced_garbage_collection():
        made = [[] for _ in range(60_000)]
    assert any(one is made for one in gc.get_objects(generation=2))
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with reduced_garbage_collection():
            pass
        assert gc.get_freeze_count() == frozen > 0
    finally:
        gc.unfreeze()


def test_who_wants_no_collection_gets_none():
    before = gc.get_threshold()
    gc.set_threshold(0)
    try:
        with reduced_garbage_collection():
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)


def test_peak_of_a_single_process():
    peaks = peak_cpu_memory()
    assert list(peaks) == [0]
    assert 10 * 1024**2 < peaks[0] < 1024**4


def _check_peaks_of_two_ranks(rank: int, world_size: int, device: int) -> None:
    _ = bytearray(300 * 1024**2 * rank)  # rank 1 needs more
    peaks = peak_cpu_memory()
    assert list(peaks) == [0, 1]
    assert peaks[1] - peaks[0] > 200 * 1024**2


def test_peaks_of_all_ranks_by_rank():
    run_distributed_test([-1, -1], _check_peaks_of_two_ranks)


def test_no_gpu_no_peaks():
    if torch.cuda.is_available():
        assert set(peak_gpu_memory()) == set(range(torch.cuda.device_count()))
    else:
        assert peak_gpu_memory() == {}


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (12, "12B"),
        (1024, "1.0K"),
        (int(1.25 * 1024), "1.2K"),
        (int(9.99 * 1024), "10K"),
        (35 * 1024**2 + 3, "35M"),
        (int(3.7 * 1024**3), "3.7G"),
        (1234 * 1024**3, "1234G"),
    ],
)
def test_format_size(size, text):
    assert format_size(size) == text
