"""What the readers have in common whose models predict words of a text."""

from __future__ import annotations

from typing import Any

from nlpreg.data.dataset_readers.dataset_utils.target_tokens import target_token
from nlpreg.data.dataset_readers.text_file_reader import TextFileReader
from nlpreg.data.fields.text_field import TextField
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer
from nlpreg.data.tokenizers.whitespace_tokenizer import WhitespaceTokenizer


class TargetWordsReader(TextFileReader):
    """Makes instances with a text, `tokens`, and if they are known the words to predict, `target_ids`, each as one token.

    Args:
        tokenizer: splits texts; at white space unless given.
        token_indexers: the indexers of both texts; single ids under the name "tokens" unless given.
        **kwargs: arguments of `TextFileReader`.
    """

    text_field_names = ("tokens", "target_ids")

    def __init__(
        self,
        tokenizer: Tokenizer | None = None,
        token_indexers: dict[str, TokenIndexer] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(token_indexers=token_indexers, **kwargs)
        self._tokenizer = tokenizer or WhitespaceTokenizer()

    def _tokens_of(self, sentence: str | None, tokens: list[Token] | None) -> list[Token]:
        """The tokens of a text that is given as text or as tokens.

        Raises:
            ValueError: neither is given.
        """
        if tokens is not None:
            return tokens
        if sentence is None:
            raise ValueError(f"{type(self).__name__}: expected a sentence or its tokens, got neither")
        return self._tokenizer.tokenize(sentence)

    def _targets(self, words: list[str]) -> TextField:
        """The field of the words to predict."""
        return TextField([target_token(self._tokenizer, word) for word in words])
