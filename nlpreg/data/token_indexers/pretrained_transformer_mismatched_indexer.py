"""The ids of the word pieces of a pretrained transformer, for texts split into words."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nlpreg.data.token_indexers.pretrained_transformer_indexer import PretrainedTransformerIndexer
from nlpreg.data.token_indexers.token_indexer import IndexedTokenList, TokenIndexer, VocabCounter
from nlpreg.data.tokenizers import PretrainedTransformerTokenizer, Token

if TYPE_CHECKING:
    from nlpreg.data.vocabulary import Vocabulary

# a word without any piece; indices of pieces are never negative
_NO_PIECES = (-1, -1)


@TokenIndexer.register("pretrained_transformer_mismatched")
class PretrainedTransformerMismatchedIndexer(TokenIndexer):
    """Splits words into the pieces of a pretrained transformer, and records which pieces belong to which word.

    The matching embedder then gives one vector for each word.

    Args:
        model_name: name of the model on the hub, or a folder.
        namespace: as in `PretrainedTransformerIndexer`.
        max_length: as in `PretrainedTransformerIndexer`, in word pieces.
        tokenizer_kwargs: as in `PretrainedTransformerIndexer`.
        token_min_padding_length: pad to at least this many words, and pieces.

    Shape:
        n words, p pieces: `{"token_ids": (p,), "mask": (n,), "type_ids": (p,), "wordpiece_mask": (p,),
        "offsets": (n, 2)}` and, with `max_length`, `"segment_concat_mask": (p,)`. Offsets are the first and
        the last piece of a word, before folding; (-1, -1) for a word without pieces, (0, 0) for padding.

    Raises:
        ImportError: transformers is not installed.
        ValueError: `max_length` is not greater than the number of special tokens.
    """

    def __init__(
        self,
        model_name: str,
        namespace: str = "tags",
        max_length: int | None = None,
        tokenizer_kwargs: dict[str, Any] | None = None,
        token_min_padding_length: int = 0,
    ) -> None:
        super().__init__(token_min_padding_length)
        self._matched_indexer = PretrainedTransformerIndexer(
            model_name, namespace, max_length, tokenizer_kwargs, token_min_padding_length
        )
        self._nlpreg_tokenizer = PretrainedTransformerTokenizer(model_name, tokenizer_kwargs=tokenizer_kwargs)
        self._tokenizer = self._nlpreg_tokenizer.tokenizer

    def _to_params(self) -> dict[str, Any]:
        return {**self._matched_indexer.all_arguments(), **self.all_arguments()}

    def count_vocab_items(self, token: Token, counter: VocabCounter) -> None:
        """Count nothing."""

    def tokens_to_indices(self, tokens: list[Token], vocabulary: "Vocabulary") -> IndexedTokenList:
        """The pieces of all words, and the first and the last piece of each word."""
        words = [token.ensure_text() if isinstance(token, Token) else str(token) for token in tokens]
        pieces, offsets = self._nlpreg_tokenizer.intra_word_tokenize(words)
        indexed: IndexedTokenList = {
            "token_ids": [piece.text_id for piece in pieces],
            # the mask of words; "wordpiece_mask" is that of pieces
            "mask": [True] * len(words),
            "type_ids": [piece.type_id for piece in pieces],
            "offsets": [span or _NO_PIECES for span in offsets],
            "wordpiece_mask": [True] * len(pieces),
        }
        return self._matched_indexer.fold(indexed, vocabulary)

    def get_empty_token_list(self) -> IndexedTokenList:
        """No words."""
        return {**self._matched_indexer.get_empty_token_list(), "offsets": [], "wordpiece_mask": []}

    def as_padded_tensor_dict(
        self, tokens: IndexedTokenList, padding_lengths: dict[str, int]
    ) -> dict[str, torch.Tensor]:
        """Ids padded with the model's padding id, masks with False, everything else with 0."""
        flat = {key: ids for key, ids in tokens.items() if key != "offsets"}
        tensors = self._matched_indexer.as_padded_tensor_dict(flat, padding_lengths)
        kept = tokens["offsets"][: padding_lengths["offsets"]]
        offsets = np.zeros((padding_lengths["offsets"], 2), np.int64)
        offsets[: len(kept)] = np.reshape(kept, (-1, 2))
        return {**tensors, "offsets": torch.from_numpy(offsets)}
