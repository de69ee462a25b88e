"""Words that a language model should predict, as tokens."""

from __future__ import annotations

from nlpreg.data.tokenizers.pretrained_transformer_tokenizer import PretrainedTransformerTokenizer
from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer

__all__ = ["target_token"]


def target_token(tokenizer: Tokenizer, target: str) -> Token:
    """A token with a whole target word as its text, and the ids of its first piece.

    Args:
        tokenizer: splits the text that the target belongs to.
        target: the word.

    Raises:
        ValueError: the tokenizer makes nothing of the word.
    """
    pieces: list[Token]
    if isinstance(tokenizer, PretrainedTransformerTokenizer):
        # not the special tokens that would come before it
        tokens, (place,) = tokenizer.intra_word_tokenize([target])
        pieces = [] if place is None else tokens[place[0] :]
    else:
        pieces = tokenizer.tokenize(target)
    if not pieces:
        raise ValueError(f"expected a target with at least one token, got {target!r}")
    return Token(target, text_id=pieces[0].text_id, type_id=pieces[0].type_id)
