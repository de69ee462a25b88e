"""Masks and ids out of the tensors that a text field becomes.

A text field arrives as `{indexer name: {argument name: tensor}}`. The flat form `{indexer name: tensor}` is read
as if the indexer's name were the argument's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union

from torch import Tensor

TextFieldInput = Mapping[str, Union[Mapping[str, Tensor], Tensor]]

_ID_NAMES = ("tokens", "token_ids", "input_ids")


def _named_tensors(text_field_tensors: TextFieldInput) -> Iterator[tuple[str, Tensor]]:
    for name, value in text_field_tensors.items():
        if isinstance(value, Tensor):
            yield name, value
        else:
            yield from value.items()


def get_text_field_mask(
    text_field_tensors: TextFieldInput, num_wrapping_dims: int = 0, padding_id: int = 0
) -> Tensor:
    """Which positions of a text field hold a token rather than padding.

    An indexer's own `mask` is returned if there is one. Otherwise the mask is read off the ids with the fewest
    dimensions: a word is there if its id, or any id of its characters, is not the padding.

    Args:
        text_field_tensors: the nested or the flat form, see the module's docstring.
        num_wrapping_dims: how many list fields the text field lies in.
        padding_id: the id that stands for padding.

    Returns:
        Bool tensor (B, ..., T), true at tokens, with `num_wrapping_dims` dimensions in the middle.

    Raises:
        ValueError: several indexers bring a mask, or no tensor has a number of dimensions that fits.
    """
    tensors = list(_named_tensors(text_field_tensors))
    masks = [tensor for name, tensor in tensors if name == "mask"]
    if len(masks) > 1:
        raise ValueError("found more than one mask in the text field's tensors, expected at most one")
    if masks:
        return masks[0].bool()
    if not tensors:
        raise ValueError("the text field has no tensors, so it has no mask")
    ids = tensors[0][1]
    for _, tensor in tensors:  # a loop, because torch.compile does not follow min() with a key
        if tensor.dim() < ids.dim():
            ids = tensor
    inner_dims = ids.dim() - num_wrapping_dims
    if inner_dims == 2:
        return ids != padding_id
    if inner_dims == 3:
        return (ids != padding_id).any(dim=-1)
    raise ValueError(
        f"expected ids with 2 dimensions (words) or 3 (characters) inside {num_wrapping_dims} wrapping "
        f"dimensions, got a tensor of shape {tuple(ids.shape)}"
    )


def get_token_ids_from_text_field_tensors(text_field_tensors: TextFieldInput) -> Tensor:
    """The ids of a text field: its first tensor named `tokens`, `token_ids` or `input_ids`.

    In the flat form an indexer may have any name; its tensor counts when none has one of these names.

    Raises:
        NotImplementedError: no tensor can be taken for the ids.
    """
    for name, tensor in _named_tensors(text_field_tensors):
        if name in _ID_NAMES:
            return tensor
    for value in text_field_tensors.values():
        if isinstance(value, Tensor):
            return value
    raise NotImplementedError(
        f"no tensor named {', '.join(_ID_NAMES)} in the text field; its indexers are {sorted(text_field_tensors)}"
    )


def get_token_offsets_from_text_field_inputs(text_field_inputs: Sequence[Any]) -> Tensor | None:
    """The first tensor named `offsets` in the positional inputs of a text field embedder, if there is one.

    Args:
        text_field_inputs: positional arguments as a forward hook sees them; the first is the text field.
    """
    for argument in text_field_inputs:
        if isinstance(argument, Mapping):
            for name, tensor in _named_tensors(argument):
                if name == "offsets":
                    return tensor
    return None
