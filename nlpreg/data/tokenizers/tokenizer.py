"""`Tokenizer`, the base class of tokenizers, and the joining of words into a readable text."""

from collections.abc import Sequence

from nlpreg.common.registrable import Registrable
from nlpreg.data.tokenizers.token_class import Token

_NO_SPACE_BEFORE = frozenset(
    [".", ",", ";", ":", "!", "?", "%", ")", "]", "}", "...", "…", "”", "’", "»", "'", "n't", "n’t"]
    + [
        quote + ending
        for quote in "'’"
        for ending in ("s", "re", "ve", "ll", "d", "m", "S", "RE", "VE", "LL", "D", "M")
    ]
)
_NO_SPACE_AFTER = frozenset(["(", "[", "{", "“", "‘", "«", "$", "£", "€", "#"])
# The rest of a contraction after an apostrophe that is a separate token: don ' t
_AFTER_APOSTROPHE = frozenset(["t", "s", "re", "ve", "ll", "d", "m"])
# Brackets and quotation marks in the Penn Treebank's notation.
_REPLACED = {
    "-LRB-": "(",
    "-RRB-": ")",
    "-LSB-": "[",
    "-RSB-": "]",
    "-LCB-": "{",
    "-RCB-": "}",
    "``": "“",
    "''": "”",
}
# Punctuation marks inside words and numbers in WikiText's notation: 1 @,@ 000
_INSIDE = {"@-@": "-", "@,@": ",", "@.@": "."}


class WordJoiner:
    """Joins words and punctuation marks, one after another, with spaces where English has them.

    The text of the first words does not depend on the following ones, so a text can be displayed while it is generated. It may
    differ from the original text, because the spacing is guessed.
    """

    def __init__(self) -> None:
        self._has_space = False  # whether the words so far allow a space before the next word
        self._is_quoted = False  # inside a pair of straight quotation marks
        self._previous = ""

    def add(self, word: str) -> str:
        """What the next word adds to the text."""
        if word in _INSIDE:
            self._has_space, self._previous = False, word
            return _INSIDE[word]
        shown = _REPLACED.get(word, word)
        is_contraction = self._previous in ("'", "’") and shown in _AFTER_APOSTROPHE
        is_closing = shown in _NO_SPACE_BEFORE or is_contraction or (shown == '"' and self._is_quoted)
        added = f" {shown}" if self._has_space and not is_closing else shown
        if shown == '"':
            self._is_quoted = not self._is_quoted
        self._has_space = shown not in _NO_SPACE_AFTER and not (shown == '"' and self._is_quoted)
        self._previous = shown
        return added


def join_words(words: Sequence[str]) -> str:
    """Words and punctuation marks as a text, see `WordJoiner`."""
    return "".join(map(WordJoiner().add, words))


class Tokenizer(Registrable):
    """Splits a text into tokens: words, pieces of words, or characters."""

    default_implementation = "spacy"
    _to_params = Registrable.all_arguments

    def tokenize(self, text: str) -> list[Token]:
        """The tokens of one text; subclasses must implement this."""
        raise NotImplementedError(f"{type(self).__name__} has no tokenize")

    def batch_tokenize(self, texts: Sequence[str]) -> list[list[Token]]:
        """The tokens of each text; can be overridden if many texts are faster at once."""
        return [self.tokenize(text) for text in texts]

    def split_words(self, text: str) -> list[str] | None:
        """The texts of the tokens if these have no other attributes; otherwise None, and callers use `tokenize`.

        Optional: a tokenizer whose tokens have only a text can override this to avoid a `Token` object for each word;
        see `TextField.from_text`.
        """
        return None

    def detokenize(self, tokens: Sequence[str]) -> str:
        """A readable text from the texts of its tokens, such as those that a language model generates.

        It may differ from the original text if the tokens do not determine it. By default words are joined with the
        usual spacing of English; tokenizers whose tokens are not words should override this.
        """
        return join_words(tokens)

    def add_special_tokens(self, tokens1: list[Token], tokens2: list[Token] | None = None) -> list[Token]:
        """Join one or two sequences and add the special tokens of a model; none by default."""
        return tokens1 + (tokens2 or [])

    def num_special_tokens_for_sequence(self) -> int:
        """The number of tokens that `add_special_tokens` adds to one sequence."""
        return len(self.add_special_tokens([]))

    def num_special_tokens_for_pair(self) -> int:
        """The number of tokens that `add_special_tokens` adds to two sequences."""
        return len(self.add_special_tokens([], []))
