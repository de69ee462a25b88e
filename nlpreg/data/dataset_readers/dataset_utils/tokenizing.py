"""Tokenizing in the cheapest form that loses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from nlpreg.data.fields.text_field import TextField
from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer
from nlpreg.data.whole_list import speaks_for

__all__ = ["Words", "text_field_of", "words_or_tokens"]

Words = Union[list[str], list[Token]]
"""A tokenized text: plain words where they say everything, tokens otherwise."""


def words_or_tokens(tokenizer: Tokenizer, text: str) -> Words:
    """The tokens of a text; as plain words if the tokenizer knows nothing more about them."""
    if speaks_for(type(tokenizer), "split_words", "tokenize"):
        words = tokenizer.split_words(text)
        if words is not None:
            return words
    return tokenizer.tokenize(text)


def text_field_of(tokens: Sequence[str] | Sequence[Token]) -> TextField:
    """A text field, without indexers, of tokens or of plain words."""
    # Any: a sequence of both kinds is nobody's, and a look at every item would cost more than the field
    items: list[Any] = tokens if isinstance(tokens, list) else list(tokens)
    if not items or isinstance(items[0], str):
        return TextField.from_words(items)
    return TextField(items)
