"""Sharded training with FSDP2, and the conversion of sharded states for checkpoints."""

import os
import pickle
import re
import warnings
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.module import Module
from nlpreg.nn.parallel.ddp_accelerator import DdpAccelerator, DdpWrappedModel
from nlpreg.nn.util.state_dicts import StateDictType

# torch's modules for sharding take half a second to import, so they are imported by the functions that need them.

_MARK = "__spread__"  # key of the placeholder of a sharded tensor in files of version 1
_SHARD = "__shard__"  # the same in the state that belongs to a distributed checkpoint; the value is the tensor's name there

# The modules of the classes in the index of a distributed checkpoint of tensors. torch reads the index with pickle, which
# could call any function that a manipulated file names.
_SAFE_IN_INDEX = re.compile(
    r"torch\.distributed\.checkpoint\.(metadata|filesystem)|torch(\.serialization)?|pathlib|collections"
)


def gather_shards(state: Any, keep: bool) -> Any:
    """Gather every sharded tensor of a state on the CPU. All processes must call this.

    Tensors are gathered one at a time, so the device needs memory for the largest only.

    Args:
        state: dicts, lists and tuples of plain values and tensors, some of them `DTensor`s.
        keep: whether this process keeps the result; the others only participate, and get empty tensors.
    """
    from torch.distributed.tensor import DTensor

    def whole(value: Any) -> Any:
        if not isinstance(value, DTensor):
            return value
        full: Tensor = value.full_tensor()
        return full.cpu() if keep else full.new_empty(0)

    return _map_leaves(state, whole)


def shard_like(tensor: Tensor, reference: Tensor) -> Tensor:
    """Shard a full tensor, the same in all processes, like another tensor of its shape.

    Args:
        tensor: a tensor on the CPU, or one that is sharded already.
        reference: the tensor to shard like; unless it is a `DTensor` of the same shape, `tensor` is returned unchanged.
    """
    # checked by attribute, because importing DTensor takes long
    if not hasattr(reference, "device_mesh") or hasattr(tensor, "device_mesh"):
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(reference, DTensor) or tensor.shape != reference.shape:
        return tensor
    return distribute_tensor(tensor.to(reference.device), reference.device_mesh, reference.placements)


def shard_optimizer_state(optimizer: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Shard the full tensors of an optimizer's state like the parameters that they belong to.

    Args:
        optimizer: that of the sharded model; a `MultiOptimizer` has a state for each of its optimizers.
        state: a state that `gather_shards` returned, the same in all processes.
    """
    inner = getattr(optimizer, "optimizers", None)
    if inner is not None:
        return {
            name: shard_optimizer_state(inner[name.removesuffix("_optimizer")], part)
            for name, part in state.items()
        }
    numbers = [number for group in state["param_groups"] for number in group["params"]]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    sharded = dict(state["state"])
    for number, parameter in zip(numbers, parameters, strict=False):
        if number in sharded:
            sharded[number] = {
                name: shard_like(value, parameter) if isinstance(value, Tensor) else value
                for name, value in sharded[number].items()
            }
    return {**state, "state": sharded}


def whole_state(parts: Sequence[dict[str, Any]]) -> Any:
    """Combine a state that the processes saved in parts, as nlpreg did before it gathered sharded tensors.

    Args:
        parts: for each process `state`, with a placeholder for each sharded tensor, and `spread`, the chunks of these
            tensors that the process held, each with its `offsets` in the full tensor.
    """

    def put_in(value: Any) -> Any:
        if not _is_mark(value):
            return value
        whole = torch.empty(value["size"], dtype=value["dtype"])
        for part in parts:
            for chunk in part["spread"].get(value[_MARK], ()):
                tensor = chunk["tensor"]
                ranges = zip(chunk["offsets"], tensor.size(), strict=True)
                whole[tuple(slice(start, start + length) for start, length in ranges)] = tensor
        return whole

    return _map_leaves(parts[0]["state"], put_in)


def split_shards(state: Any) -> tuple[Any, dict[str, Tensor]]:
    """Separate the sharded tensors from a state, so that each process can write its own shards.

    Args:
        state: dicts, lists and tuples of plain values and tensors, some of them `DTensor`s; the same structure in all
            processes.

    Returns:
        The state with a placeholder for each sharded tensor, and the tensors by the names in the placeholders.
    """
    from torch.distributed.tensor import DTensor, Shard

    shards: dict[str, Tensor] = {}

    def take_out(value: Any) -> Any:
        if not isinstance(value, DTensor):
            return value
        name = str(len(shards))
        shards[name] = value
        (placement,) = value.placements
        dim = placement.dim if isinstance(placement, Shard) else None
        return {_SHARD: name, "size": list(value.size()), "dtype": value.dtype, "dim": dim}

    return _map_leaves(state, take_out), shards


def write_shards(shards: dict[str, Tensor], folder: str) -> None:
    """Write sharded tensors as a distributed checkpoint. All processes must call this; each writes its own shards."""
    from torch.distributed.checkpoint.filesystem import FileSystemWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    save(shards, storage_writer=FileSystemWriter(folder))


def join_shards(state: Any, folder: str, parameter: Tensor | None) -> Any:
    """The inverse of `split_shards` and `write_shards`: read the tensors back into a state. All processes must call this.

    Args:
        state: the state that `split_shards` returned, in a run with any number of processes.
        folder: the folder that `write_shards` wrote.
        parameter: a sharded parameter of the model; the tensors are sharded over the same processes. If None, full tensors
            are read.

    Raises:
        RuntimeError: the folder cannot be read, or its index contains anything but tensors.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.filesystem import FileSystemReader
    from torch.distributed.checkpoint.state_dict_loader import load
    from torch.distributed.tensor import Replicate, Shard, empty

    _check_index(folder)
    tensors: dict[str, Tensor] = {}

    def make(value: Any) -> Any:
        if not _is_mark(value):
            return value
        size, dtype = value["size"], value["dtype"]
        if parameter is None:
            tensor = torch.empty(size, dtype=dtype)
        else:
            placements = [Replicate() if value["dim"] is None else Shard(value["dim"])]
            mesh = parameter.device_mesh  # type: ignore[attr-defined]  # of a DTensor
            tensor = empty(size, dtype=dtype, device_mesh=mesh, placements=placements)
        tensors[value[_SHARD]] = tensor
        return tensor

    joined = _map_leaves(state, make)
    try:
        with warnings.catch_warnings():
            # as it should be in a single process
            warnings.filterwarnings("ignore", "torch.distributed is .* uninitialized")
            load(tensors, storage_reader=FileSystemReader(folder))  # in place
    except CheckpointException as error:  # a BaseException
        raise RuntimeError(f"{folder} cannot be read ({error})") from error
    return joined


class _IndexUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name) if _SAFE_IN_INDEX.fullmatch(module) else None
        if not isinstance(found, (type, torch.dtype)) and (module, name) != (
            "torch.serialization",
            "_get_layout",
        ):
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in the index of a checkpoint")
        return found


def _check_index(folder: str) -> None:
    path = os.path.join(folder, ".metadata")
    try:
        with open(path, "rb") as file:
            index = _IndexUnpickler(file).load()
        # anything but a tensor would be read with pickle as well
        kinds = {type(entry).__name__ for entry in index.state_dict_metadata.values()}
    except Exception as error:
        raise RuntimeError(f"{path} cannot be read ({error})") from error
    others = sorted(kinds - {"TensorStorageMetadata"})
    if others:
        raise RuntimeError(f"{path}: expected tensors only, found {', '.join(others)}")


def _is_mark(value: Any) -> bool:
    return isinstance(value, dict) and (_MARK in value or _SHARD in value)


def _map_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    """A copy of nested containers with a function applied to every leaf and every placeholder of a sharded tensor."""
    if isinstance(value, dict) and not _is_mark(value):
        return {key: _map_leaves(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_map_leaves(item, change) for item in value)
    return change(value)


class TorchFsdpWrappedModel(DdpWrappedModel):
    """A model whose weights are sharded over the processes by FSDP2.

    Args:
        model: the model, whose parameters are sharded.
        local_rank: rank of this process on its machine; its rank in the process group if None.
        world_size: number of processes; the size of the process group if None.
    """

    @property
    def is_sharded(self) -> bool:
        """True."""
        return True

    def load_state_dict(self, state_dict: StateDictType, strict: bool = True) -> Any:
        """Load sharded weights, as `state_dict` returns them, or the full weights that the first process passes.

        All processes must call this. With full weights, the others may pass an empty dict.
        """
        from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
        from torch.distributed.tensor import DTensor

        if any(isinstance(value, DTensor) for value in state_dict.values()):
            return self.model.load_state_dict(state_dict, strict=strict)
        options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, strict=strict)
        return set_model_state_dict(self.model, dict(state_dict), options=options)

    def full_state_dict(self) -> dict[str, Any]:
        """The full weights on the CPU in the first process, an empty dict in the others. All processes must call this."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        return dict(get_model_state_dict(self.model, options=options))

    @staticmethod
    def consolidate_sharded_state(sharded_state_files: Sequence[str | PathLike[str]]) -> StateDictType:
        """Combine the weights that the processes saved, one file each, before nlpreg gathered them itself."""
        parts = [
            torch.load(path, map_location="cpu", weights_only=True, mmap=True) for path in sharded_state_files
        ]
        weights: dict[str, Tensor] = whole_state(parts)
        return weights

    def clip_grad_norm_(self, max_norm: float) -> Tensor:
        """Clip the gradients by their total norm over all processes."""
        from torch.distributed.tensor import DTensor

        norm = super().clip_grad_norm_(max_norm)
        return norm.full_tensor() if isinstance(norm, DTensor) else norm


@DdpAccelerator.register("torch_fsdp")
class TorchFsdpAccelerator(DdpAccelerator):
    """Each process holds a shard of the weights, gradients and optimizer state (FSDP2, `fully_shard`).

    The submodules that a model's constructor passes to `wrap_module` are gathered and freed separately. They are sharded
    when the whole model has been built, so that initializers and pretrained weights see ordinary tensors.

    Args:
        mixed_precision: compute in bfloat16 and reduce gradients in float32.
        reshard_after_forward: free the gathered weights of each submodule after its forward pass, and gather them again
            for the backward pass.
        flatten_parameters: has no effect; configs for the older FairScale accelerator may contain it.
        cpu_offload: keep the weights in CPU memory.
        **kwargs: arguments of `DdpAccelerator`.

    Raises:
        ConfigurationError: (when wrapping a model on the CPU) this torch is too old to shard there.
    """

    def __init__(
        self,
        *,
        mixed_precision: bool = False,
        reshard_after_forward: bool = True,
        flatten_parameters: bool = True,
        cpu_offload: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._reshard_after_forward = reshard_after_forward
        self._mixed_precision = mixed_precision
        self._cpu_offload = cpu_offload
        self._units: list[torch.nn.Module] = []

    def wrap_module(self, module: Module) -> Module:
        """Record a submodule that is gathered as a unit."""
        self._units.append(module)
        return module

    def wrap_model(self, model: Module) -> tuple[Module, DdpWrappedModel]:
        """Move the model to its device and shard its weights over the processes."""
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy, fully_shard

        if self.cuda_device.type == "cpu" and not hasattr(torch.cpu.Stream, "record_event"):
            raise ConfigurationError(
                f"ddp_accelerator: torch {torch.__version__} cannot shard a model on the CPU; install a newer torch, "
                'or use the accelerator "torch"'
            )
        model = model.to(self.cuda_device)
        precision = MixedPrecisionPolicy()
        if self._mixed_precision:
            precision = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        mesh = init_device_mesh(self.cuda_device.type, (self.world_size,))
        inside = set(model.modules())
        # Submodules of other units come first.
        units = sorted(
            (unit for unit in self._units if unit in inside), key=lambda unit: len(list(unit.modules()))
        )
        for unit in [*units, model]:
            fully_shard(
                unit,
                mesh=mesh,
                reshard_after_forward=self._reshard_after_forward,
                mp_policy=precision,
                offload_policy=CPUOffloadPolicy() if self._cpu_offload else OffloadPolicy(),
            )
        return model, TorchFsdpWrappedModel(model, self.local_rank, self.world_size)


DdpAccelerator.register("fsdp2")(TorchFsdpAccelerator)
DdpAccelerator.register("fairscale_fsdp")(TorchFsdpAccelerator)

FairScaleFsdpAccelerator = TorchFsdpAccelerator
"""The name of AllenNLP's accelerator, which used another library."""
