"""The word pieces of a pretrained transformer."""

import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpreg.common import cached_transformers
from nlpreg.common.checks import ConfigurationError, PositiveInt, check_at_least
from nlpreg.common.imports import optional
from nlpreg.data.tokenizers.pretrained_transformer_tokenizer import PretrainedTransformerTokenizer
from nlpreg.modules.scalar_mix import ScalarMix
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder
from nlpreg.nn.operators import is_exporting
from nlpreg.nn.util import batched_index_select

logger = logging.getLogger(__name__)

# B texts, W word pieces, S word pieces with the special tokens of every segment, L max_length, D width of the vectors,
# K windows of a text


@TokenEmbedder.register("pretrained_transformer")
class PretrainedTransformerEmbedder(TokenEmbedder):
    """Embeds word pieces with a pretrained transformer of the `transformers` library.

    Args:
        model_name: name on the hub, or folder; the same as for the tokenizer and the indexer.
        max_length: length of the segments into which longer texts are split; the same as for the indexer.
        sub_module: attribute of the model to use instead of the whole, for example `encoder`.
        train_parameters: whether the transformer is trained.
        eval_mode: whether the transformer stays in evaluation mode, without dropout, in training.
        last_layer_only: whether to use the last layer only; otherwise a learned mix of all layers.
        override_weights_file: path or URL of a state dict to load instead of the pretrained weights.
        override_weights_strip_prefix: prefix of the names in that file.
        reinit_modules: what to reinitialize: the last n layers, the layers with these indices, or the modules whose names match
            one of these regular expressions.
        load_weights: whether to load weights; false if those of an archive are loaded later.
        gradient_checkpointing: whether to recompute activations in the backward pass to save memory; None for the model's
            default.
        tokenizer_kwargs: further arguments for loading the tokenizer.
        transformer_kwargs: further arguments for loading the transformer.
        lora: trains low-rank adapters instead of the transformer's weights, which are frozen: arguments of `peft`'s `LoraConfig`,
            such as {"r": 8, "lora_alpha": 16, "target_modules": ["query", "value"]} (extra `lora`).
        overlap: number of word pieces that two neighbouring segments of a long text share. The vector of each piece comes from
            the segment with most of its context: with 128, at least 64 pieces on both sides. The indexer has no such
            argument. With 0, a piece at the edge of a segment has context on one side only.

    Shape:
        token_ids (B, S) ids, mask (B, W) bool, type_ids (B, S) or None, segment_concat_mask (B, S) bool or None
        -> (B, W, D). Without `max_length`, S is W.

    Raises:
        ConfigurationError: in `forward`, for a text, or a segment, that is too long for the model.
        ValueError: in `forward`, for a type id that the model does not have, and for a text of several segments whose
            padding is not at its end. With `lora`, for modules that the transformer does not have. For an `overlap`
            without `max_length`, or one that is not shorter than a segment.

    Source: LoRA: Hu et al. (2022), https://arxiv.org/abs/2106.09685
    """

    # Buffers that are missing in archives of older versions of the library.
    authorized_missing_keys = [r"position_ids$"]

    def __init__(
        self,
        model_name: str,
        *,
        max_length: PositiveInt | None = None,
        sub_module: str | None = None,
        train_parameters: bool = True,
        eval_mode: bool = False,
        last_layer_only: bool = True,
        override_weights_file: str | None = None,
        override_weights_strip_prefix: str | None = None,
        reinit_modules: int | tuple[int, ...] | tuple[str, ...] | None = None,
        load_weights: bool = True,
        gradient_checkpointing: bool | None = None,
        tokenizer_kwargs: dict[str, Any] | None = None,
        transformer_kwargs: dict[str, Any] | None = None,
        lora: dict[str, Any] | None = None,
        overlap: int = 0,
    ) -> None:
        super().__init__()
        check_at_least(0, overlap=overlap)
        self.transformer_model = cached_transformers.get(
            model_name,
            True,
            override_weights_file=override_weights_file,
            override_weights_strip_prefix=override_weights_strip_prefix,
            reinit_modules=reinit_modules,
            load_weights=load_weights,
            **(transformer_kwargs or {}),
        )
        if gradient_checkpointing is not None:
            _set_gradient_checkpointing(self.transformer_model, gradient_checkpointing)
        self.config = self.transformer_model.config
        if sub_module:
            self.transformer_model = getattr(self.transformer_model, sub_module)
        self._model_name = model_name
        self._num_positions = _num_positions(self.transformer_model)
        self._max_length = max_length
        self.output_dim = int(self.config.hidden_size)
        self._scalar_mix = None if last_layer_only else ScalarMix(self.config.num_hidden_layers)

        tokenizer = PretrainedTransformerTokenizer(model_name, tokenizer_kwargs=tokenizer_kwargs)
        self._fit_to_tokenizer(len(tokenizer.tokenizer), model_name)
        self._num_added_start_tokens = len(tokenizer.single_sequence_start_tokens)
        self._num_added_end_tokens = len(tokenizer.single_sequence_end_tokens)
        self._num_added_tokens = self._num_added_start_tokens + self._num_added_end_tokens
        if overlap and (max_length is None or overlap >= max_length - self._num_added_tokens):
            raise ValueError(
                "overlap: expected fewer word pieces than a segment of max_length has without its "
                f"{self._num_added_tokens} special tokens, got {overlap} and max_length {max_length}"
            )
        self._overlap = overlap

        self.train_parameters = train_parameters
        if not train_parameters:
            self.transformer_model.requires_grad_(False)
        if lora is not None:  # adds low-rank adapters and freezes all other parameters
            peft = optional("peft", extra="lora")
            peft.inject_adapter_in_model(peft.LoraConfig(**lora), self.transformer_model)
        self.eval_mode = eval_mode
        if eval_mode:
            self.transformer_model.eval()

    def _fit_to_tokenizer(self, num_tokens: int, model_name: str) -> None:
        """Resize the embedding table to the size of the tokenizer's vocabulary."""
        try:
            if self.transformer_model.get_input_embeddings().num_embeddings != num_tokens:
                self.transformer_model.resize_token_embeddings(num_tokens)
        except (AttributeError, NotImplementedError):
            logger.warning(
                "%s: could not fit its table of word pieces to the tokenizer's %d", model_name, num_tokens
            )

    def train(self, mode: bool = True) -> "PretrainedTransformerEmbedder":
        """Switch to training or evaluation, except for a transformer with `eval_mode`."""
        super().train(mode)
        if self.eval_mode:
            self.transformer_model.eval()
        return self

    def forward(
        self,
        token_ids: Tensor,
        mask: Tensor,
        type_ids: Tensor | None = None,
        segment_concat_mask: Tensor | None = None,
    ) -> Tensor:
        """Embed a batch."""
        if type_ids is not None:
            type_ids = self._checked_type_ids(type_ids)
        if self._max_length is None:
            return self._run(token_ids, mask.bool(), type_ids)
        attended = (mask if segment_concat_mask is None else segment_concat_mask).bool()  # (B, S)
        batch_size, num_pieces = token_ids.shape
        if num_pieces <= self._max_length:
            return self._run(token_ids, attended, type_ids)[:, : mask.size(1)]
        if self._overlap:
            return self._run_overlapping(token_ids, attended, type_ids)[:, : mask.size(1)]
        folded_ids, folded_mask, folded_types = self._fold_long_sequences(token_ids, attended, type_ids)
        segments = self._run(folded_ids, folded_mask, folded_types)  # (B * segments, L, D)
        unfolded = self._unfold_long_sequences(segments, folded_mask, batch_size, num_pieces)
        return unfolded[:, : mask.size(1)]

    def _run(self, token_ids: Tensor, mask: Tensor, type_ids: Tensor | None) -> Tensor:
        """The vectors (B, S, D) of texts that are not split."""
        if not token_ids.size(1):
            return torch.zeros(*token_ids.shape, self.get_output_dim(), device=token_ids.device)
        if self._num_positions is not None and token_ids.size(1) > self._num_positions:
            raise ConfigurationError(
                f"a text has {token_ids.size(1)} word pieces, and {self._model_name} takes {self._num_positions}: give its "
                f"indexer and its embedder the same max_length, {self._num_positions} or less, to encode longer texts "
                "piece by piece, or let the tokenizer cut them by its own max_length"
            )
        arguments = {"input_ids": token_ids, "attention_mask": mask.long()}
        if type_ids is not None:
            arguments["token_type_ids"] = type_ids
        if self._scalar_mix is None:
            last: Tensor = self.transformer_model(**arguments)[0]
            return last
        output = self.transformer_model(**arguments, output_hidden_states=True, return_dict=True)
        mixed: Tensor = self._scalar_mix(list(output.hidden_states[1:]))
        return mixed

    def _run_overlapping(self, token_ids: Tensor, mask: Tensor, type_ids: Tensor | None) -> Tensor:
        """The vectors of long texts, each from the window in whose centre the piece is.

        Args:
            token_ids: (B, S), as the indexer folds them: segments that share nothing, each with its special tokens.
            mask: (B, S) bool.
            type_ids: (B, S), or None.

        Returns:
            (B, W, D), W being the length of the longest text with the special tokens of one segment.
        """
        assert self._max_length is not None
        max_length = self._max_length
        starts, ends = self._num_added_start_tokens, self._num_added_end_tokens
        content = max_length - self._num_added_tokens  # pieces of a window without its special tokens
        stride = content - self._overlap
        device, batch_size = token_ids.device, token_ids.size(0)
        folded_lengths = _lengths_of(mask)  # (B,)
        num_segments = (folded_lengths + max_length - 1) // max_length
        lengths = folded_lengths - num_segments * self._num_added_tokens  # (B,), special tokens left out
        # (B,), number of each text's last window
        last = ((lengths - content).clamp(min=0) + stride - 1) // stride
        num_windows = int(last.max()) + 1  # K

        # for each position of each window: the position of its piece in the folded text
        windows = torch.arange(num_windows, device=device).unsqueeze(1)  # (K, 1)
        places = torch.arange(max_length, device=device)  # (L,)
        pieces = windows * stride + places - starts  # (K, L), positions in the text without special tokens
        in_text = pieces // content * max_length + starts + pieces % content
        # (B, K, 1), pieces of each window without its special tokens
        sizes = (lengths.view(-1, 1, 1) - windows * stride).clamp(min=0, max=content)
        after = places - starts - sizes  # (B, K, L), 0 at the first end token
        at_end = folded_lengths.view(-1, 1, 1) - ends + after
        sources = torch.where(after < 0, in_text, at_end)
        sources = torch.where(places < starts, places, sources)
        attended = after < ends
        # a row of only padding has no end tokens to refer to
        sources = sources.masked_fill(~attended, 0).clamp(min=0).view(batch_size, -1)  # (B, K * L)
        used = (windows.squeeze(1) <= last.unsqueeze(1)).flatten()  # (B * K,)

        def cut(tensor: Tensor) -> Tensor:
            """The windows that have pieces, (windows, L)."""
            return tensor.gather(1, sources).view(-1, max_length)[used]

        kept = attended.flatten(0, 1)[used]
        ids = cut(token_ids).masked_fill(~kept, 0)
        found = self._run(ids, kept, None if type_ids is None else cut(type_ids))  # (windows, L, D)
        vectors = found.new_zeros(len(used), max_length, found.size(2))
        vectors = vectors.masked_scatter(used.view(-1, 1, 1), found).view(batch_size, -1, found.size(2))

        # for each position of a text: the window with its piece in the centre, and the position there
        places = torch.arange(int(lengths.max()) + self._num_added_tokens, device=device)  # (W,)
        pieces = (places - starts).expand(batch_size, -1)  # (B, W)
        chosen = torch.div(pieces - self._overlap // 2, stride, rounding_mode="floor")
        chosen = torch.minimum(chosen.clamp(min=0), last.unsqueeze(1))
        # end tokens are those of the last window
        chosen = torch.where(pieces < lengths.unsqueeze(1), chosen, last.unsqueeze(1))
        wanted = chosen * max_length + places - chosen * stride  # (B, W), in K * L
        is_piece = places < lengths.unsqueeze(1) + self._num_added_tokens
        return batched_index_select(vectors, wanted.masked_fill(~is_piece, 0))

    def _checked_type_ids(self, type_ids: Tensor) -> Tensor | None:
        """The type ids if the model has several of them, else None."""
        if is_exporting():  # an exported program cannot depend on values
            return type_ids if self._number_of_token_type_embeddings() else None
        largest = int(type_ids.max()) if type_ids.numel() else 0
        if largest == 0:
            return None
        known = self._number_of_token_type_embeddings()
        if largest >= known:
            raise ValueError(
                f"type_ids: expected ids below {known}, the number that the model has, got {largest}"
            )
        return type_ids

    def _number_of_token_type_embeddings(self) -> int:
        """The number of type ids of the model; can be overridden for other kinds of models."""
        return 3 if self.config.model_type == "xlnet" else int(getattr(self.config, "type_vocab_size", 0))

    def _fold_long_sequences(
        self, token_ids: Tensor, mask: Tensor, type_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Split texts into segments of `max_length` word pieces; can be overridden.

        Args:
            token_ids: (B, S), each segment with its special tokens.
            mask: (B, S) bool.
            type_ids: (B, S), or None.

        Returns:
            The same as (B * segments, max_length) each, padded with zeros.
        """
        assert self._max_length is not None
        max_length = self._max_length
        missing = -token_ids.size(1) % max_length

        def fold(tensor: Tensor) -> Tensor:
            return functional.pad(tensor, (0, missing)).view(-1, max_length)

        return fold(token_ids), fold(mask), None if type_ids is None else fold(type_ids)

    def _unfold_long_sequences(
        self, embeddings: Tensor, mask: Tensor, batch_size: int, num_segment_concat_wordpieces: int
    ) -> Tensor:
        """Undo the splitting: remove the special tokens of all segments except the first start and the last end.

        Args:
            embeddings: (B * segments, max_length, D).
            mask: (B * segments, max_length) bool, as `_fold_long_sequences` returned it.
            batch_size: B.
            num_segment_concat_wordpieces: S, the length of the longest text with the special tokens of its segments.

        Returns:
            (B, W, D), W being the length of the longest text with the special tokens of one segment.
        """
        segments = embeddings.view(batch_size, -1, *embeddings.shape[1:])  # (B, segments, L, D)
        num_segments, max_length = segments.shape[1:3]
        mask = mask.view(batch_size, -1)  # (B, segments * L)
        num_pieces = num_segment_concat_wordpieces - (num_segments - 1) * self._num_added_tokens
        lengths = _lengths_of(mask)
        starts, ends = self._num_added_start_tokens, self._num_added_end_tokens
        pieces = segments.flatten(1, 2)  # (B, segments * L, D)
        content = segments[:, :, starts : max_length - ends].flatten(1, 2)
        joined = torch.cat(
            [pieces[:, :starts], content, content.new_zeros(batch_size, ends, content.size(2))], dim=1
        )
        if ends:
            # The end tokens of the last segment move to right after the last content.
            last = torch.arange(ends, device=mask.device)
            sources = (lengths.unsqueeze(1) - ends + last).clamp(min=0)  # (B, ends)
            num_used = (lengths + max_length - 1) // max_length  # segments with any content
            targets = starts + (lengths - num_used * self._num_added_tokens).unsqueeze(1) + last
            ending = batched_index_select(pieces, sources)  # (B, ends, D)
            joined = joined.scatter(1, targets.unsqueeze(2).expand_as(ending), ending)
        return joined[:, :num_pieces]


def _lengths_of(mask: Tensor) -> Tensor:
    """The lengths (B,) of folded texts from their mask (B, S); padding must be at the end."""
    lengths = mask.sum(1)
    if not torch.equal(mask, torch.arange(mask.size(1), device=mask.device) < lengths.unsqueeze(1)):
        raise ValueError(
            "segment_concat_mask: texts longer than max_length need all of their padding at the end"
        )
    return lengths


def _num_positions(model: nn.Module) -> int | None:
    """The maximum length of a text for a model with learned positions; None for other models."""
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in ("position_embeddings", "wpe") and isinstance(module, nn.Embedding):
            # Models with a position for padding start to count after it.
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - first
    return None


def _set_gradient_checkpointing(model: Any, is_on: bool) -> None:
    """Enable or disable gradient checkpointing, and record it in the model's configuration."""
    model.config.gradient_checkpointing = is_on
    verb = "enable" if is_on else "disable"
    for noun in ("activation", "gradient"):  # the names in later and in earlier versions
        switch = getattr(model, f"{noun}_checkpointing_{verb}", None)
        if switch is not None:
            switch()
            return
