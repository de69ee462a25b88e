"""The vocabulary of a run reaches machines that have a folder of their own."""

import os
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.train.distributed import broadcast_vocabulary
from nlpreg.common import Params
from nlpreg.common.testing import run_distributed_test
from nlpreg.data import Vocabulary

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def hand_out(rank: int, size: int, device: int, folder: Path) -> None:
    """Each process plays a machine."""
    own = folder / str(rank)
    section: dict[str, Any] = {"vocabulary": {"type": "from_files", "directory": "made by the first one"}}
    params = Params(section if rank == 0 else {})
    broadcast_vocabulary(params, str(own), local_rank=0)
    assert params.params["vocabulary"] == {"type": "from_files", "directory": str(own / "vocabulary")}


def test_files_of_an_earlier_run_are_gone(tmp_path: Path) -> None:
    first, second = (tmp_path / str(rank) / "vocabulary" for rank in range(2))
    Vocabulary(counter={"tokens": {"naïve": 2, "dog": 1}}).save_to_files(str(first))
    Vocabulary(counter={"tokens": {"old": 2}, "forgotten": {"x": 1}}).save_to_files(str(second))
    run_distributed_test([-1, -1], hand_out, tmp_path)
    names = {path.name for path in first.iterdir() if not path.name.startswith(".")}
    assert {path.name for path in second.iterdir() if not path.name.startswith(".")} == names
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    assert "forgotten.txt" not in names
