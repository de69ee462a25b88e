"""A token of a text."""

from dataclasses import dataclass, fields


@dataclass(init=False, repr=False, slots=True)
class Token:
    """A token of a text with its annotations, which are None if unknown.

    A spaCy token has attributes of the same names and can be used wherever a `Token` is expected. Two tokens
    are equal if all of their fields are; tokens are not hashable, since they can be changed.

    Args:
        text: the token itself.
        idx: offset of its first character in the text.
        idx_end: offset of the character after its last one.
        lemma_: its lemma.
        pos_: its universal part of speech.
        tag_: its part of speech in the scheme of the language or the tagger.
        dep_: its dependency relation to its head.
        ent_type_: the type of the entity that it belongs to.
        text_id: its id, for indexers that do not use the vocabulary.
        type_id: its segment, for models with several segments.

    Raises:
        AssertionError: `text` is neither a string nor None.
    """

    text: str | None = None
    idx: int | None = None
    idx_end: int | None = None
    lemma_: str | None = None
    pos_: str | None = None
    tag_: str | None = None
    dep_: str | None = None
    ent_type_: str | None = None
    text_id: int | None = None
    type_id: int | None = None

    def __init__(
        self,
        text: str | None = None,
        idx: int | None = None,
        idx_end: int | None = None,
        lemma_: str | None = None,
        pos_: str | None = None,
        tag_: str | None = None,
        dep_: str | None = None,
        ent_type_: str | None = None,
        text_id: int | None = None,
        type_id: int | None = None,
    ) -> None:
        # written out instead of using `__post_init__`, for speed: a corpus has millions of tokens
        assert text is None or isinstance(text, str), (
            f"Token: expected text to be a str or None, got {text!r}"
        )
        self.text = text
        self.idx = idx
        self.idx_end = idx_end
        self.lemma_ = lemma_
        self.pos_ = pos_
        self.tag_ = tag_
        self.dep_ = dep_
        self.ent_type_ = ent_type_
        self.text_id = text_id
        self.type_id = type_id

    def __str__(self) -> str:
        return str(self.text)

    def __repr__(self) -> str:
        return str(self.text)

    def ensure_text(self) -> str:
        """The text.

        Raises:
            ValueError: there is none.
        """
        if self.text is None:
            raise ValueError(
                f"expected a token with text, got one without ({show_token(self)}); "
                "choose a tokenizer that sets it, or an indexer that does not need it"
            )
        return self.text


def show_token(token: Token) -> str:
    """All known attributes of a token, on one line."""
    details = ", ".join(f"{field.name}={getattr(token, field.name, None)!r}" for field in fields(Token)[1:])
    return f"{token.text} ({details})"
