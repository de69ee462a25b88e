"""Texts and the word that follows them."""

from __future__ import annotations

from typing import Any

from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.target_tokens import target_token
from nlpreg.data.dataset_readers.text_file_reader import TextFileReader
from nlpreg.data.fields.field import Field
from nlpreg.data.fields.text_field import TextField
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer
from nlpreg.data.tokenizers.whitespace_tokenizer import WhitespaceTokenizer


@DatasetReader.register("next_token_lm")
class NextTokenLMReader(TextFileReader):
    """Makes instances of a text and the next word, mostly for predictors; of a file, the last word of each line is the target.

    Fields: `tokens`; `target_ids`, a text of one token, if the target is known.

    Args:
        tokenizer: splits texts; at white space unless given.
        token_indexers: the indexers of both texts; single ids under the name "tokens" unless given.
        max_tokens: how many of the last tokens of a text are kept; all unless given.
        **kwargs: arguments of `TextFileReader`.
    """

    text_field_names = ("tokens", "target_ids")

    def __init__(
        self,
        tokenizer: Tokenizer | None = None,
        token_indexers: dict[str, TokenIndexer] | None = None,
        max_tokens: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(token_indexers=token_indexers, **kwargs)
        self._tokenizer = tokenizer or WhitespaceTokenizer()
        self._max_tokens = max_tokens

    def text_to_instance(
        self, sentence: str | None = None, tokens: list[Token] | None = None, target: str | None = None
    ) -> Instance:
        """A text, given as text or as tokens, and the word that follows it if that is known.

        Raises:
            ValueError: neither text nor tokens given.
        """
        if tokens is None:
            if sentence is None:
                raise ValueError("next_token_lm: expected a sentence or its tokens, got neither")
            tokens = self._tokenizer.tokenize(sentence)
        if self._max_tokens is not None:
            tokens = tokens[max(0, len(tokens) - self._max_tokens) :]
        fields: dict[str, Field[Any]] = {"tokens": TextField(tokens)}
        if target is not None:
            fields["target_ids"] = TextField([target_token(self._tokenizer, target)])
        return Instance(fields)

    def _instance_of(self, unit: str, file: str, line: int) -> Instance | None:
        words = unit.split()
        if len(words) < 2:
            return None
        return self.text_to_instance(sentence=" ".join(words[:-1]), target=words[-1])
