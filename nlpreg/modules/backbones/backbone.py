"""The base of what encodes the input of several heads."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from nlpreg.common import Registrable
from nlpreg.data.fields.text_field import TextFieldTensors
from nlpreg.modules.seq2seq_encoders import Seq2SeqEncoder
from nlpreg.modules.text_field_embedders import TextFieldEmbedder
from nlpreg.nn.util import get_text_field_mask


class Backbone(nn.Module, Registrable):
    """The part of a model for several tasks that all tasks share.

    The parameters of its `forward` are named after fields of the instances; it returns a dict, and a head gets those
    entries that its own `forward` names.
    """

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add what a person wants to read to the model's outputs; changes the dict itself."""
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
