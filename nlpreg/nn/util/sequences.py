"""Padded sequences and the tensors of text fields: masks, reversal, boundaries, positions."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError

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
    named = [tensor for name, tensor in _named_tensors(text_field_tensors) if name in _ID_NAMES]
    flat = [value for value in text_field_tensors.values() if isinstance(value, Tensor)]
    if named or flat:
        return (named or flat)[0]
    raise NotImplementedError(
        f"no tensor named {', '.join(_ID_NAMES)} in the text field; its indexers are {sorted(text_field_tensors)}"
    )


def get_token_offsets_from_text_field_inputs(text_field_inputs: Sequence[Any]) -> Tensor | None:
    """The first tensor named `offsets` in the positional inputs of a text field embedder, if there is one.

    Args:
        text_field_inputs: positional arguments as a forward hook sees them; the first is the text field.
    """
    text_fields = (argument for argument in text_field_inputs if isinstance(argument, Mapping))
    named = (pair for text_field in text_fields for pair in _named_tensors(text_field))
    return next((tensor for name, tensor in named if name == "offsets"), None)


def sort_batch_by_length(tensor: Tensor, sequence_lengths: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Order a batch by decreasing length.

    Shape:
        tensor (B, ...), sequence_lengths (B,).

    Returns:
        The sorted tensor, the sorted lengths, the indices that restore the old order
        (`sorted.index_select(0, restoration) == tensor`) and the indices that sort.

    Raises:
        ConfigurationError: an argument is not a tensor.
    """
    if not isinstance(tensor, Tensor) or not isinstance(sequence_lengths, Tensor):
        raise ConfigurationError("both the batch and its sequence lengths must be tensors")
    sorted_lengths, permutation = sequence_lengths.sort(stable=True, dim=0, descending=True)
    return tensor.index_select(0, permutation), sorted_lengths, permutation.argsort(), permutation


def get_final_encoder_states(encoder_outputs: Tensor, mask: Tensor, bidirectional: bool = False) -> Tensor:
    """The output of an encoder at the end of each sequence.

    Args:
        encoder_outputs: outputs at every timestep.
        mask: true at real timesteps.
        bidirectional: the second half of the features was read from right to left, so that its end is at the
            first timestep.

    Shape:
        encoder_outputs (B, T, D), mask (B, T) -> (B, D), the first output of sequences that are all padding; zeros if
        T is 0.
    """
    if not encoder_outputs.size(1):
        return encoder_outputs.new_zeros(encoder_outputs.size(0), encoder_outputs.size(2))
    last = (mask.bool().sum(1) - 1).clamp(min=0)  # (B,)
    rows = torch.arange(encoder_outputs.size(0), device=encoder_outputs.device)
    final = encoder_outputs[rows, last]
    if not bidirectional:
        return final
    # the backward direction ends at the first timestep
    half = encoder_outputs.size(-1) // 2
    return torch.cat([final[:, :half], encoder_outputs[:, 0, half:]], dim=-1)


def masked_flip(padded_sequence: Tensor, sequence_lengths: Sequence[int] | Tensor) -> Tensor:
    """Reverse each sequence within its length.

    Shape:
        padded_sequence (B, T, ...), sequence_lengths (B,) -> (B, longest length, ...), zeros at padding.

    Raises:
        AssertionError: there are not as many lengths as sequences.
    """
    assert padded_sequence.size(0) == len(sequence_lengths), (
        f"there are {len(sequence_lengths)} lengths for {padded_sequence.size(0)} sequences"
    )
    lengths = torch.as_tensor(sequence_lengths, device=padded_sequence.device).unsqueeze(1)  # (B, 1)
    positions = torch.arange(padded_sequence.size(1), device=padded_sequence.device)  # (T,)
    positions = positions[: int(lengths.max())] if len(lengths) else positions[:0]
    source = (lengths - 1 - positions).clamp(min=0)  # (B, longest)
    rows = torch.arange(padded_sequence.size(0), device=padded_sequence.device).unsqueeze(1)
    is_padding = (positions >= lengths).view(*source.shape, *[1] * (padded_sequence.dim() - 2))
    return padded_sequence[rows, source].masked_fill(is_padding, 0)


def add_sentence_boundary_token_ids(
    tensor: Tensor, mask: Tensor, sentence_begin_token: Any, sentence_end_token: Any
) -> tuple[Tensor, Tensor]:
    """Put a begin and an end symbol around each sentence.

    Args:
        tensor: ids of words, or of the characters of words.
        mask: true at words.
        sentence_begin_token: an id, or for characters a tensor (D,).
        sentence_end_token: likewise; it lands right after the last word.

    Shape:
        tensor (B, T) or (B, T, D), mask (B, T) -> the same with T + 2 timesteps, and the new mask (B, T + 2).

    Raises:
        ValueError: the tensor has neither 2 nor 3 dimensions.
    """
    if tensor.dim() not in (2, 3):
        raise ValueError(f"expected ids of shape (B, T) or (B, T, D), got {tuple(tensor.shape)}")
    batch_size, num_steps = tensor.shape[:2]
    result = tensor.new_zeros(batch_size, num_steps + 2, *tensor.shape[2:])
    result[:, 1:-1] = tensor
    begin, end = (
        torch.as_tensor(token, dtype=tensor.dtype, device=tensor.device)
        for token in (sentence_begin_token, sentence_end_token)
    )
    result[:, 0] = begin
    result[torch.arange(batch_size, device=tensor.device), mask.bool().sum(1) + 1] = end
    new_mask = result != 0 if tensor.dim() == 2 else (result > 0).any(dim=-1)
    return result, new_mask


def remove_sentence_boundaries(tensor: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Drop the first and the last real timestep of each sentence.

    Shape:
        tensor (B, T, D), mask (B, T) -> (B, T - 2, D) with zeros at padding, and its mask (B, T - 2).
    """
    lengths = mask.bool().sum(1, keepdim=True) - 2  # (B, 1); sentences of two or fewer timesteps become empty
    positions = torch.arange(tensor.size(1) - 2, device=tensor.device)
    new_mask = positions < lengths
    return tensor[:, 1:-1] * new_mask.unsqueeze(-1).to(tensor.dtype), new_mask


def _sinusoidal_positions(
    num_steps: int,
    num_features: int,
    min_timescale: float = 1.0,
    max_timescale: float = 1.0e4,
    device: torch.device | None = None,
) -> Tensor:
    """Sines and cosines of the positions 0, 1, ... at geometrically spaced wavelengths.

    The first half of the features are sines, the second half cosines; an odd last feature is zero.

    Shape:
        -> float32 (num_steps, num_features).

    Source: Vaswani et al. (2017), section 3.5, with the halves concatenated instead of interleaved.
    """
    num_timescales = num_features // 2
    step = math.log(max_timescale / min_timescale) / max(num_timescales - 1, 1)
    rates = min_timescale * torch.exp(
        -step * torch.arange(num_timescales, device=device, dtype=torch.float32)
    )
    # (num_steps, num_timescales)
    angles = torch.arange(num_steps, device=device, dtype=torch.float32).unsqueeze(1) * rates
    signal = torch.cat([angles.sin(), angles.cos()], dim=1)
    return torch.nn.functional.pad(signal, (0, num_features - 2 * num_timescales))


def add_positional_features(
    tensor: Tensor, min_timescale: float = 1.0, max_timescale: float = 1.0e4
) -> Tensor:
    """Add sinusoidal positions to a sequence, see `_sinusoidal_positions`.

    Shape:
        tensor (B, T, D) -> (B, T, D).
    """
    _, num_steps, num_features = tensor.shape
    signal = _sinusoidal_positions(num_steps, num_features, min_timescale, max_timescale, tensor.device)
    return tensor + signal.to(tensor.dtype)
