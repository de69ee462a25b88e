"""Shared by all tests: nothing of one test reaches the next, and the big data sets are found where they are."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.runtime import environment

pytest_plugins = ["public_surface", "tiny_models"]

ROOT = Path(__file__).parents[1]
THIS_MACHINE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "", None, socket.gethostname())

for library in ("HF_HUB", "TRANSFORMERS", "HF_DATASETS"):
    os.environ[f"{library}_OFFLINE"] = "1"  # read when these libraries are imported, also by child processes
os.environ["WANDB_MODE"] = "disabled"

with contextlib.suppress(ImportError):
    from hypothesis import HealthCheck, settings

    # an example that takes its time says nothing: a busy machine slows any of them down
    settings.register_profile("nlpreg", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("nlpreg")


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Whoever looks up another machine gets an error at once, where a network that drops everything would let it wait."""
    look_up = socket.getaddrinfo

    def look_up_here(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in THIS_MACHINE:
            raise socket.gaierror(
                socket.EAI_NONAME, f"tests do not use the network, and {name} was asked for"
            )
        return look_up(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", look_up_here)
        yield


@pytest.fixture(autouse=True)
def registries_as_they_were() -> Iterator[None]:
    """Classes that a test registers are gone after it; what it imports stays."""
    before = {base: dict(names) for base, names in REGISTRY.items()}
    seed = environment.run_seed()
    yield
    environment.set_run_seed(seed)
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


def pytest_addoption(parser: pytest.Parser) -> None:
    """How often the slow test of killed runs kills each kind of run."""
    parser.addoption(
        "--every", type=int, default=1, help="kill before each n-th change of a file only (default: 1)"
    )
    parser.addoption("--kills", type=int, default=5, help="kills of each kind of run (default: 5)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A slow test may take an hour; setup.cfg says after how many seconds any other counts as hanging."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(3600))
