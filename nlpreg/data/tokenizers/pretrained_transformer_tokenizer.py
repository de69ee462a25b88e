"""Tokenizing into the word pieces of a pretrained transformer."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nlpreg.common import cached_transformers
from nlpreg.common.util import sanitize_wordpiece
from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer


@dataclass(frozen=True)
class SpecialTokens:
    """The special tokens around one sequence and around a pair, and the segment ids between them.

    Args:
        pair_start: before the first sequence of a pair.
        pair_mid: between the two.
        pair_end: after the second.
        pair_first_type_id: segment id of the first.
        pair_second_type_id: segment id of the second.
        single_start: before a single sequence.
        single_end: after it.
        single_type_id: its segment id.
    """

    pair_start: list[Token]
    pair_mid: list[Token]
    pair_end: list[Token]
    pair_first_type_id: int
    pair_second_type_id: int
    single_start: list[Token]
    single_end: list[Token]
    single_type_id: int


# Any: a tokenizer of the optional transformers package
def find_special_tokens(tokenizer: Any, verification_tokens: tuple[str, str] | None) -> SpecialTokens:
    """Find the special tokens by encoding two short texts.

    Args:
        tokenizer: of the transformers package.
        verification_tokens: two texts that are one piece each; by default a few pairs are tried.

    Raises:
        ValueError: the texts cannot be identified in the encoded result.
    """
    pairs = [verification_tokens] if verification_tokens else [("a", "b"), ("1", "2")]
    problems = []
    for first, second in pairs:
        try:
            return _special_tokens_around(tokenizer, first, second)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError(
        f"{type(tokenizer).__name__}: the special tokens could not be determined ({'; '.join(problems)}); give two texts "
        "that are one word piece each as verification_tokens"
    )


def _special_tokens_around(tokenizer: Any, first: str, second: str) -> SpecialTokens:
    first_id, second_id = (_only_piece(tokenizer, text) for text in (first, second))
    if first_id == second_id:
        raise ValueError(f"{first!r} and {second!r} are the same piece")
    pair = _encode(tokenizer, first, second)
    at_first, at_second = _position(pair, first_id), _position(pair, second_id)
    if at_first > at_second:
        raise ValueError(f"{first!r} comes after {second!r}")
    single = _encode(tokenizer, first)
    at_single = _position(single, first_id)
    return SpecialTokens(
        pair_start=pair[:at_first],
        pair_mid=pair[at_first + 1 : at_second],
        pair_end=pair[at_second + 1 :],
        pair_first_type_id=pair[at_first].type_id or 0,
        pair_second_type_id=pair[at_second].type_id or 0,
        single_start=single[:at_single],
        single_end=single[at_single + 1 :],
        single_type_id=single[at_single].type_id or 0,
    )


def _only_piece(tokenizer: Any, text: str) -> int:
    """The id of a text that is one piece."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    if len(ids) != 1:
        raise ValueError(f"{text!r} is {len(ids)} pieces")
    return ids[0]


def _encode(tokenizer: Any, *texts: str) -> list[Token]:
    """The tokens of one or two texts with special tokens around them."""
    encoded = tokenizer(*texts, add_special_tokens=True, return_token_type_ids=True)
    ids = encoded["input_ids"]
    type_ids = encoded.get("token_type_ids") or [0] * len(ids)
    pieces = tokenizer.convert_ids_to_tokens(ids)
    return [
        Token(piece, text_id=index, type_id=type_id)
        for piece, index, type_id in zip(pieces, ids, type_ids, strict=True)
    ]


def _position(tokens: list[Token], text_id: int) -> int:
    """The position of the only token with this id."""
    positions = [position for position, token in enumerate(tokens) if token.text_id == text_id]
    if len(positions) != 1:
        raise ValueError(f"the id {text_id} occurs {len(positions)} times in {tokens}")
    return positions[0]


# Maximum number of characters to skip in the search for the next piece when offsets are estimated.
_LONGEST_GAP = 30

Offsets = list[tuple[int, int] | None]


@Tokenizer.register("pretrained_transformer")
class PretrainedTransformerTokenizer(Tokenizer):
    """Word pieces with their ids, and special tokens around them, as a pretrained transformer reads them.

    Tokens have `text` (the piece), `text_id`, `type_id` and, except for special tokens, the offsets `idx` and `idx_end`.

    Args:
        model_name: name of the model on the hub, or a folder.
        add_special_tokens: whether `tokenize` puts special tokens around the text.
        max_length: truncate texts to this many tokens, special tokens included if they are added.
        tokenizer_kwargs: further arguments for loading the tokenizer.
        verification_tokens: two texts that are one piece each, for a tokenizer where "a", "b", "1" and "2" are not.

    Raises:
        ImportError: transformers is not installed.
        ValueError: the special tokens cannot be determined.
    """

    def __init__(
        self,
        model_name: str,
        add_special_tokens: bool = True,
        max_length: int | None = None,
        tokenizer_kwargs: dict[str, Any] | None = None,
        verification_tokens: tuple[str, str] | None = None,
    ) -> None:
        self._model_name = model_name
        self._add_special_tokens = add_special_tokens
        self._max_length = max_length
        self._tokenizer_kwargs = {"use_fast": True, **(tokenizer_kwargs or {})}
        self._verification_tokens = verification_tokens
        self.tokenizer = cached_transformers.get_tokenizer(model_name, **self._tokenizer_kwargs)
        self._lowercases = self.tokenizer_lowercases(self.tokenizer)
        special = find_special_tokens(self.tokenizer, verification_tokens)
        self.sequence_pair_start_tokens = special.pair_start
        self.sequence_pair_mid_tokens = special.pair_mid
        self.sequence_pair_end_tokens = special.pair_end
        self.sequence_pair_first_token_type_id = special.pair_first_type_id
        self.sequence_pair_second_token_type_id = special.pair_second_type_id
        self.single_sequence_start_tokens = special.single_start
        self.single_sequence_end_tokens = special.single_end
        self.single_sequence_token_type_id = special.single_type_id

    @staticmethod
    def tokenizer_lowercases(tokenizer: Any) -> bool:
        """Whether a transformers tokenizer lower-cases texts, determined with an example."""
        return "a" in " ".join(tokenizer.tokenize("A"))

    def tokenize(self, text: str) -> list[Token]:
        """The pieces of one text, truncated to `max_length`."""
        encoded = self.tokenizer(
            text,
            add_special_tokens=self._add_special_tokens,
            truncation=self._max_length is not None,
            max_length=self._max_length,
            return_token_type_ids=True,
            return_special_tokens_mask=True,
            return_offsets_mapping=self.tokenizer.is_fast,
        )
        ids = encoded["input_ids"]
        pieces = self.tokenizer.convert_ids_to_tokens(ids)
        offsets: Offsets = encoded.get("offset_mapping") or self._estimate_offsets(text, pieces)
        type_ids = encoded.get("token_type_ids") or [0] * len(ids)
        tokens = []
        columns = zip(pieces, ids, type_ids, encoded["special_tokens_mask"], offsets, strict=True)
        for piece, index, type_id, is_special, span in columns:
            # special tokens have an empty span, or one of zeros
            has_place = span is not None and span[0] < span[1] and not is_special
            start, end = span if span is not None and has_place else (None, None)
            tokens.append(Token(piece, start, end, text_id=index, type_id=type_id))
        return tokens

    def detokenize(self, tokens: Sequence[str]) -> str:
        """The text of word pieces, decoded by the pretrained tokenizer."""
        return str(self.tokenizer.convert_tokens_to_string(list(tokens)))

    def add_special_tokens(self, tokens1: list[Token], tokens2: list[Token] | None = None) -> list[Token]:
        """Copies of one or two sequences with special tokens and the segment ids of the model."""
        if tokens2 is None:
            return [
                *_copies(self.single_sequence_start_tokens),
                *_copies(tokens1, self.single_sequence_token_type_id),
                *_copies(self.single_sequence_end_tokens),
            ]
        return [
            *_copies(self.sequence_pair_start_tokens),
            *_copies(tokens1, self.sequence_pair_first_token_type_id),
            *_copies(self.sequence_pair_mid_tokens),
            *_copies(tokens2, self.sequence_pair_second_token_type_id),
            *_copies(self.sequence_pair_end_tokens),
        ]

    def intra_word_tokenize(self, string_tokens: list[str]) -> tuple[list[Token], Offsets]:
        """The pieces of a text that is already split into words, each tokenized separately.

        Returns:
            The pieces with special tokens around them; and for each word the indices of its first and last
            piece, or None for a word that has none.
        """
        tokens, offsets = self._pieces_of_words(string_tokens)
        with_ends = self.add_special_tokens(tokens)
        return with_ends, _shifted(offsets, len(self.single_sequence_start_tokens))

    def intra_word_tokenize_sentence_pair(
        self, string_tokens_a: list[str], string_tokens_b: list[str]
    ) -> tuple[list[Token], Offsets, Offsets]:
        """`intra_word_tokenize` for a pair of texts; offsets refer to the joint sequence."""
        tokens_a, offsets_a = self._pieces_of_words(string_tokens_a)
        tokens_b, offsets_b = self._pieces_of_words(string_tokens_b)
        with_ends = self.add_special_tokens(tokens_a, tokens_b)
        start_a = len(self.sequence_pair_start_tokens)
        start_b = start_a + len(tokens_a) + len(self.sequence_pair_mid_tokens)
        return with_ends, _shifted(offsets_a, start_a), _shifted(offsets_b, start_b)

    def _to_params(self) -> dict[str, Any]:
        # `add_special_tokens` is also the name of a method
        return {**self.all_arguments(), "add_special_tokens": self._add_special_tokens}

    def _pieces_of_words(self, words: list[str]) -> tuple[list[Token], Offsets]:
        """The pieces of each word without special tokens, and their offsets."""
        if not words:
            return [], []
        # each distinct word is split once
        distinct = list(dict.fromkeys(words))
        encoded = self.tokenizer(distinct, add_special_tokens=False, return_attention_mask=False)
        ids_of = dict(zip(distinct, encoded["input_ids"], strict=True))
        tokens: list[Token] = []
        offsets: Offsets = []
        for word in words:
            ids = ids_of[word]
            offsets.append((len(tokens), len(tokens) + len(ids) - 1) if ids else None)
            pieces = self.tokenizer.convert_ids_to_tokens(ids)
            tokens += [Token(piece, text_id=index) for piece, index in zip(pieces, ids, strict=True)]
        return tokens, offsets

    def _estimate_offsets(self, text: str, pieces: list[str]) -> Offsets:
        """The probable offsets of the pieces in the text, None for those that are not found.

        Each piece is searched within a short distance after the previous one; special tokens and normalized characters are not
        found.
        """
        if self._lowercases:
            text = text.lower()
        offsets: Offsets = []
        at = 0
        for piece in pieces:
            wanted = sanitize_wordpiece(piece)
            wanted = wanted.lower() if self._lowercases else wanted
            found = text.find(wanted, at, at + _LONGEST_GAP + len(wanted)) if wanted else -1
            if found < 0:
                offsets.append(None)
                continue
            at = found + len(wanted)
            offsets.append((found, at))
        return offsets


def _copies(tokens: Iterable[Token], type_id: int | None = None) -> list[Token]:
    """Copies of tokens, with another segment id if one is given."""
    return [
        dataclasses.replace(token, type_id=token.type_id if type_id is None else type_id) for token in tokens
    ]


def _shifted(offsets: Offsets, by: int) -> Offsets:
    """Offsets shifted by the number of pieces inserted before them."""
    return [None if span is None else (span[0] + by, span[1] + by) for span in offsets]
