"""Splitting into runs of letters, runs of digits, and single other characters."""

import re

from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer

# `[^\W\d_]` is a letter: a word character that is neither a digit nor the underscore
_TOKEN = re.compile(r"[^\W\d_]+|\d+|\S")


@Tokenizer.register("letters_digits")
class LettersDigitsTokenizer(Tokenizer):
    """Splits between letters, digits and other characters: "in2words_!" becomes in 2 words _ !"""

    def tokenize(self, text: str) -> list[Token]:
        """Tokens with their text and the offset of their first character."""
        return [Token(match.group(), idx=match.start()) for match in _TOKEN.finditer(text)]
