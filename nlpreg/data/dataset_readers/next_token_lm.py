"""Texts and the word that follows them."""

from typing import Any

from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.text_file_reader import TokenizingReader
from nlpreg.data.fields import Field, TextField
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers import PretrainedTransformerTokenizer, Token, Tokenizer


def _target_token(tokenizer: Tokenizer, target: str) -> Token:
    """A token with a whole target word as its text, and the ids of its first piece.

    Args:
        tokenizer: splits the text that the target belongs to.
        target: the word.

    Raises:
        ValueError: the tokenizer makes no token of the word.
    """
    pieces: list[Token]
    if isinstance(tokenizer, PretrainedTransformerTokenizer):
        # without the special tokens that would come before it
        tokens, (span,) = tokenizer.intra_word_tokenize([target])
        pieces = [] if span is None else tokens[span[0] :]
    else:
        pieces = tokenizer.tokenize(target)
    if not pieces:
        raise ValueError(f"expected a target with at least one token, got {target!r}")
    return Token(target, text_id=pieces[0].text_id, type_id=pieces[0].type_id)


class TargetWordsReader(TokenizingReader):
    """Base of readers that make a text, `tokens`, and the words to predict, if known: `target_ids`, one token for each.

    Args:
        tokenizer: splits texts; at white space unless given.
        token_indexers: the indexers of both texts; single ids under the name "tokens" unless given.
        **kwargs: arguments of `TextFileReader`.
    """

    text_field_names = ("tokens", "target_ids")

    def _tokens_of(self, sentence: str | None, tokens: list[Token] | None) -> list[Token]:
        """The tokens of a text that is given as a string or as tokens.

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
        return TextField([_target_token(self._tokenizer, word) for word in words])


@DatasetReader.register("next_token_lm")
class NextTokenLMReader(TargetWordsReader):
    """Makes instances of a text and the next word, mostly for predictors; in a file, the last word of each line is the target.

    Fields: `tokens`; `target_ids`, a text of one token, if the target is known.

    Args:
        tokenizer: splits texts; at white space unless given.
        token_indexers: the indexers of both texts; single ids under the name "tokens" unless given.
        max_tokens: number of tokens that are kept at the end of a text; by default all.
        **kwargs: arguments of `TextFileReader`.
    """

    def __init__(
        self,
        tokenizer: Tokenizer | None = None,
        token_indexers: dict[str, TokenIndexer] | None = None,
        max_tokens: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(tokenizer, token_indexers, **kwargs)
        self._max_tokens = max_tokens

    def text_to_instance(
        self, sentence: str | None = None, tokens: list[Token] | None = None, target: str | None = None
    ) -> Instance:
        """A text, given as a string or as tokens, and the word that follows it if known.

        Raises:
            ValueError: neither text nor tokens are given.
        """
        tokens = self._tokens_of(sentence, tokens)
        if self._max_tokens is not None:
            tokens = tokens[max(0, len(tokens) - self._max_tokens) :]
        fields: dict[str, Field[Any]] = {"tokens": TextField(tokens)}
        if target is not None:
            fields["target_ids"] = self._targets([target])
        return Instance(fields)

    def _instance_of(self, unit: str, file: str, line: int) -> Instance | None:
        words = unit.split()
        if len(words) < 2:
            return None
        return self.text_to_instance(sentence=" ".join(words[:-1]), target=words[-1])
