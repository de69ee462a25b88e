"""Features of the form of a word: affixes, capitalisation and shape."""

import re
from collections.abc import Sequence
from typing import Literal

from nlpreg.common.checks import ConfigurationError, PositiveInt, check_at_least
from nlpreg.data.token_indexers.single_id_token_indexer import SingleIdTokenIndexer
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.token_class import Token


class WordFormIndexer(SingleIdTokenIndexer):
    """Base of indexers that give each token the id of a feature of its text.

    A subclass implements `feature_of`. The features are entries of the vocabulary, so features that are rare in the training
    data can be excluded by the vocabulary's `min_count`.

    Args:
        namespace: namespace of the vocabulary that holds the features.
        token_min_padding_length: pad to this many tokens at least.

    Shape:
        `{"tokens": (num_tokens,)}`.

    Raises:
        ValueError: when counting or indexing, a token without text.
    """

    def __init__(self, namespace: str, token_min_padding_length: int = 0) -> None:
        super().__init__(namespace, token_min_padding_length=token_min_padding_length)

    def feature_of(self, word: str) -> str:
        """The feature of a word."""
        raise NotImplementedError(f"{type(self).__name__} has no feature_of")

    # a feature is not the text of a token
    indices_to_tokens = TokenIndexer.indices_to_tokens

    def indexes_words(self) -> bool:
        """True: only the text of a token is used."""
        return True

    def _entries_of(self, words: Sequence[str]) -> list[str]:
        return [self.feature_of(word) for word in words]

    def _get_feature_value(self, token: Token) -> str:
        return token.ensure_text()


@TokenIndexer.register("affix")
class AffixIndexer(WordFormIndexer):
    """Gives each token the id of its first or last characters: its prefix or suffix of a fixed length.

    A word that is shorter than the affix is its own affix. For several lengths, use several indexers, each with its own
    embedder.

    Args:
        side: "prefix" or "suffix".
        length: number of characters.
        lowercase_tokens: whether to take the affix of the lower-cased word.
        namespace: namespace of the vocabulary that holds the affixes; by default `<side>_<length>`.
        token_min_padding_length: pad to this many tokens at least.

    Shape:
        `{"tokens": (num_tokens,)}`.

    Raises:
        ConfigurationError: another `side`, or a `length` below 1.
    """

    def __init__(
        self,
        side: Literal["prefix", "suffix"] = "suffix",
        length: PositiveInt = 3,
        lowercase_tokens: bool = True,
        namespace: str | None = None,
        token_min_padding_length: int = 0,
    ) -> None:
        if side not in ("prefix", "suffix"):
            raise ConfigurationError(f"affix: side must be 'prefix' or 'suffix', got {side!r}")
        check_at_least(1, length=length)
        super().__init__(namespace or f"{side}_{length}", token_min_padding_length)
        self.side = side
        self.length = length
        self.lowercase_tokens = lowercase_tokens

    def feature_of(self, word: str) -> str:
        """The affix of a word."""
        if self.lowercase_tokens:
            word = word.lower()
        return word[: self.length] if self.side == "prefix" else word[-self.length :]


@TokenIndexer.register("casing")
class CasingIndexer(WordFormIndexer):
    """Gives each token the id of its capitalisation, one of eight classes.

    The classes are `lower`, `upper` (two cased characters or more), `initial` (the first character alone is upper case),
    `mixed`, `numeric` (digits, with `.,:/-` between them), `with_digit` (any other word with a digit), `punctuation` (no
    letter and no digit) and `other` (letters without case).

    Args:
        namespace: namespace of the vocabulary that holds the classes.
        token_min_padding_length: pad to this many tokens at least.

    Shape:
        `{"tokens": (num_tokens,)}`.
    """

    def __init__(self, namespace: str = "casing", token_min_padding_length: int = 0) -> None:
        super().__init__(namespace, token_min_padding_length)

    def feature_of(self, word: str) -> str:
        """The class of a word."""
        if _NUMBER.fullmatch(word):
            return "numeric"
        if any(character.isdigit() for character in word):
            return "with_digit"
        if not any(character.isalpha() for character in word):
            return "punctuation"
        if word.islower():
            return "lower"
        # One capital, as in "I" and "A.", is as often the start of a sentence as an abbreviation.
        if word.isupper():
            return "upper" if sum(character.isupper() for character in word) > 1 else "initial"
        if word[0].isupper() and word[1:].islower():
            return "initial"
        return "mixed" if any(character.isupper() for character in word) else "other"


_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")


@TokenIndexer.register("shape")
class ShapeIndexer(WordFormIndexer):
    """Gives each token the id of its shape: `McDonald's` is `XxXxx'x`, and `F-16` is `X-dd`.

    An upper-case letter becomes `X`, another letter `x`, a digit `d`; every other character stays. Of a run of equal
    symbols at most `max_run` are kept, so that words of different lengths share a shape.

    Args:
        max_run: maximum number of equal symbols in a row.
        max_length: maximum number of symbols.
        namespace: namespace of the vocabulary that holds the shapes.
        token_min_padding_length: pad to this many tokens at least.

    Shape:
        `{"tokens": (num_tokens,)}`.

    Raises:
        ConfigurationError: `max_run` or `max_length` below 1.
    """

    def __init__(
        self,
        max_run: PositiveInt = 2,
        max_length: PositiveInt = 8,
        namespace: str = "shape",
        token_min_padding_length: int = 0,
    ) -> None:
        check_at_least(1, max_run=max_run, max_length=max_length)
        super().__init__(namespace, token_min_padding_length)
        self.max_run = max_run
        self.max_length = max_length

    def feature_of(self, word: str) -> str:
        """The shape of a word."""
        symbols: list[str] = []
        for symbol in map(_symbol, word):
            if symbols[-self.max_run :] != [symbol] * self.max_run:
                symbols.append(symbol)
        return "".join(symbols[: self.max_length])


def _symbol(character: str) -> str:
    if character.isupper():
        return "X"
    if character.isalpha():
        return "x"
    return "d" if character.isdigit() else character
