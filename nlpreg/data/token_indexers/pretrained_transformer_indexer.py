"""The ids of the word pieces of a pretrained transformer."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from nlpreg.data.columns import pad_rows
from nlpreg.data.token_indexers.token_indexer import IndexedTokenList, TokenIndexer, VocabCounter
from nlpreg.data.tokenizers import PretrainedTransformerTokenizer, Token

if TYPE_CHECKING:
    from nlpreg.data.vocabulary import Vocabulary


@TokenIndexer.register("pretrained_transformer")
class PretrainedTransformerIndexer(TokenIndexer):
    """Gives the ids that a pretrained transformer reads, for tokens of its own tokenizer.

    Nothing is counted. The model's word pieces are copied to the vocabulary when the first text is indexed, so that ids
    can be converted back to pieces.

    Args:
        model_name: name of the model on the hub, or a folder.
        namespace: namespace of the vocabulary for the model's word pieces; it must not be padded.
        max_length: fold longer texts into segments of this length, including special tokens; the embedder with the same
            `max_length` encodes each segment separately and concatenates the vectors.
        tokenizer_kwargs: further arguments for loading the tokenizer.
        token_min_padding_length: pad to this many tokens at least.

    Shape:
        `{"token_ids": (n,), "mask": (m,), "type_ids": (n,)}` and, with `max_length`, `"segment_concat_mask":
        (n,)`; masks are bool. Folding adds special tokens, which makes n greater than the length m of the
        text.

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
        self._model_name = model_name
        self._namespace = namespace
        self._max_length = max_length
        self._tokenizer_kwargs = tokenizer_kwargs or {}
        self._nlpreg_tokenizer = PretrainedTransformerTokenizer(
            model_name, tokenizer_kwargs=self._tokenizer_kwargs
        )
        self._tokenizer = self._nlpreg_tokenizer.tokenizer
        self._num_added_start_tokens = len(self._nlpreg_tokenizer.single_sequence_start_tokens)
        self._num_added_end_tokens = len(self._nlpreg_tokenizer.single_sequence_end_tokens)
        num_added = self._num_added_start_tokens + self._num_added_end_tokens
        if max_length is not None and max_length <= num_added:
            raise ValueError(
                f"max_length: expected more than the {num_added} special tokens of {model_name}, got {max_length}"
            )
        # length of a segment without its special tokens
        self._effective_max_length = None if max_length is None else max_length - num_added

    def count_vocab_items(self, token: Token, counter: VocabCounter) -> None:
        """Count nothing."""

    def tokens_to_indices(self, tokens: list[Token], vocabulary: "Vocabulary") -> IndexedTokenList:
        """The ids, the mask and the segment ids of a text, folded if it is too long."""
        ids = [self._id_of(token) for token in tokens]
        type_ids = [getattr(token, "type_id", None) or 0 for token in tokens]
        return self.fold({"token_ids": ids, "mask": [True] * len(ids), "type_ids": type_ids}, vocabulary)

    def fold(self, pieces: IndexedTokenList, vocabulary: "Vocabulary") -> IndexedTokenList:
        """Fold the pieces of a text if it is too long, and make sure that the vocabulary has the model's pieces."""
        self._add_encoding_to_vocabulary_if_needed(vocabulary)
        return self._postprocess_output(pieces)

    def indices_to_tokens(self, indexed_tokens: IndexedTokenList, vocabulary: "Vocabulary") -> list[Token]:
        """The pieces of the ids."""
        self._add_encoding_to_vocabulary_if_needed(vocabulary)
        type_ids = indexed_tokens.get("type_ids") or [0] * len(indexed_tokens["token_ids"])
        return [
            Token(vocabulary.get_token_from_index(index, self._namespace), text_id=index, type_id=type_id)
            for index, type_id in zip(indexed_tokens["token_ids"], type_ids, strict=True)
        ]

    def get_empty_token_list(self) -> IndexedTokenList:
        """No pieces."""
        empty: IndexedTokenList = {"token_ids": [], "mask": [], "type_ids": []}
        if self._max_length is not None:
            empty["segment_concat_mask"] = []
        return empty

    def pad_many(
        self, texts: Sequence[IndexedTokenList], padding_lengths: Mapping[str, int]
    ) -> dict[str, torch.Tensor]:
        """Ids padded with the model's padding id, masks with False, segment ids with 0."""
        tensors = {}
        for key in texts[0]:
            # masks and segments are padded with 0 whatever the model pads its ids with
            fill = self._tokenizer.pad_token_id if key == "token_ids" else None
            padded = pad_rows([text[key] for text in texts], padding_lengths[key], fill or 0)
            tensors[key] = torch.from_numpy(padded.astype(bool) if key.endswith("mask") else padded)
        return tensors

    def _id_of(self, token: Token) -> int:
        """The `text_id` of a token or, if it has none, the model's id of its text."""
        index: int | None = getattr(token, "text_id", None)
        if index is None:
            index = self._tokenizer.convert_tokens_to_ids(token.text)
        if index is None:
            raise KeyError(
                f"pretrained_transformer: expected a token with text_id or a word piece of {self._model_name}, got {token}; "
                "tokenize with the pretrained_transformer tokenizer of the same model"
            )
        return index

    def _add_encoding_to_vocabulary_if_needed(self, vocabulary: "Vocabulary") -> None:
        """Copy the model's word pieces to the vocabulary, unless they are there already."""
        if self._namespace not in vocabulary.get_namespaces():
            vocabulary.add_transformer_vocab(self._tokenizer, self._namespace)

    def _postprocess_output(self, output: IndexedTokenList) -> IndexedTokenList:
        """Fold a text into segments of at most `max_length`, each with its own special tokens."""
        size = self._effective_max_length
        if size is None:
            return output
        ids, type_ids = output["token_ids"], output["type_ids"]
        # the special tokens around the whole text are removed; each segment gets its own
        first, last = self._num_added_start_tokens, len(ids) - self._num_added_end_tokens
        special = (
            self._nlpreg_tokenizer.single_sequence_start_tokens,
            self._nlpreg_tokenizer.single_sequence_end_tokens,
        )
        start_ids, end_ids = ([token.text_id or 0 for token in tokens] for tokens in special)
        start_type_ids, end_type_ids = ([token.type_id or 0 for token in tokens] for tokens in special)
        folded_ids: list[int] = []
        folded_type_ids: list[int] = []
        # an empty text gives one segment with only the special tokens
        for cut in range(first, max(last, first + 1), size):
            stop = min(cut + size, last)
            folded_ids += [*start_ids, *ids[cut:stop], *end_ids]
            folded_type_ids += [*start_type_ids, *type_ids[cut:stop], *end_type_ids]
        return {
            # "mask" keeps the length of the text, because the embedder returns a vector for each of its tokens
            **output,
            "token_ids": folded_ids,
            "type_ids": folded_type_ids,
            "segment_concat_mask": [True] * len(folded_ids),
        }

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        # tokenizers of transformers do not define equality
        names = ("_model_name", "_namespace", "_max_length", "_tokenizer_kwargs", "_token_min_padding_length")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    __hash__ = None  # equal by value, and open to change
