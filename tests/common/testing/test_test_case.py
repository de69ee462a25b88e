import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import nlpreg
from nlpreg.common.testing import (
    AllenNlpTestCase,
    NlpregTestCase,
    cpu_or_gpu,
    multi_device,
    requires_gpu,
    requires_multi_gpu,
)
from nlpreg.common.testing import test_case as module

ROOT = Path(nlpreg.__file__).parents[1].resolve()


def test_every_test_has_a_folder_of_its_own_and_leaves_nothing() -> None:
    one, other = NlpregTestCase(), NlpregTestCase()
    one.setup_method()
    other.setup_method()
    assert one.TEST_DIR != other.TEST_DIR
    (one.TEST_DIR / "sub").mkdir()
    (one.TEST_DIR / "sub" / "ä.txt").write_text("ä")
    one.teardown_method()
    assert not one.TEST_DIR.exists()
    assert other.TEST_DIR.is_dir()
    other.teardown_method()
    other.teardown_method()  # a folder that is gone already is no error


def test_paths_are_those_of_the_project() -> None:
    assert ROOT == NlpregTestCase.PROJECT_ROOT
    assert NlpregTestCase.MODULE_ROOT == ROOT / "nlpreg"
    assert NlpregTestCase.TESTS_ROOT == NlpregTestCase.PROJECT_ROOT_FALLBACK / "tests"
    assert NlpregTestCase.FIXTURES_ROOT == NlpregTestCase.PROJECT_ROOT_FALLBACK / "test_fixtures"


def test_the_old_name_is_the_same_class() -> None:
    assert AllenNlpTestCase is NlpregTestCase is module.AllenNlpTestCase


def test_a_plugin_overrides_paths_and_extends_the_set_up(tmp_path: Path) -> None:
    class PluginTestCase(AllenNlpTestCase):
        FIXTURES_ROOT = tmp_path

        def setup_method(self) -> None:
            super().setup_method()
            self.config = self.FIXTURES_ROOT / "config.jsonnet"

    case = PluginTestCase()
    case.setup_method()
    assert case.config == tmp_path / "config.jsonnet"
    case.teardown_method()


def test_chatty_loggers_are_silent() -> None:
    case = NlpregTestCase()
    case.setup_method()
    assert logging.getLogger("nlpreg.common.params").disabled
    case.teardown_method()
    for name in ("nlpreg.common.params", "nlpreg.nn.initializers"):
        logging.getLogger(name).disabled = False


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
