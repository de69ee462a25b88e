"""Objects as bytes, to be sent between processes of one program on one machine."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nlpreg.data.columns import smallest

# Tensors of fewer elements are sent as they are.
_SMALL_ENOUGH = 256

# Those that numpy has too.
_PLAIN_TYPES = {
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.float32,
    torch.float64,
}


class _Pickler(pickle.Pickler):
    """Sends tensors as bytes: torch's way, a shared-memory file for each, costs more than a small copy."""

    def reducer_override(self, obj: Any) -> Any:
        """How to send a tensor; anything else goes the usual way."""
        if (
            type(obj) is torch.Tensor
            and obj.dtype in _PLAIN_TYPES
            and obj.device.type == "cpu"
            and obj.layout == torch.strided
            and not obj.requires_grad
        ):
            values = obj.numpy()
            sent = _small(values)
            return _as_tensor, (sent.tobytes(), sent.dtype.char, values.dtype.char, *values.shape)
        return NotImplemented


def _small(values: NDArray[Any]) -> NDArray[Any]:
    """The same values; ids in the smallest type that holds them, since fewer bytes are sent sooner."""
    if values.dtype != np.int64 or values.size < _SMALL_ENOUGH or values.min() < 0:
        return values
    return smallest(values)


def _as_tensor(data: bytes, sent_type: str, own_type: str, *shape: int) -> torch.Tensor:
    """The tensor that was sent."""
    # a copy in any case, since bytes cannot be written to
    return torch.from_numpy(np.frombuffer(data, sent_type).astype(own_type).reshape(shape))


def to_bytes(obj: Any) -> bytes:
    """An object as bytes."""
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(obj)
    return buffer.getvalue()


def from_bytes(data: bytes | memoryview) -> Any:
    """The object that `to_bytes` was given, in the process that made or started it."""
    return pickle.loads(data)
