import pytest
import torch

from nlpreg.common.memory import format_size, peak_cpu_memory, peak_gpu_memory


def test_peak_of_a_single_process():
    peaks = peak_cpu_memory()
    assert list(peaks) == [0]
    assert 10 * 1024**2 < peaks[0] < 1024**4


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
