"""Conversion of tensors, fields and tokens to plain JSON values, and of tokens to text."""

import json
import math
import sys
from typing import Any

_PTB_SYMBOLS = {
    "``": '"', "''": '"', "-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}",
    "<s>": "", "</s>": "",
}  # fmt: skip
_GLUED_TO_NEXT = frozenset("`$#([{")
_GLUED_TO_PREVIOUS = frozenset([*".,!?:;%)]}'", "n't", "na"])


def sanitize(x: Any) -> Any:
    """Convert `x` to JSON values.

    Tensors and arrays become lists, numpy scalars Python ones, tuples and sets lists, tokens their text, `None` the string
    "None"; an object with `to_json()` becomes the result of that method.

    Raises:
        ValueError: something inside `x` is none of these.
    """
    if isinstance(x, (str, float, int, bool)):
        return _plain_number(x)
    if x is None:
        return "None"
    if isinstance(x, dict):
        return {key: sanitize(value) for key, value in x.items()}
    if isinstance(x, (list, tuple, set, frozenset)):
        # fast path: most items are words and tags
        return [item if type(item) is str else sanitize(item) for item in x]
    # the libraries are not imported here: if one is not loaded, `x` cannot be one of its objects
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(x, torch.Tensor):
        return x.detach().cpu().tolist()
    if numpy is not None and isinstance(x, numpy.ndarray):
        return x.tolist()
    if numpy is not None and isinstance(x, numpy.generic):
        return x.item()
    if _is_token(x):
        return x.text
    if hasattr(x, "to_json"):
        return x.to_json()
    raise ValueError(
        f"cannot turn {x!r} of type {type(x).__name__} into JSON: expected numbers, strings, tensors, arrays, tokens, "
        "lists and dicts of them, or an object with a method `to_json`"
    )


def json_text(x: Any) -> str:
    """The JSON of plain values on one line; the numbers that JSON lacks become strings, as in `json_numbers`."""
    try:
        return json.dumps(x, allow_nan=False)
    except ValueError:  # rare, so that other values need not be walked through
        return json.dumps(json_numbers(x))


def json_numbers(x: Any) -> Any:
    """Convert the numbers that JSON lacks to strings, at any depth: "NaN", "Infinity", "-Infinity".

    Python's `float` reads these strings back, as do most other languages.
    """
    if isinstance(x, float) and not math.isfinite(x):
        return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"
    if isinstance(x, dict):
        return {key: json_numbers(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [json_numbers(item) for item in x]
    return x


def _plain_number(x: Any) -> Any:
    """Convert subclasses such as numpy's float64 and str_ to plain floats and strings, which print better."""
    return x.item() if type(x).__module__ == "numpy" else x


def _is_token(x: Any) -> bool:
    """Whether `x` is a token of nlpreg or of spaCy, without importing either class."""
    return any(cls.__name__ == "Token" for cls in type(x).__mro__) and isinstance(
        getattr(x, "text", None), str
    )


def sanitize_wordpiece(wordpiece: str) -> str:
    """Strip the leading position marker (`##`, `Ġ` or `▁`) of a word piece."""
    for mark in ("##", "Ġ", "▁"):
        if wordpiece.startswith(mark):
            return wordpiece[len(mark) :]
    return wordpiece


def sanitize_ptb_tokenized_string(text: str) -> str:
    """Detokenize text of the Penn Treebank: restore brackets, quotes, clitics and punctuation."""
    result: list[str] = []
    glue_next = True  # nothing before the first word
    quote_is_open = False
    for token in text.split(" "):
        word = _PTB_SYMBOLS.get(token.lower(), token)
        if not word:
            continue
        if word == '"':
            glue_previous, glue_following = quote_is_open, not quote_is_open
            quote_is_open = not quote_is_open
        else:
            clitic = len(word) > 1 and word[0] in "'’"
            glue_previous = clitic or word.lower() in _GLUED_TO_PREVIOUS
            glue_following = word in _GLUED_TO_NEXT
        if not (glue_next or glue_previous):
            result.append(" ")
        result.append(word)
        glue_next = glue_following
    return "".join(result)
