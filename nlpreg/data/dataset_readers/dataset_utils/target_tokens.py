"""Words that a language model should predict, as tokens."""

from __future__ import annotations

from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer

__all__ = ["TargetTokenizer"]


class TargetTokenizer:
    """Makes tokens of target words with the ids that a tokenizer gives their first pieces.

    Args:
        tokenizer: splits the text that the targets belong to.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        from nlpreg.data.tokenizers.pretrained_transformer_tokenizer import PretrainedTransformerTokenizer

        if isinstance(tokenizer, PretrainedTransformerTokenizer):
            # a target stands alone, without the special tokens that surround a text
            self._tokenizer = PretrainedTransformerTokenizer(
                tokenizer.tokenizer.name_or_path, add_special_tokens=False
            )

    def first_piece(self, target: str) -> Token:
        """A token with the whole target as its text, and the ids of its first piece.

        Raises:
            ValueError: the tokenizer makes nothing of the target.
        """
        pieces = self._tokenizer.tokenize(target)
        if not pieces:
            raise ValueError(f"expected a target with at least one token, got {target!r}")
        return Token(target, text_id=pieces[0].text_id, type_id=pieces[0].type_id)
