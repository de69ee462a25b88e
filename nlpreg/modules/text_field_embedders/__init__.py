"""Vectors of text fields."""

from nlpreg.modules.text_field_embedders.basic_text_field_embedder import BasicTextFieldEmbedder
from nlpreg.modules.text_field_embedders.text_field_embedder import TextFieldEmbedder

__all__ = ["BasicTextFieldEmbedder", "TextFieldEmbedder"]
