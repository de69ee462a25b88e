"""Words of several word pieces, embedded by a pretrained transformer."""

from typing import Any

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError, PositiveInt
from nlpreg.modules.token_embedders.pretrained_transformer_embedder import PretrainedTransformerEmbedder
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder
from nlpreg.nn.util import batched_span_select

# B texts, T words, W word pieces, S word pieces with the special tokens of every segment, D width of the vectors


@TokenEmbedder.register("pretrained_transformer_mismatched")
class PretrainedTransformerMismatchedEmbedder(TokenEmbedder):
    """Embeds words with a pretrained transformer, from the vectors of their word pieces.

    Args:
        model_name: name on the hub, or folder; the same as for the indexer.
        max_length: length of the segments into which longer texts are split; the same as for the indexer.
        sub_module: attribute of the model to use instead of the whole, for example `encoder`.
        train_parameters: whether the transformer is trained.
        last_layer_only: whether to use the last layer only; otherwise a learned mix of all layers.
        override_weights_file: path or URL of a state dict to load instead of the pretrained weights.
        override_weights_strip_prefix: prefix of the names in that file.
        load_weights: whether to load weights; false if those of an archive are loaded later.
        gradient_checkpointing: whether to recompute activations in the backward pass to save memory; None for the model's
            default.
        tokenizer_kwargs: further arguments for loading the tokenizer.
        transformer_kwargs: further arguments for loading the transformer.
        sub_token_mode: `avg` for the mean of a word's pieces, `first` for the first piece.
        lora: arguments of low-rank adapters, see `PretrainedTransformerEmbedder`.
        overlap: number of word pieces that two neighbouring segments of a long text share, see `PretrainedTransformerEmbedder`.

    Shape:
        token_ids (B, S) ids, mask (B, T) bool of the words, offsets (B, T, 2) first and last piece of each word,
        wordpiece_mask (B, W) bool, type_ids (B, S) or None, segment_concat_mask (B, S) bool or None
        -> (B, T, D), zeros for a word without pieces.

    Raises:
        ConfigurationError: in `forward`, with another `sub_token_mode`.
    """

    def __init__(
        self,
        model_name: str,
        max_length: PositiveInt | None = None,
        sub_module: str | None = None,
        train_parameters: bool = True,
        last_layer_only: bool = True,
        override_weights_file: str | None = None,
        override_weights_strip_prefix: str | None = None,
        load_weights: bool = True,
        gradient_checkpointing: bool | None = None,
        tokenizer_kwargs: dict[str, Any] | None = None,
        transformer_kwargs: dict[str, Any] | None = None,
        sub_token_mode: str | None = "avg",
        lora: dict[str, Any] | None = None,
        overlap: int = 0,
    ) -> None:
        super().__init__()
        self._matched_embedder = PretrainedTransformerEmbedder(
            model_name,
            max_length=max_length,
            sub_module=sub_module,
            train_parameters=train_parameters,
            last_layer_only=last_layer_only,
            override_weights_file=override_weights_file,
            override_weights_strip_prefix=override_weights_strip_prefix,
            load_weights=load_weights,
            gradient_checkpointing=gradient_checkpointing,
            tokenizer_kwargs=tokenizer_kwargs,
            transformer_kwargs=transformer_kwargs,
            lora=lora,
            overlap=overlap,
        )
        self.sub_token_mode = sub_token_mode
        self.output_dim = self._matched_embedder.get_output_dim()

    def forward(
        self,
        token_ids: Tensor,
        mask: Tensor,
        offsets: Tensor,
        wordpiece_mask: Tensor,
        type_ids: Tensor | None = None,
        segment_concat_mask: Tensor | None = None,
    ) -> Tensor:
        """Embed a batch."""
        pieces = self._matched_embedder(token_ids, wordpiece_mask, type_ids, segment_concat_mask)  # (B, W, D)
        # (B, T, longest, D), (B, T, longest)
        spans, is_piece = batched_span_select(pieces.contiguous(), offsets)
        if self.sub_token_mode == "first":
            return spans[:, :, 0].masked_fill(~is_piece[:, :, :1], 0)
        if self.sub_token_mode == "avg":
            total = torch.einsum("btwd,btw->btd", spans, is_piece.to(spans.dtype))
            return total / is_piece.sum(2, keepdim=True).clamp(min=1)
        raise ConfigurationError(f"sub_token_mode: expected 'avg' or 'first', got {self.sub_token_mode!r}")
