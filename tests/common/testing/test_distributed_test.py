import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.testing import global_distributed_metric, init_process, run_distributed_test
from nlpreg.common.util import find_open_port
from nlpreg.training.metrics import Average

# "fork" spares the processes the import of torch; Python 3.12 and later warn that it is a risk beside threads.
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]


def leave_a_note(rank: int, world_size: int, gpu_id: int, folder: Path, suffix: str = "") -> None:
    total = torch.tensor(rank + 1)
    dist.all_reduce(total)
    (folder / f"{rank}{suffix}").write_text(f"{world_size} {gpu_id} {total.item()}")


def fail_on_rank_one(rank: int, world_size: int, gpu_id: int) -> None:
    if rank == 1:
        raise ValueError("rank one does not like this")


def test_every_process_is_a_rank_of_one_group(tmp_path: Path) -> None:
    run_distributed_test([-1, -1, -1], leave_a_note, tmp_path, suffix=".txt", start_method="fork")
    notes = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert notes == {f"{rank}.txt": "3 -1 6" for rank in range(3)}


def test_two_processes_on_the_cpu_by_default(tmp_path: Path) -> None:
    run_distributed_test(func=leave_a_note, folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]


def test_a_process_that_fails_fails_the_call() -> None:
    with pytest.raises(Exception, match="rank one does not like this"):
        run_distributed_test([-1, -1], fail_on_rank_one)


def test_a_metric_over_all_ranks() -> None:
    run_distributed_test([-1, -1], global_distributed_metric, Average(), {"value": [1.0, 4.0]}, 2.5)
    with pytest.raises(Exception, match="metric"):
        run_distributed_test([-1, -1], global_distributed_metric, Average(), {"value": [1.0, 4.0]}, 4.0)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigurationError, match="GPU"):
        run_distributed_test([0, 1], leave_a_note)


def test_the_group_is_gone_after_the_function(tmp_path: Path) -> None:
    num_threads = torch.get_num_threads()
    init_process(0, 1, [-1], leave_a_note, (tmp_path,), {"suffix": ".x"}, primary_port=find_open_port())
    assert (tmp_path / "0.x").read_text() == "1 -1 1"
    assert not dist.is_initialized()
    torch.set_num_threads(num_threads)
