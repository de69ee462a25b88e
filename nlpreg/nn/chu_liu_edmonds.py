"""Maximum spanning trees of directed graphs."""

from typing import Any

import numpy
from numpy.typing import NDArray

from nlpreg.common.checks import ConfigurationError

Array = NDArray[Any]


def decode_mst(energy: Array, length: int, has_labels: bool = True) -> tuple[Array, Array | None]:
    """The tree of dependencies with the highest sum of scores; node 0 is its root.

    Args:
        energy: score of each edge from a head (second to last dimension) to a dependent (last dimension), for each
            label if there are labels. Scores may be negative; an edge to oneself is never taken.
        length: number of nodes, the root included; later ones are padding.
        has_labels: whether `energy` has a first dimension of labels.

    Shape:
        energy (labels, T, T) or (T, T) -> heads int32 (T,), -1 at the root and 0 at padding; labels int32 (T,) or None.

    Raises:
        ConfigurationError: `energy` has another number of dimensions.

    Source: Chu and Liu (1965); Edmonds (1967).
    """
    expected = 3 if has_labels else 2
    if energy.ndim != expected:
        raise ConfigurationError(
            f"energy must have {expected} dimensions {'with' if has_labels else 'without'} labels, got {energy.ndim}"
        )
    # Double precision, since the scores of cycles are subtracted from each other.
    scores = energy[..., :length, :length].astype(numpy.float64)
    labels = scores.argmax(axis=0) if has_labels else None
    if has_labels:
        scores = scores.max(axis=0)
    numpy.fill_diagonal(scores, -numpy.inf)

    heads = numpy.zeros(energy.shape[-1], dtype=numpy.int32)
    heads[:length] = _best_heads(scores)
    if labels is None:
        return heads, None
    head_types = numpy.ones(energy.shape[-1], dtype=numpy.int32)
    dependents = numpy.arange(1, length)
    head_types[dependents] = labels[heads[dependents], dependents]
    return heads, head_types


def _best_heads(scores: Array) -> Array:
    """The head of each node in the best tree with the root 0, whose own head is -1."""
    heads: Array = scores.argmax(axis=0)
    heads[0] = -1
    cycle = _find_cycle(heads)
    if cycle is None:
        return heads

    # The cycle becomes one node. An edge into it replaces one edge of the cycle, and costs that edge's score.
    rest = numpy.setdiff1d(numpy.arange(len(scores)), cycle)  # begins with the root
    gains = scores[numpy.ix_(rest, cycle)] - scores[heads[cycle], cycle]
    losses = scores[numpy.ix_(cycle, rest)]
    entered = cycle[gains.argmax(axis=1)]  # where the best edge from each outer node enters
    left = cycle[losses.argmax(axis=0)]  # where the best edge to each outer node leaves
    merged = len(rest)
    smaller = numpy.full((merged + 1, merged + 1), -numpy.inf)
    smaller[:merged, :merged] = scores[numpy.ix_(rest, rest)]
    smaller[:merged, merged] = gains.max(axis=1)
    smaller[merged, :merged] = losses.max(axis=0)

    smaller_heads = _best_heads(smaller)
    outer = smaller_heads[1:merged]
    heads[rest[1:]] = numpy.where(outer == merged, left[1:], rest[numpy.minimum(outer, merged - 1)])
    source = smaller_heads[merged]
    heads[entered[source]] = rest[source]
    return heads


def _find_cycle(heads: Array) -> Array | None:
    """The nodes of one cycle, if there is any."""
    checked = numpy.zeros(len(heads), dtype=bool)
    checked[0] = True
    for start in range(1, len(heads)):
        path: list[int] = []
        node = start
        while not checked[node]:
            checked[node] = True
            path.append(node)
            node = int(heads[node])
        if node in path:
            return numpy.array(path[path.index(node) :])
    return None
