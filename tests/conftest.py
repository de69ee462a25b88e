"""Shared by all tests: nothing of one test reaches the next, and the big data sets are found where they are."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nlpreg.common import randomness
from nlpreg.common.registry import REGISTRY

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def registries_as_they_were() -> Iterator[None]:
    """Classes that a test registers are gone after it; what it imports stays."""
    before = {base: dict(names) for base, names in REGISTRY.items()}
    seed = randomness.run_seed()
    yield
    randomness.set_run_seed(seed)
    for base, names in REGISTRY.items():
        for name in list(names):
            module = getattr(names[name][0], "__module__", "")
            if name not in before.get(base, {}) and not module.startswith(("nlpreg", "torch")):
                del names[name]


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """The folder of small hand-made files."""
    return ROOT / "tests" / "fixtures"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of large data sets that are not part of the repository; skips the test where it is absent."""
    folder = Path(os.environ.get("NLPREG_SHARED") or ROOT.parent / "shared") / "data"
    if not folder.is_dir():
        pytest.skip("the large data sets are not here (NLPREG_SHARED names their folder)")
    return folder
