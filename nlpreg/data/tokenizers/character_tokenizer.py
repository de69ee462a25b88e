"""Splitting into characters or bytes."""

from collections.abc import Sequence

from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer


@Tokenizer.register("character")
class CharacterTokenizer(Tokenizer):
    """Splits a text into its characters or bytes.

    Args:
        byte_encoding: use the bytes of the text in this encoding ("utf-8") instead of its characters. The tokens then have
            no text but `text_id` = byte + 1, since 0 is padding, and need no vocabulary.
        lowercase_characters: whether to lower-case the text first.
        start_tokens: tokens before every text: a str is a text, an int a `text_id`.
        end_tokens: tokens after every text, as `start_tokens`.
    """

    def __init__(
        self,
        byte_encoding: str | None = None,
        lowercase_characters: bool = False,
        start_tokens: list[str | int] | None = None,
        end_tokens: list[str | int] | None = None,
    ) -> None:
        self._byte_encoding = byte_encoding
        self._lowercase_characters = lowercase_characters
        self._start_tokens = list(start_tokens or [])
        self._end_tokens = list(end_tokens or [])

    def tokenize(self, text: str) -> list[Token]:
        """A token for each of `symbols`."""
        return [
            *(_token(symbol, 0) for symbol in self._start_tokens),
            *(_token(symbol, None) for symbol in self._body(text)),
            *(_token(symbol, 0) for symbol in self._end_tokens),
        ]

    def split_words(self, text: str) -> list[str] | None:
        """The characters; None for bytes."""
        words = self.plain_words([text])
        return None if words is None else list(words[0])

    def detokenize(self, tokens: Sequence[str]) -> str:
        """The concatenation of the characters."""
        return "".join(tokens)

    def plain_words(self, words: Sequence[str]) -> Sequence[str] | None:
        """The words, lower-cased if requested, if their symbols are their characters; otherwise None."""
        if self._byte_encoding is not None or self._start_tokens or self._end_tokens:
            return None
        return [word.lower() for word in words] if self._lowercase_characters else words

    def symbols(self, text: str) -> list[str | int]:
        """The symbol of each token of `text`: a string to look up, or an int that is already an id."""
        return [*self._start_tokens, *self._body(text), *self._end_tokens]

    def _body(self, text: str) -> Sequence[str | int]:
        """The symbols of the text itself."""
        if self._lowercase_characters:
            text = text.lower()
        if self._byte_encoding is None:
            return list(text)
        return [byte + 1 for byte in text.encode(self._byte_encoding)]

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # equal by value, and open to change


def _token(symbol: str | int, idx: int | None) -> Token:
    return Token(text_id=symbol, idx=idx) if isinstance(symbol, int) else Token(symbol, idx)
