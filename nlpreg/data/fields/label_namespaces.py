"""A hint for namespaces of labels that would get padding and an unknown word."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)

_seen: set[str] = set()


def check_label_namespace(namespace: str) -> None:
    """Warn, once for each namespace, where labels go to one that is probably padded."""
    if namespace in _seen:
        return
    _seen.add(namespace)
    if not namespace.endswith(("labels", "tags")):
        logger.warning(
            "the label namespace %r ends in neither 'labels' nor 'tags', so by default it holds a padding and an "
            "unknown entry, which count as classes; rename it or add it to the vocabulary's non_padded_namespaces",
            namespace,
        )
