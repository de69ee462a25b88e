"""The word pieces of a pretrained transformer."""

import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpreg.common import cached_transformers
from nlpreg.common.checks import ConfigurationError, argument_ranges
from nlpreg.common.imports import optional
from nlpreg.data.tokenizers.pretrained_transformer_tokenizer import PretrainedTransformerTokenizer
from nlpreg.modules.scalar_mix import ScalarMix
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder
from nlpreg.nn.util import batched_index_select

logger = logging.getLogger(__name__)

# B texts, W word pieces, S word pieces with the special tokens of every segment, L max_length, D width of the vectors


@TokenEmbedder.register("pretrained_transformer")
class PretrainedTransformerEmbedder(TokenEmbedder):
    """Embeds word pieces with a pretrained transformer of the `transformers` library.

    Args:
        model_name: name on the hub, or folder; the same as for the tokenizer and the indexer.
        max_length: length of the segments that longer texts are cut into; the same as for the indexer.
        sub_module: attribute of the model to use instead of the whole, for example `encoder`.
        train_parameters: whether the transformer is trained.
        eval_mode: whether the transformer stays in evaluation mode, without dropout, in training.
        last_layer_only: whether to take the last layer; otherwise a learned mix of all.
        override_weights_file: path or URL of a state dict to load instead of the pretrained weights.
        override_weights_strip_prefix: prefix of the names in that file.
        reinit_modules: what to initialise again: the last n layers, the layers of these indices, or the modules whose names one
            of these regular expressions finds.
        load_weights: whether to load weights at all; false when those of an archive follow.
        gradient_checkpointing: whether to compute activations again in the backward pass rather than keep them; None to
            leave it as the model has it.
        tokenizer_kwargs: further arguments for loading the tokenizer.
        transformer_kwargs: further arguments for loading the transformer.
        lora: trains low-rank adapters instead of the transformer's own weights, which stay as they are: arguments of `peft`'s
            `LoraConfig`, such as {"r": 8, "lora_alpha": 16, "target_modules": ["query", "value"]} (extra `lora`).

    Shape:
        token_ids (B, S) ids, mask (B, W) bool, type_ids (B, S) or None, segment_concat_mask (B, S) bool or None
        -> (B, W, D). Without `max_length`, S is W.

    Raises:
        ConfigurationError: in `forward`, for a text, or a segment, longer than the model takes.
        ValueError: in `forward`, for a type id that the model does not have, and for a text of several segments whose
            padding is not at its end. With `lora`, for modules that the transformer does not have.

    Source: LoRA: Hu et al. (2022), https://arxiv.org/abs/2106.09685
    """

    check_arguments = argument_ranges(sizes=("max_length",))

    # Buffers that archives of older versions of the library lack.
    authorized_missing_keys = [r"position_ids$"]

    def __init__(
        self,
        model_name: str,
        *,
        max_length: int | None = None,
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
    ) -> None:
        super().__init__()
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

        self.train_parameters = train_parameters
        if not train_parameters:
            for parameter in self.transformer_model.parameters():
                parameter.requires_grad = False
        if lora is not None:
            self._add_adapters(lora)
        self.eval_mode = eval_mode
        if eval_mode:
            self.transformer_model.eval()

    def _add_adapters(self, lora: dict[str, Any]) -> None:
        """Put low-rank adapters into the transformer and freeze everything else."""
        peft = optional("peft", extra="lora")
        peft.inject_adapter_in_model(peft.LoraConfig(**lora), self.transformer_model)

    def _fit_to_tokenizer(self, num_tokens: int, model_name: str) -> None:
        """Make the table of word pieces as long as the tokenizer's."""
        try:
            if self.transformer_model.get_input_embeddings().num_embeddings != num_tokens:
                self.transformer_model.resize_token_embeddings(num_tokens)
        except (AttributeError, NotImplementedError):
            logger.warning(
                "%s: could not fit its table of word pieces to the tokenizer's %d", model_name, num_tokens
            )

    def train(self, mode: bool = True) -> "PretrainedTransformerEmbedder":
        """Switch to training or evaluation, but for a transformer that stays in evaluation mode."""
        super().train(mode)
        if self.eval_mode:
            self.transformer_model.eval()
        return self

    def get_output_dim(self) -> int:
        """Width of the vector of each word piece."""
        return self.output_dim

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
        folded_ids, folded_mask, folded_types = self._fold_long_sequences(token_ids, attended, type_ids)
        segments = self._run(folded_ids, folded_mask, folded_types)  # (B * segments, L, D)
        unfolded = self._unfold_long_sequences(segments, folded_mask, batch_size, num_pieces)
        return unfolded[:, : mask.size(1)]

    def _run(self, token_ids: Tensor, mask: Tensor, type_ids: Tensor | None) -> Tensor:
        """The vectors (B, S, D) of texts that need no cutting."""
        if not token_ids.size(1):
            return torch.zeros(*token_ids.shape, self.output_dim, device=token_ids.device)
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

    def _checked_type_ids(self, type_ids: Tensor) -> Tensor | None:
        """The type ids if the model knows them, or None if they say nothing."""
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
        """How many type ids the model knows; a subclass for another kind of model may say so here."""
        return 3 if self.config.model_type == "xlnet" else int(getattr(self.config, "type_vocab_size", 0))

    def _fold_long_sequences(
        self, token_ids: Tensor, mask: Tensor, type_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Cut texts into segments of `max_length` word pieces; a subclass may cut them in another way.

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
        """Undo the cutting: take out the special tokens of all segments but the first start and the last end.

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
        lengths = mask.sum(1)  # (B,)
        if not torch.equal(mask, torch.arange(mask.size(1), device=mask.device) < lengths.unsqueeze(1)):
            raise ValueError(
                "segment_concat_mask: texts longer than max_length need all of their padding at the end"
            )
        starts, ends = self._num_added_start_tokens, self._num_added_end_tokens
        pieces = segments.flatten(1, 2)  # (B, segments * L, D)
        content = segments[:, :, starts : max_length - ends].flatten(1, 2)
        joined = torch.cat(
            [pieces[:, :starts], content, content.new_zeros(batch_size, ends, content.size(2))], dim=1
        )
        if ends:
            # The end tokens of the last segment move to just behind the last content.
            last = torch.arange(ends, device=mask.device)
            sources = (lengths.unsqueeze(1) - ends + last).clamp(min=0)  # (B, ends)
            num_used = (lengths + max_length - 1) // max_length  # segments with anything in them
            targets = starts + (lengths - num_used * self._num_added_tokens).unsqueeze(1) + last
            ending = batched_index_select(pieces, sources)  # (B, ends, D)
            joined = joined.scatter(1, targets.unsqueeze(2).expand_as(ending), ending)
        return joined[:, :num_pieces]


def _num_positions(model: nn.Module) -> int | None:
    """The longest text that a model with learned positions takes; None for other models."""
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in ("position_embeddings", "wpe") and isinstance(module, nn.Embedding):
            # Models that leave the position of padding out begin to count behind it.
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - first
    return None


def _set_gradient_checkpointing(model: Any, is_on: bool) -> None:
    """Write the choice into the model's configuration, and carry it out."""
    model.config.gradient_checkpointing = is_on
    verb = "enable" if is_on else "disable"
    for noun in ("activation", "gradient"):  # the later versions' word, and the earlier ones'
        switch = getattr(model, f"{noun}_checkpointing_{verb}", None)
        if switch is not None:
            switch()
            return
