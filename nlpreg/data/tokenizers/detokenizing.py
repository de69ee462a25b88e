"""Joining words to a text that reads as one, for what language models generate."""

from __future__ import annotations

from collections.abc import Sequence

_NO_SPACE_BEFORE = frozenset(
    [".", ",", ";", ":", "!", "?", "%", ")", "]", "}", "...", "…", "”", "’", "»", "'", "n't", "n’t"]
    + [
        quote + ending
        for quote in "'’"
        for ending in ("s", "re", "ve", "ll", "d", "m", "S", "RE", "VE", "LL", "D", "M")
    ]
)
_NO_SPACE_AFTER = frozenset(["(", "[", "{", "“", "‘", "«", "$", "£", "€", "#"])
# What is left of a contraction where every apostrophe is a token: don ' t
_AFTER_APOSTROPHE = frozenset(["t", "s", "re", "ve", "ll", "d", "m"])
# The Penn treebank's way to write brackets and quotation marks.
_REPLACED = {
    "-LRB-": "(",
    "-RRB-": ")",
    "-LSB-": "[",
    "-RSB-": "]",
    "-LCB-": "{",
    "-RCB-": "}",
    "``": "“",
    "''": "”",
}
# WikiText's way to write marks inside words and numbers: 1 @,@ 000
_INSIDE = {"@-@": "-", "@,@": ",", "@.@": "."}


def join_words(words: Sequence[str]) -> str:
    """Words and punctuation marks as a text, with spaces where English has them.

    The text of the first words does not depend on those that follow, so a text can be shown while it grows. It need not be
    the text that the words came from: where that is lost, the usual spacing is assumed.
    """
    parts: list[str] = []
    has_space = False  # whether a space comes before the next word, as far as the words before it say
    is_quoted = False  # inside a pair of straight quotation marks
    previous = ""
    for word in words:
        if word in _INSIDE:
            parts.append(_INSIDE[word])
            has_space, previous = False, word
            continue
        shown = _REPLACED.get(word, word)
        is_contraction = previous in ("'", "’") and shown in _AFTER_APOSTROPHE
        is_closing = shown in _NO_SPACE_BEFORE or is_contraction or (shown == '"' and is_quoted)
        if has_space and not is_closing:
            parts.append(" ")
        parts.append(shown)
        if shown == '"':
            is_quoted = not is_quoted
        has_space = shown not in _NO_SPACE_AFTER and not (shown == '"' and is_quoted)
        previous = shown
    return "".join(parts)
