"""JSON objects, one a line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nlpreg.data.dataset_readers.dataset_utils.text_files import bad_line, excerpt

__all__ = ["json_object"]


def json_object(text: str, file: str, line: int, required: Sequence[str] = ()) -> dict[str, Any]:
    """The object that a line holds.

    Args:
        text: the line.
        file: name of its file.
        line: its number.
        required: keys that it must have.

    Raises:
        DataError: it is not JSON, no object, or lacks a key.
    """
    try:
        item = json.loads(text)
    except json.JSONDecodeError as error:
        raise bad_line(
            file, line, f"a JSON object ({error.msg} at column {error.colno})", excerpt(text)
        ) from error
    if not isinstance(item, dict):
        raise bad_line(file, line, "a JSON object", excerpt(text))
    for key in required:
        if key not in item:
            raise bad_line(file, line, f'the key "{key}"', "the keys " + (", ".join(item) or "none"))
    return item
