from collections.abc import Callable

import pytest
import torch

from nlpreg.common.testing import cpu_or_gpu, multi_device, requires_gpu, requires_multi_gpu


def fresh_test() -> Callable[[], None]:
    def some_test() -> None:
        pass

    return some_test


def marks(function: object) -> dict[str, pytest.Mark]:
    return {mark.name: mark for mark in getattr(function, "pytestmark", [])}


@pytest.mark.parametrize("decorator", [multi_device, requires_gpu, requires_multi_gpu, cpu_or_gpu])
def test_all_carry_the_mark_gpu(decorator: object) -> None:
    assert callable(decorator)
    assert "gpu" in marks(decorator(fresh_test()))


@pytest.mark.parametrize(
    ("num_gpus", "skipped"), [(0, (True, True)), (1, (False, True)), (2, (False, False))]
)
def test_without_gpus_tests_are_skipped(
    num_gpus: int, skipped: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: num_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: num_gpus)
    decorated = requires_gpu(fresh_test()), requires_multi_gpu(fresh_test())
    assert tuple(marks(function)["skipif"].args[0] for function in decorated) == skipped


@pytest.mark.parametrize(("has_gpu", "device"), [(False, "cpu"), (True, "cuda:0")])
def test_the_device_is_a_gpu_where_there_is_one(
    has_gpu: bool, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert marks(multi_device(fresh_test()))["parametrize"].args == ("device", [device])


@multi_device
def test_the_argument_device_is_filled_in(device: str) -> None:
    assert torch.zeros(1, device=device).device == torch.device(device)
