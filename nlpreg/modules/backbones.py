"""Backbones: encoders that the heads of a multitask model share."""

from typing import Any, ClassVar

from torch import nn

from nlpreg.common import Registrable
from nlpreg.data import TextFieldTensors, Vocabulary
from nlpreg.modules.seq2seq_encoders import Seq2SeqEncoder
from nlpreg.modules.text_field_embedders import TextFieldEmbedder
from nlpreg.modules.token_embedders import PretrainedTransformerEmbedder
from nlpreg.nn.util import get_text_field_mask, get_token_ids_from_text_field_tensors


class Backbone(nn.Module, Registrable):
    """The part of a model for several tasks that all tasks share.

    The parameters of its `forward` are named after fields of the instances. It returns a dict, of which each head gets the
    entries that its `forward` has parameters for.
    """

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add readable outputs to the model's outputs; modifies the dict."""
        return output_dict


@Backbone.register("text")
class TextBackbone(Backbone):
    """Embeds a text and, with an encoder, encodes it.

    Args:
        text_field_embedder: embeds the text.
        encoder: encodes it, if given.

    Shape:
        text: the tensors of a text field, T tokens in the longest of B texts -> `encoded_text` (B, T, D) and
        `encoded_text_mask` (B, T).
    """

    dimension_chain: ClassVar[tuple[str, ...]] = ("text_field_embedder", "encoder")

    def __init__(self, text_field_embedder: TextFieldEmbedder, encoder: Seq2SeqEncoder | None = None) -> None:
        super().__init__()
        self._text_field_embedder = text_field_embedder
        self._encoder = encoder

    def forward(self, text: TextFieldTensors) -> dict[str, Any]:
        """The encoded text and its mask."""
        mask = get_text_field_mask(text)
        encoded = self._text_field_embedder(text)
        if self._encoder is not None:
            encoded = self._encoder(encoded, mask)
        return {"encoded_text": encoded, "encoded_text_mask": mask}


@Backbone.register("pretrained_transformer")
class PretrainedTransformerBackbone(Backbone):
    """Encodes a text by a pretrained transformer.

    Args:
        vocab: has the word pieces, for readable outputs.
        model_name: name or folder of the transformer.
        max_length: maximum number of word pieces to encode at once; longer texts are encoded in segments.
        sub_module: part of the transformer to use, such as `encoder`; by default all of it.
        train_parameters: whether the transformer is trained too.
        last_layer_only: whether to use the last layer instead of a mix of all.
        override_weights_file: weights to use instead of the transformer's own.
        output_token_strings: whether readable outputs show the word pieces, under `tokens`.
        vocab_namespace: the namespace of the word pieces.

    Shape:
        text: the tensors of a text field with one pretrained transformer's indexer, W word pieces in the longest of B
        texts -> `encoded_text` (B, W, D), `encoded_text_mask` (B, W) and `token_ids` (B, W).
    """

    def __init__(
        self,
        vocab: Vocabulary,
        model_name: str,
        *,
        max_length: int | None = None,
        sub_module: str | None = None,
        train_parameters: bool = True,
        last_layer_only: bool = True,
        override_weights_file: str | None = None,
        output_token_strings: bool = True,
        vocab_namespace: str = "tags",
    ) -> None:
        super().__init__()
        self._vocab = vocab
        self._namespace = vocab_namespace
        self._output_token_strings = output_token_strings
        self._embedder = PretrainedTransformerEmbedder(
            model_name,
            max_length=max_length,
            sub_module=sub_module,
            train_parameters=train_parameters,
            last_layer_only=last_layer_only,
            override_weights_file=override_weights_file,
        )

    def forward(self, text: TextFieldTensors) -> dict[str, Any]:
        """The encoded text, its mask and its ids.

        Raises:
            ValueError: the text has several indexers.
        """
        if len(text) != 1:
            raise ValueError(f"text: expected the tensors of one indexer, got those of {sorted(text)}")
        return {
            "encoded_text": self._embedder(**next(iter(text.values()))),
            "encoded_text_mask": get_text_field_mask(text),
            "token_ids": get_token_ids_from_text_field_tensors(text),
        }

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add `tokens`, the word pieces of each text, if requested."""
        if self._output_token_strings and "token_ids" in output_dict:
            output_dict["tokens"] = [
                [self._vocab.get_token_from_index(token_id, self._namespace) for token_id in text]
                for text in output_dict["token_ids"].tolist()
            ]
        return output_dict
