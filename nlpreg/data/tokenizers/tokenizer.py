"""The base class of tokenizers."""

from __future__ import annotations

from collections.abc import Sequence

from nlpreg.common.registrable import Registrable
from nlpreg.data.tokenizers.detokenizing import join_words
from nlpreg.data.tokenizers.token_class import Token


class Tokenizer(Registrable):
    """Splits a text into tokens: words, pieces of words, or characters."""

    default_implementation = "spacy"

    def tokenize(self, text: str) -> list[Token]:
        """The tokens of one text; a subclass must write this."""
        raise NotImplementedError(f"{type(self).__name__} has no tokenize")

    def batch_tokenize(self, texts: Sequence[str]) -> list[list[Token]]:
        """The tokens of each text; worth overriding where many texts at once are cheaper."""
        return [self.tokenize(text) for text in texts]

    def split_words(self, text: str) -> list[str] | None:
        """The texts of the tokens where that is all they hold, else None; then ask `tokenize`.

        Nobody needs to write this. A tokenizer whose tokens have a text and nothing else may, and saves the
        making of a `Token` for each word where only words are asked for; see `TextField.from_text`.
        """
        return None

    def detokenize(self, tokens: Sequence[str]) -> str:
        """A text that reads as one from the texts of its tokens, such as a language model generates.

        It need not be the text that was split, where the tokens do not say. By default words are put together by the
        usual spacing of English; worth overriding for tokens that are no words.
        """
        return join_words(tokens)

    def add_special_tokens(self, tokens1: list[Token], tokens2: list[Token] | None = None) -> list[Token]:
        """One or two sequences as one, with the special tokens that a model wants around them; here none."""
        return tokens1 + (tokens2 or [])

    def num_special_tokens_for_sequence(self) -> int:
        """How many tokens `add_special_tokens` adds to one sequence."""
        return 0

    def num_special_tokens_for_pair(self) -> int:
        """How many tokens `add_special_tokens` adds to two sequences."""
        return 0
