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
# The rest of a contraction after an apostrophe that is a token: don ' t
_AFTER_APOSTROPHE = frozenset(["t", "s", "re", "ve", "ll", "d", "m"])
# Brackets and quotation marks as the Penn Treebank writes them.
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
# Marks inside words and numbers as WikiText writes them: 1 @,@ 000
_INSIDE = {"@-@": "-", "@,@": ",", "@.@": "."}


def join_words(words: Sequence[str]) -> str:
    """Words and punctuation marks as a text, with spaces where English has them.

    The text of the first words does not depend on the following ones, so a text can be shown while it grows. It may
    differ from the original text: where spacing is lost, the usual one is assumed.
    """
    parts: list[str] = []
    has_space = False  # whether a space comes before the next word, as far as the words before it say
    is_quoted = False  # inside a pair of straight quotation marks
    previous = ""
    for word in words:
        if word in _INSIDE:
            parts.append(_INSIDE[word])
            has_space, previous = False, word
            continue
        shown = _REPLACED.get(word, word)
        is_contraction = previous in ("'", "’") and shown in _AFTER_APOSTROPHE
        is_closing = shown in _NO_SPACE_BEFORE or is_contraction or (shown == '"' and is_quoted)
        if has_space and not is_closing:
            parts.append(" ")
        parts.append(shown)
        if shown == '"':
            is_quoted = not is_quoted
        has_space = shown not in _NO_SPACE_AFTER and not (shown == '"' and is_quoted)
        previous = shown
    return "".join(parts)


class Tokenizer(Registrable):
    """Splits a text into tokens: words, pieces of words, or characters."""

    default_implementation = "spacy"
    _to_params = Registrable.all_arguments

    def tokenize(self, text: str) -> list[Token]:
        """The tokens of one text; a subclass must write this."""
        raise NotImplementedError(f"{type(self).__name__} has no tokenize")

    def batch_tokenize(self, texts: Sequence[str]) -> list[list[Token]]:
        """The tokens of each text; override it if many texts at once are faster."""
        return [self.tokenize(text) for text in texts]

    def split_words(self, text: str) -> list[str] | None:
        """The texts of the tokens if these have nothing else; otherwise None, and `tokenize` is to be used.

        Optional: a tokenizer whose tokens have only a text can override it, which saves making a `Token` for each word;
        see `TextField.from_text`.
        """
        return None

    def detokenize(self, tokens: Sequence[str]) -> str:
        """A text that reads as one from the texts of its tokens, such as a language model generates.

        It may differ from the original text where the tokens do not determine it. By default words are joined with the
        usual spacing of English; override it for tokens that are not words.
        """
        return join_words(tokens)

    def add_special_tokens(self, tokens1: list[Token], tokens2: list[Token] | None = None) -> list[Token]:
        """Join one or two sequences and add the special tokens of a model; none by default."""
        return tokens1 + (tokens2 or [])

    def num_special_tokens_for_sequence(self) -> int:
        """How many tokens `add_special_tokens` adds to one sequence."""
        return 0

    def num_special_tokens_for_pair(self) -> int:
        """How many tokens `add_special_tokens` adds to two sequences."""
        return 0
