"""Reading state dicts, checking their keys, and loading them in a distributed run."""

import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import IO, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.file_utils import cached_path
from nlpreg.common.util import int_to_device, is_distributed, is_global_primary
from nlpreg.nn.util.devices import distributed_device

StateDictType = Mapping[str, Tensor]

_WEIGHTS_NAME = "weights.th"


class IncompatibleKeys(NamedTuple):
    """Keys that a state dict lacks, and keys that the module has no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing={self.missing_keys}, unexpected={self.unexpected_keys})"


def check_incompatible_keys(
    module: torch.nn.Module, missing_keys: Sequence[str], unexpected_keys: Sequence[str], strict: bool
) -> None:
    """Complain about keys that do not fit, if `strict`.

    Raises:
        RuntimeError: `strict`, and there is a missing or an unexpected key.
    """
    if not strict or not (missing_keys or unexpected_keys):
        return
    problems = [
        f"{kind} key(s) in state_dict: {', '.join(repr(key) for key in keys)}"
        for kind, keys in (("Unexpected", unexpected_keys), ("Missing", missing_keys))
        if keys
    ]
    raise RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}: " + "; ".join(problems))


# AllenNLP's names
_IncompatibleKeys = IncompatibleKeys
_check_incompatible_keys = check_incompatible_keys


def read_state_dict(
    path: str | PathLike[str] | IO[bytes],
    strip_prefix: str | None = None,
    ignore: list[str] | None = None,
    strict: bool = True,
    cuda_device: int = -1,
) -> dict[str, Tensor]:
    """Read a saved state dict, with some keys renamed or left out.

    Args:
        path: a file that `torch.save` wrote, or such an open file; only tensors and plain values are read from it.
        strip_prefix: taken off the keys that begin with it.
        ignore: regular expressions; a key that one of them matches from its start is left out. They see the
            key with its prefix.
        strict: every pattern, and the prefix, must apply to some key.
        cuda_device: where the tensors go; a negative number is the CPU.

    Raises:
        ValueError: `ignore` is not a list, a key consists of the prefix alone, or (strict) something was unused.
    """
    if ignore is not None and not isinstance(ignore, list):
        raise ValueError(f"ignore must be a list of regular expressions, got {ignore!r}")
    state: dict[str, Tensor] = torch.load(path, map_location=int_to_device(cuda_device), weights_only=True)
    result: dict[str, Tensor] = {}
    unused_patterns = set(ignore or ())
    prefix_used = False
    for key, value in state.items():
        hits = [pattern for pattern in ignore or () if re.match(pattern, key)]
        unused_patterns.difference_update(hits)
        if hits:
            continue
        if strip_prefix and key.startswith(strip_prefix):
            prefix_used = True
            key = key[len(strip_prefix) :]
            if not key:
                raise ValueError(f"a key of {path} consists of the prefix {strip_prefix!r} alone")
        result[key] = value
    if strict and strip_prefix and not prefix_used:
        raise ValueError(
            f"no key of {path} begins with {strip_prefix!r}; change strip_prefix, or pass strict=False"
        )
    if strict and unused_patterns:
        raise ValueError(
            f"no key of {path} matches {sorted(unused_patterns)}; change ignore, or pass strict=False"
        )
    return result


def read_archived_state_dict(path: str | PathLike[str]) -> dict[str, Tensor]:
    """Read the weights of a state dict file or of a model archive; only tensors and plain values are read.

    Args:
        path: a file that `torch.save` wrote, or a tar archive with a member `weights.th`; remote paths are cached.

    Raises:
        ConfigurationError: the archive has no such member.
    """
    local_path = cached_path(path)
    if not tarfile.is_tarfile(local_path):
        return read_state_dict(local_path)
    with tarfile.open(local_path) as archive:
        for member in archive:
            if member.isfile() and Path(member.name).name == _WEIGHTS_NAME:
                weights = archive.extractfile(member)
                assert weights is not None  # a regular file has content
                return read_state_dict(io.BytesIO(weights.read()))
    raise ConfigurationError(
        f"{path}: the archive has no member {_WEIGHTS_NAME}, so there are no weights in it"
    )


def load_state_dict_distributed(
    module: torch.nn.Module, state_dict: StateDictType | None, strict: bool = True, prefix: str = ""
) -> IncompatibleKeys:
    """Load a state dict that only the primary process has; the others receive its tensors.

    Args:
        module: where to load into; on every process the same.
        state_dict: the state dict on the primary process, None on all others.
        strict: missing and unexpected keys are errors.
        prefix: what the keys of this module begin with.

    Raises:
        RuntimeError: `strict`, and a key is missing or unexpected.
        ValueError: a process other than the primary was given a state dict, or the primary none.
    """
    if not is_distributed():
        if state_dict is None:
            raise ValueError("a state dict is needed outside a distributed run")
        own_part = {key[len(prefix) :]: value for key, value in state_dict.items() if key.startswith(prefix)}
        missing, unexpected = module.load_state_dict(own_part, strict=strict)
        return IncompatibleKeys([prefix + key for key in missing], [prefix + key for key in unexpected])
    if (state_dict is not None) != is_global_primary():
        raise ValueError("exactly the primary process must be given a state dict")

    own = module.state_dict(keep_vars=True)
    keys: list[list[str] | None] = [None if state_dict is None else list(state_dict)]
    dist.broadcast_object_list(keys, src=0, device=distributed_device())
    offered = {key[len(prefix) :] for key in keys[0] or () if key.startswith(prefix)}
    missing_keys = [prefix + key for key in own if key not in offered]
    unexpected_keys = [prefix + key for key in sorted(offered - own.keys())]
    check_incompatible_keys(module, missing_keys, unexpected_keys, strict)
    for key, tensor in own.items():
        if key in offered:
            _broadcast_into(tensor, None if state_dict is None else state_dict[prefix + key])
    return IncompatibleKeys(missing_keys, unexpected_keys)


def _broadcast_into(tensor: Tensor, source: Tensor | None) -> None:
    with torch.no_grad():
        value = tensor.detach().to(distributed_device(), copy=True).contiguous()
        if source is not None:
            value.copy_(source)
        dist.broadcast(value, src=0)
        tensor.copy_(value)
