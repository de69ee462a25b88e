import itertools
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.chu_liu_edmonds import decode_mst


def is_tree(heads: tuple[int, ...]) -> bool:
    """Whether every node reaches the root 0; `heads` lists the heads of the nodes 1, 2, ..."""
    for start in range(1, len(heads) + 1):
        node, steps = start, 0
        while node and steps <= len(heads):
            node, steps = heads[node - 1], steps + 1
        if node:
            return False
    return True


def best_tree(scores: NDArray[Any]) -> float:
    size = len(scores)
    return max(
        sum(scores[head, node + 1] for node, head in enumerate(heads))
        for heads in itertools.product(range(size), repeat=size - 1)
        if all(head != node + 1 for node, head in enumerate(heads)) and is_tree(heads)
    )


@pytest.mark.parametrize("size", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(12))
def test_equals_enumeration(size: int, seed: int) -> None:
    scores = numpy.random.default_rng(seed).normal(size=(size, size))
    heads, labels = decode_mst(scores, size, has_labels=False)
    assert labels is None
    assert heads[0] == -1
    assert is_tree(tuple(heads[1:]))
    found = sum(scores[heads[node], node] for node in range(1, size))
    assert found == pytest.approx(best_tree(scores))


def test_a_cycle_is_broken() -> None:
    heads, _ = decode_mst(numpy.arange(1.0, 10.0).reshape(1, 3, 3), 3)
    assert heads.tolist() == [-1, 2, 0]


def test_labels_are_those_of_the_best_edges() -> None:
    energy = numpy.random.default_rng(0).normal(size=(3, 6, 6))
    heads, labels = decode_mst(energy, 6)
    assert labels is not None
    for node in range(1, 6):
        assert labels[node] == energy[:, heads[node], node].argmax()


def test_padding_is_ignored() -> None:
    energy = numpy.random.default_rng(1).normal(size=(2, 6, 6))
    heads, labels = decode_mst(energy, 4)
    energy[:, 4:] = energy[:, :, 4:] = 1e6
    again, labels_again = decode_mst(energy, 4)
    assert heads.tolist() == again.tolist()
    assert heads[4:].tolist() == [0, 0]
    assert labels is not None
    assert labels_again is not None
    assert labels.tolist() == labels_again.tolist()


def test_the_input_stays_as_it_is() -> None:
    energy = numpy.ones((3, 3))
    decode_mst(energy, 3, has_labels=False)
    assert (energy == 1).all()


def test_root_alone() -> None:
    heads, labels = decode_mst(numpy.zeros((2, 1, 1)), 1)
    assert heads.tolist() == [-1]
    assert labels is not None


def test_many_nodes() -> None:
    scores = numpy.random.default_rng(3).normal(size=(60, 60))
    heads, _ = decode_mst(scores, 60, has_labels=False)
    assert is_tree(tuple(heads[1:]))


@pytest.mark.parametrize(("shape", "has_labels"), [((3, 3), True), ((2, 3, 3), False)])
def test_wrong_number_of_dimensions(shape: tuple[int, ...], has_labels: bool) -> None:
    with pytest.raises(ConfigurationError, match="must have"):
        decode_mst(numpy.zeros(shape), 3, has_labels)
