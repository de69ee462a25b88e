"""Tokenizers: from text to tokens."""

from nlpreg.data.tokenizers.character_tokenizer import CharacterTokenizer
from nlpreg.data.tokenizers.english_tokenizer import EnglishSentenceSplitter, EnglishTokenizer
from nlpreg.data.tokenizers.letters_digits_tokenizer import LettersDigitsTokenizer
from nlpreg.data.tokenizers.pretrained_transformer_tokenizer import PretrainedTransformerTokenizer
from nlpreg.data.tokenizers.sentence_splitter import SentenceSplitter, SpacySentenceSplitter
from nlpreg.data.tokenizers.spacy_tokenizer import SpacyTokenizer
from nlpreg.data.tokenizers.subword_tokenizer import SubwordTokenizer
from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer
from nlpreg.data.tokenizers.whitespace_tokenizer import WhitespaceTokenizer

__all__ = [
    "CharacterTokenizer",
    "EnglishSentenceSplitter",
    "EnglishTokenizer",
    "LettersDigitsTokenizer",
    "PretrainedTransformerTokenizer",
    "SentenceSplitter",
    "SpacySentenceSplitter",
    "SpacyTokenizer",
    "SubwordTokenizer",
    "Token",
    "Tokenizer",
    "WhitespaceTokenizer",
]
