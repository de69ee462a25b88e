"""Splitting at white space."""

from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer


@Tokenizer.register("whitespace")
@Tokenizer.register("just_spaces")
class WhitespaceTokenizer(Tokenizer):
    """Splits a text at white space, including Unicode white space."""

    def tokenize(self, text: str) -> list[Token]:
        """A token, with only a text, for each run of characters that are not white space."""
        return [Token(word) for word in text.split()]

    def split_words(self, text: str) -> list[str]:
        """The texts of the tokens."""
        return text.split()
