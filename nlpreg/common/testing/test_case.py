"""`NlpregTestCase`, a base for test classes, and decorators for tests that need a GPU."""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch


class NlpregTestCase:
    """Base of test classes; a plugin's test suite overrides the paths.

    Every test has its own folder, `self.TEST_DIR`, which is removed after it.
    """

    PROJECT_ROOT = (Path(__file__).parents[3]).resolve()
    MODULE_ROOT = PROJECT_ROOT / "nlpreg"
    TOOLS_ROOT = MODULE_ROOT / "tools"
    PROJECT_ROOT_FALLBACK = Path(os.environ.get("NLPREG_SRC_DIR", PROJECT_ROOT))
    TESTS_ROOT = PROJECT_ROOT_FALLBACK / "tests"
    FIXTURES_ROOT = PROJECT_ROOT_FALLBACK / "test_fixtures"

    TEST_DIR: Path

    def setup_method(self) -> None:
        """Make the test's folder; log in detail, but not every parameter."""
        logging.basicConfig(
            format="%(asctime)s - %(levelname)s - %(name)s - %(message)s", level=logging.DEBUG
        )
        for noisy in ("nlpreg.common.params", "nlpreg.nn.initializers"):
            logging.getLogger(noisy).disabled = True
        self.TEST_DIR = Path(tempfile.mkdtemp(prefix="nlpreg_tests"))

    def teardown_method(self) -> None:
        """Remove the test's folder."""
        shutil.rmtree(self.TEST_DIR, ignore_errors=True)


AllenNlpTestCase = NlpregTestCase
"""AllenNLP's name, for test suites that only changed the import."""


F = TypeVar("F", bound=Callable[..., Any])


def multi_device(test_method: F) -> F:
    """Run a test with the argument `device` set to "cuda:0" where there is a GPU, else to "cpu"."""
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    marked: F = pytest.mark.parametrize("device", [device])(pytest.mark.gpu(test_method))
    return marked


def requires_gpu(test_method: F) -> F:
    """Skip a test where there is no GPU."""
    skip = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    marked: F = skip(pytest.mark.gpu(test_method))
    return marked


def requires_multi_gpu(test_method: F) -> F:
    """Skip a test where there are fewer than two GPUs."""
    skip = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
    marked: F = skip(pytest.mark.gpu(test_method))
    return marked


def cpu_or_gpu(test_method: F) -> F:
    """Mark a test that runs on a GPU or on the CPU."""
    marked: F = pytest.mark.gpu(test_method)
    return marked
