"""A text that a transformers tokenizer has already converted to ids."""

from typing import Any, Dict  # noqa: UP035

import torch
from torch.nn.functional import pad

from nlpreg.data.fields.field import Field

_NAMES = ("input_ids", "token_type_ids", "attention_mask", "special_tokens_mask", "offsets_mapping")


class TransformerTextField(Field[Dict[str, torch.Tensor]]):  # noqa: UP006
    """The output of a transformers tokenizer for one text: `TransformerTextField(**tokenizer(text))`.

    Args:
        input_ids: ids of the word pieces; like the other arguments, a list or a tensor.
        token_type_ids: segment of each piece.
        attention_mask: which pieces to attend to; by default all.
        special_tokens_mask: which pieces are special tokens.
        offsets_mapping: character offsets of each piece.
        padding_token_id: padding value of `input_ids`; everything else is padded with 0.

    Shape:
        `{name: (num_pieces,)}` for each name given (offsets: `(num_pieces, 2)`), and a bool `attention_mask`
        if none was given.
    """

    __slots__ = (*_NAMES, "padding_token_id")

    def __init__(
        self,
        input_ids: torch.Tensor | list[int],
        token_type_ids: torch.Tensor | list[int] | None = None,
        attention_mask: torch.Tensor | list[int] | None = None,
        special_tokens_mask: torch.Tensor | list[int] | None = None,
        offsets_mapping: torch.Tensor | list[int] | None = None,
        padding_token_id: int = 0,
    ) -> None:
        self.input_ids = _as_row(input_ids)
        self.token_type_ids = _as_row(token_type_ids)
        self.attention_mask = _as_row(attention_mask)
        self.special_tokens_mask = _as_row(special_tokens_mask)
        self.offsets_mapping = _as_row(offsets_mapping)
        self.padding_token_id = padding_token_id

    def get_padding_lengths(self) -> dict[str, int]:
        """The length of each tensor given."""
        return {name: len(tensor) for name, tensor in self._given().items()}

    def as_tensor(self, padding_lengths: dict[str, int]) -> dict[str, torch.Tensor]:
        """Every tensor, padded on the right or truncated."""
        tensors = {}
        given = self._given()
        for name, length in padding_lengths.items():
            fill = self.padding_token_id if name == "input_ids" else 0
            # a tensor that only other instances of the batch have
            tensor = given.get(name, torch.empty(0, dtype=torch.int64))
            missing = length - len(tensor)
            widths = [0, 0] * (tensor.dim() - 1) + [0, missing]  # a negative width truncates
            tensors[name] = pad(tensor, widths, value=fill)
        if "attention_mask" not in tensors:
            tensors["attention_mask"] = torch.arange(padding_lengths["input_ids"]) < len(self.input_ids)
        return tensors

    def empty_field(self) -> "TransformerTextField":
        """No pieces."""
        return TransformerTextField(torch.empty(0, dtype=torch.int64), padding_token_id=self.padding_token_id)

    def batch_tensors(self, tensor_list: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """Stack the tensors of each name; int32 becomes int64."""
        batch = {name: torch.stack([one[name] for one in tensor_list]) for name in tensor_list[0]}
        return {
            name: tensor.long() if tensor.dtype == torch.int32 else tensor for name, tensor in batch.items()
        }

    def human_readable_repr(self) -> Any:
        """The ids and the other given tensors."""
        return {name: tensor.tolist() for name, tensor in self._given().items()}

    def _given(self) -> dict[str, torch.Tensor]:
        """The given tensors."""
        tensors = {name: getattr(self, name) for name in _NAMES}
        return {name: tensor for name, tensor in tensors.items() if tensor is not None}

    def __len__(self) -> int:
        return len(self.input_ids)


def _as_row(values: torch.Tensor | list[int] | None) -> Any:
    """A tensor without the batch dimension that tokenizers add to a single text; None stays None."""
    if values is None:
        return None
    tensor = torch.as_tensor(values)
    if tensor.numel() == 0 and not isinstance(values, torch.Tensor):
        tensor = tensor.long()
    return tensor.squeeze(0) if tensor.dim() > 1 and tensor.size(0) == 1 else tensor
