"""Keys that, standing in a config where an object is expected, say how to get that object instead of how to build it.

`_pretrained` is one: `nlpreg.models.archival` adds it here, so that this package needs to know nothing of models.
"""

from collections.abc import Callable
from typing import Any

__all__ = ["SPECIAL_KEYS", "SPECIAL_SECTIONS", "SpecialKey"]

SpecialKey = Callable[[Any, Any, str], Any]
"""Called with (value under the key, annotation of the argument, key path); returns the object."""

SPECIAL_KEYS: dict[str, SpecialKey] = {}

SPECIAL_SECTIONS: dict[str, Any] = {}
"""What may stand under a special key: a class, or a function, whose parameters are the keys allowed there."""
