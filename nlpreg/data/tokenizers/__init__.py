"""Tokenizers: from text to tokens."""

from nlpreg.data.tokenizers.character_tokenizer import CharacterTokenizer
from nlpreg.data.tokenizers.letters_digits_tokenizer import LettersDigitsTokenizer
from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer
from nlpreg.data.tokenizers.whitespace_tokenizer import WhitespaceTokenizer

__all__ = [
    "CharacterTokenizer",
    "LettersDigitsTokenizer",
    "Token",
    "Tokenizer",
    "WhitespaceTokenizer",
]
