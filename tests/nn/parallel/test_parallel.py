"""Both accelerators in two processes on the CPU, and the parts that need none."""

import copy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.testing import run_distributed_test
from nlpreg.nn import Module
from nlpreg.nn.parallel import (
    DdpAccelerator,
    DdpWrappedModel,
    ShardedModuleMixin,
    TorchFsdpAccelerator,
    TorchFsdpWrappedModel,
)
from nlpreg.nn.parallel.torch_fsdp_accelerator import gather_shards, shard_optimizer_state, whole_state
from nlpreg.nn.util import dist_reduce, dist_reduce_sum, distributed_device, load_state_dict_distributed

can_shard = pytest.mark.skipif(
    not hasattr(torch.cpu.Stream, "record_event"), reason="this torch cannot shard on the CPU"
)


class Inner(Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.linear(x))


class Net(Module):
    def __init__(self, accelerator: DdpAccelerator) -> None:
        super().__init__()
        self.inner = accelerator.wrap_module(Inner())
        self.first, self.last = torch.nn.Linear(3, 5), torch.nn.Linear(4, 1)
        self.register_buffer("constant", torch.arange(3.0))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.last(self.inner(self.first(x))).square().sum()
        return result


def step(wrapped: DdpWrappedModel, optimizer: torch.optim.Optimizer, x: Tensor) -> float:
    optimizer.zero_grad()
    loss = wrapped.model(x)
    loss.backward()
    wrapped.clip_grad_norm_(1.0)
    optimizer.step()
    return float(loss.detach())


def train(accelerator: DdpAccelerator, rank: int, folder: Path) -> tuple[list[float], DdpWrappedModel]:
    """Three steps; then the third one again from a saved state, which must give the same loss."""
    torch.manual_seed(0)
    _, wrapped = accelerator.wrap_model(Net(accelerator))
    optimizer = torch.optim.Adam(wrapped.model.parameters(), lr=0.1)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(rank))
    losses = [step(wrapped, optimizer, x), step(wrapped, optimizer, x)]
    weights = wrapped.full_state_dict()
    state = optimizer.state_dict()
    if wrapped.is_sharded:
        assert rank == 0 or not weights
        state = gather_shards(state, keep=rank == 0)
    weights, state = copy.deepcopy((weights, state))  # not the tensors that go on being trained
    states = [state]
    dist.broadcast_object_list(states, src=0)
    losses += [step(wrapped, optimizer, x), step(wrapped, optimizer, x)]
    path = folder / f"{type(accelerator).__name__}.th"
    if rank == 0:
        torch.save({"model": weights, "optimizer": state}, path)
    wrapped.load_state_dict(weights)
    optimizer.load_state_dict(
        shard_optimizer_state(optimizer, states[0]) if wrapped.is_sharded else states[0]
    )
    assert [step(wrapped, optimizer, x), step(wrapped, optimizer, x)] == losses[2:]
    return losses, wrapped


def check_reductions(rank: int) -> None:
    assert dist_reduce_sum(rank + 1) == 3
    assert dist_reduce_sum(0.5) == 1.0
    value = torch.tensor([rank, 5])
    assert dist_reduce(value, dist.ReduceOp.MAX).tolist() == [1, 5]
    assert value.tolist() == [rank, 5]
    assert distributed_device() == torch.device("cpu")


def check_loading(rank: int) -> None:
    module = torch.nn.Linear(2, 1)
    state = {"x.weight": torch.ones(1, 2), "x.extra": torch.ones(1)} if rank == 0 else None
    found = load_state_dict_distributed(module, state, strict=False, prefix="x.")
    assert found == (["x.bias"], ["x.extra"])
    assert module.weight.tolist() == [[1.0, 1.0]]
    try:
        load_state_dict_distributed(module, state, prefix="x.")
    except RuntimeError as error:
        assert "x.bias" in str(error)
    else:
        raise AssertionError("strict loading must complain in every process")


def work(rank: int, world_size: int, device: int, place: Path) -> None:
    check_reductions(rank)
    check_loading(rank)
    results = {}
    for name in ("torch", "fairscale_fsdp"):
        accelerator = DdpAccelerator.from_params(Params({"type": name}))
        assert accelerator.is_primary == (rank == 0)
        results[name], wrapped = train(accelerator, rank, place)
    assert results["torch"] == pytest.approx(results["fairscale_fsdp"], rel=1e-5)
    assert wrapped.is_sharded
    if rank == 0:
        assert_same(
            torch.load(place / "TorchFsdpAccelerator.th", weights_only=True),
            torch.load(place / "TorchDdpAccelerator.th", weights_only=True),
        )


def assert_same(one: Any, other: Any) -> None:
    """One layout, whatever the accelerator; names need not come in the same order."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, Tensor):
        torch.testing.assert_close(one, other)
    elif not isinstance(one, list):
        assert one == other


def test_parts_of_a_state_make_a_whole_one() -> None:
    """As they were saved before states were gathered."""
    mark = {"__spread__": ".w", "size": [3, 2], "dtype": torch.float32, "dims": [0]}
    values = torch.arange(6.0).reshape(3, 2)
    parts = [
        {"state": {"w": mark, "n": [rank, 5]}, "spread": {".w": [{"offsets": [2 * rank, 0], "tensor": rows}]}}
        for rank, rows in enumerate((values[:2], values[2:]))
    ]
    whole = whole_state(parts)
    assert whole["n"] == [0, 5]
    assert torch.equal(whole["w"], values)


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    """A group of this process alone."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@can_shard
@pytest.mark.usefixtures("process_group")
def test_one_process(tmp_path: Path) -> None:
    results = [
        train(DdpAccelerator.from_params(Params({"type": name})), 0, tmp_path)[0]
        for name in ("torch", "fsdp2")
    ]
    assert results[0] == pytest.approx(results[1], rel=1e-5)
    assert dist_reduce_sum(3) == 3
    assert load_state_dict_distributed(torch.nn.Linear(1, 1), torch.nn.Linear(1, 1).state_dict()) == ([], [])


@can_shard
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="gloo over files")
def test_two_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[3])
    run_distributed_test([-1, -1], work, tmp_path, start_method="spawn")


def test_names() -> None:
    assert DdpAccelerator.list_available()[0] == "torch"
    for name in ("torch_fsdp", "fsdp2", "fairscale_fsdp"):
        assert DdpAccelerator.by_name(name) is TorchFsdpAccelerator


def test_config_of_the_older_sharding_accelerator() -> None:
    config: dict[str, Any] = {
        "type": "fairscale_fsdp",
        "mixed_precision": True,
        "reshard_after_forward": False,
        "flatten_parameters": True,
    }
    accelerator = DdpAccelerator.from_params(Params(config), local_rank=1, world_size=2)
    assert not accelerator.is_primary
    assert accelerator.cuda_device == torch.device("cpu")


def test_wrapped_model_of_another_kind() -> None:
    linear = torch.nn.Linear(2, 1)
    wrapped = DdpWrappedModel(linear, local_rank=0, world_size=1)
    assert wrapped.is_primary
    assert not wrapped.is_sharded
    wrapped.load_state_dict(wrapped.state_dict())
    linear(torch.ones(1, 2)).sum().backward()
    assert wrapped.clip_grad_norm_(1.0).item() == pytest.approx(3**0.5)
    assert isinstance(wrapped.init_grad_scaler(), torch.amp.GradScaler)
    with pytest.raises(NotImplementedError, match="not sharded"):
        wrapped.consolidate_sharded_state([])


def test_sharded_wrappers_are_marked() -> None:
    class Wrapper(torch.nn.Linear, ShardedModuleMixin):
        pass

    wrapper = Wrapper(1, 1)
    assert DdpWrappedModel(wrapper, 0, 1).is_sharded
    assert TorchFsdpWrappedModel(torch.nn.Linear(1, 1), 0, 1).is_sharded
    with pytest.raises(NotImplementedError, match="Wrapper does not say"):
        wrapper.get_original_module()


@pytest.mark.skipif(hasattr(torch.cpu.Stream, "record_event"), reason="this torch can shard on the CPU")
def test_an_old_torch_says_that_it_cannot_shard_on_the_cpu() -> None:
    with pytest.raises(ConfigurationError, match="cannot shard a model on the CPU"):
        DdpAccelerator.from_params(Params({"type": "fsdp2"}), local_rank=0, world_size=1).wrap_model(
            torch.nn.Linear(1, 1)
        )
