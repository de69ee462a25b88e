"""Unicode code points of characters, which need no vocabulary."""

from collections.abc import Sequence

from nlpreg.data.token_indexers.token_characters_indexer import TokenCharactersIndexer
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.character_tokenizer import CharacterTokenizer


class _CodePointTokenizer(CharacterTokenizer):
    """Splits a text into its characters, each with its code point + 1 as `text_id`, since 0 is padding."""

    def __init__(self) -> None:
        super().__init__()

    def plain_words(self, words: Sequence[str]) -> Sequence[str] | None:
        """None: nothing is looked up."""
        return None

    def _body(self, text: str) -> Sequence[str | int]:
        return [ord(character) + 1 for character in text]


@TokenIndexer.register("code_points")
class CodePointsIndexer(TokenCharactersIndexer):
    """Gives each token the code points of its characters, for `character_language_model`, which has its own vocabulary.

    Args:
        token_min_padding_length: pad to at least this many tokens.

    Shape:
        `{"token_characters": (num_tokens, num_characters)}`, code points + 1, 0 at padding.

    Raises:
        ConfigurationError: when indexing, a token without text.
    """

    def __init__(self, token_min_padding_length: int = 0) -> None:
        super().__init__(
            character_tokenizer=_CodePointTokenizer(),
            min_padding_length=1,
            token_min_padding_length=token_min_padding_length,
        )
