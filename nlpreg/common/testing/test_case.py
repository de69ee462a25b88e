"""`NlpregTestCase`: a base for test classes, with a temporary folder and the paths of a project."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["AllenNlpTestCase", "NlpregTestCase"]


class NlpregTestCase:
    """Base of test classes; a plugin's test suite overrides the paths.

    Every test has a folder of its own, `self.TEST_DIR`, which is removed after it.
    """

    PROJECT_ROOT = (Path(__file__).parents[3]).resolve()
    MODULE_ROOT = PROJECT_ROOT / "nlpreg"
    TOOLS_ROOT = MODULE_ROOT / "tools"
    PROJECT_ROOT_FALLBACK = (
        Path(os.environ["NLPREG_SRC_DIR"]) if "NLPREG_SRC_DIR" in os.environ else PROJECT_ROOT
    )
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
"""The old name, for test suites that moved over by renaming the import."""
