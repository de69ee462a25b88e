"""Which special tokens a transformers tokenizer puts around texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nlpreg.data.tokenizers.token_class import Token


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
    """Find the special tokens by looking at what is put around two short texts.

    Args:
        tokenizer: of the transformers package.
        verification_tokens: two texts that are one piece each; a few are tried by default.

    Raises:
        ValueError: the texts cannot be found again in what the tokenizer makes of them.
    """
    pairs = [verification_tokens] if verification_tokens else [("a", "b"), ("1", "2")]
    problems = []
    for first, second in pairs:
        try:
            return _look(tokenizer, first, second)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError(
        f"{type(tokenizer).__name__}: the special tokens could not be determined ({'; '.join(problems)}); give two texts "
        "that are one word piece each as verification_tokens"
    )


def _look(tokenizer: Any, first: str, second: str) -> SpecialTokens:
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
    """Where the only token with this id is."""
    positions = [position for position, token in enumerate(tokens) if token.text_id == text_id]
    if len(positions) != 1:
        raise ValueError(f"the id {text_id} occurs {len(positions)} times in {tokens}")
    return positions[0]
