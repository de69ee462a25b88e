"""A field for a tensor."""

from typing import Any

import numpy as np
import torch

from nlpreg.data.fields.field import Field


class TensorField(Field[torch.Tensor]):
    """A tensor of any number of dimensions, padded at the end of each.

    Args:
        tensor: a tensor, or an array, which is converted; kept on the CPU.
        padding_value: the value of padding.
        dtype: type to convert to, of torch or numpy.

    Shape:
        that of the tensor; within a batch, the maximum size of each dimension.

    Raises:
        ValueError: the value is neither a tensor nor an array.
    """

    __slots__ = ("padding_value", "tensor")

    def __init__(
        self,
        tensor: torch.Tensor | np.ndarray[Any, Any],
        padding_value: Any = 0.0,
        dtype: np.dtype[Any] | torch.dtype | None = None,
    ) -> None:
        if isinstance(tensor, np.ndarray):
            tensor = torch.from_numpy(tensor)
        if not isinstance(tensor, torch.Tensor):
            raise ValueError(
                f"TensorField: expected a tensor or an array, got {type(tensor).__name__}; convert it with torch.tensor"
            )
        if dtype is not None and not isinstance(dtype, torch.dtype):
            dtype = torch.from_numpy(np.empty(0, dtype)).dtype
        self.tensor = tensor.to(device="cpu", dtype=dtype)
        self.padding_value = padding_value

    def get_padding_lengths(self) -> dict[str, int]:
        """The size of each dimension."""
        return {f"dimension_{i}": size for i, size in enumerate(self.tensor.size())}

    def as_tensor(self, padding_lengths: dict[str, int]) -> torch.Tensor:
        """The tensor padded or truncated to the given sizes; missing last dimensions are added."""
        tensor = self.tensor
        while tensor.dim() < len(padding_lengths):
            tensor = tensor.unsqueeze(-1)
        shape = [padding_lengths[f"dimension_{i}"] for i in range(len(padding_lengths))]
        padded = torch.full(shape, self.padding_value, dtype=tensor.dtype)
        kept = tuple(slice(min(size, wanted)) for size, wanted in zip(tensor.size(), shape, strict=True))
        padded[kept] = tensor[kept]
        return padded

    def empty_field(self) -> "TensorField":
        """A tensor without elements."""
        return TensorField(torch.empty(0, dtype=self.tensor.dtype), self.padding_value)

    def human_readable_repr(self) -> Any:
        """Shape, standard deviation, mean and type of the elements."""
        elements = self.tensor.double() if self.tensor.numel() else torch.zeros(1)
        return {
            "shape": list(self.tensor.shape),
            "element_std": elements.std(unbiased=False).item(),
            "element_mean": elements.mean().item(),
            "type": str(self.tensor.dtype).replace("torch.", ""),
        }

    @property
    def array(self) -> np.ndarray[Any, Any]:
        """The tensor as an array that shares its memory."""
        array: np.ndarray[Any, Any] = self.tensor.numpy()
        return array

    def __len__(self) -> int:
        return 1 if self.tensor.dim() == 0 else self.tensor.size(0)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, np.ndarray):
            return np.array_equal(self.array, other, equal_nan=self.tensor.is_floating_point())
        if isinstance(other, torch.Tensor):
            return torch.equal(self.tensor, other)
        if type(self) is not type(other):
            return NotImplemented
        return (
            self.tensor.dtype == other.tensor.dtype
            and np.array_equal(self.array, other.array, equal_nan=self.tensor.is_floating_point())
            and self.padding_value == other.padding_value
        )

    __hash__ = None  # equal by value, and open to change

    def __str__(self) -> str:
        return f"TensorField with shape: {tuple(self.tensor.shape)} and dtype: {self.tensor.dtype}."
