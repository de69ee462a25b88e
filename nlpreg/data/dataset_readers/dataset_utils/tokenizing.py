"""Texts and tagged sentences as fields and instances, in the cheapest form that loses nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Union

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.fields.field import Field
from nlpreg.data.fields.metadata_field import MetadataField
from nlpreg.data.fields.sequence_label_field import SequenceLabelField
from nlpreg.data.fields.text_field import TextField
from nlpreg.data.instance import Instance
from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer
from nlpreg.data.whole_list import speaks_for

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


_known_strings: dict[str, str] = {}
_MOST_KNOWN_STRINGS = 1 << 15


def tagged_instance(
    tokens: Sequence[Token] | Sequence[str],
    tags: list[str] | None,
    label_namespace: str = "labels",
    features: Mapping[str, list[str]] | None = None,
) -> Instance:
    """One sentence as an instance with the fields `tokens`, `metadata` (its words under "words") and `tags`.

    Args:
        tokens: its tokens, or its words.
        tags: a tag for each, or None for a sentence that is not tagged.
        label_namespace: namespace of the tags.
        features: further tags; each name is that of the field and of its namespace.
    """
    text = text_field_of(_shared(tokens))
    fields: dict[str, Field[Any]] = {"tokens": text, "metadata": MetadataField({"words": text.words})}
    if tags is not None:
        fields["tags"] = SequenceLabelField(_shared(tags), text, label_namespace)
    for name, values in (features or {}).items():
        fields[name] = SequenceLabelField(_shared(values), text, name)
    return Instance(fields)


def _shared(items: Any) -> Any:
    """The same items; strings as objects that equal ones share, which take less memory and are hashed once."""
    if not items or type(items[0]) is not str:
        return items
    if len(_known_strings) > _MOST_KNOWN_STRINGS:
        _known_strings.clear()
    return list(map(_known_strings.setdefault, items, items))


def check_choice(reader: str, argument: str, value: object, choices: Sequence[object]) -> None:
    """Make sure that an argument has one of its possible values.

    Raises:
        ConfigurationError: it has not.
    """
    if value not in choices:
        known = ", ".join("null" if choice is None else repr(choice) for choice in choices)
        raise ConfigurationError(f"{reader}: {argument} must be one of {known}, got {value!r}")
