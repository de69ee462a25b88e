"""Work on many things in one call, where a class offers it and no subclass has changed its mind since.

Fields and token indexers have methods for one instance, which plugins override, and optional methods that do
the same for many instances at once. A whole-list method may stand for the single one only if they come from
the same class: a subclass that overrides the single method alone must have its override called.
"""

from __future__ import annotations

_known: dict[tuple[type, str, tuple[str, ...]], bool] = {}


def speaks_for(cls: type, whole: str, *single: str) -> bool:
    """Whether the whole-list method of `cls` may be called in place of its single ones.

    Args:
        cls: any class.
        whole: name of the whole-list method.
        single: names of the methods that it does the work of.

    Returns:
        False if `cls` has no such whole-list method, or inherits it from a class above one that overrides a
        single method.
    """
    key = cls, whole, single
    if key not in _known:
        owner = _depth_of_definition(cls, whole)
        _known[key] = owner < len(cls.__mro__) and all(
            owner <= _depth_of_definition(cls, name) for name in single
        )
    return _known[key]


def _depth_of_definition(cls: type, name: str) -> int:
    """How many steps up the method resolution order `name` is defined; the length of that order if nowhere."""
    for depth, base in enumerate(cls.__mro__):
        if name in vars(base):
            return depth
    return len(cls.__mro__)
