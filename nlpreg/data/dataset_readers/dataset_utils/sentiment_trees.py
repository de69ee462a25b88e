"""Trees written in brackets, with a label at each node."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["SentimentTree", "parse_tree"]

_PIECE = re.compile(r"[()]|[^()\s]+")


@dataclass
class SentimentTree:
    """A node, its label, and what is below it.

    Args:
        label: what stands behind the opening bracket.
        words: the words below the node, in order.
        children: the nodes right below it.
    """

    label: str
    words: list[str] = field(default_factory=list)
    children: list[SentimentTree] = field(default_factory=list)

    def subtrees(self) -> Iterator[SentimentTree]:
        """This node and all below it, each before those below it."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


def parse_tree(text: str) -> SentimentTree:
    """The tree that a text of brackets writes down.

    Raises:
        ValueError: the brackets do not match, or a node has no label or no word.
    """
    pieces = _PIECE.findall(text)
    open_nodes: list[SentimentTree] = []
    for position, piece in enumerate(pieces):
        if piece == "(":
            label = pieces[position + 1] if position + 1 < len(pieces) else ")"
            if label in "()":
                raise ValueError("a node without a label")
            open_nodes.append(SentimentTree(label))
        elif piece == ")":
            if not open_nodes or not open_nodes[-1].words:
                raise ValueError("a node without words" if open_nodes else "more brackets closed than opened")
            node = open_nodes.pop()
            if not open_nodes:
                if position + 1 < len(pieces):
                    raise ValueError("something behind the last bracket")
                return node
            open_nodes[-1].children.append(node)
            open_nodes[-1].words += node.words
        elif not open_nodes:
            raise ValueError("something before the first bracket")
        elif pieces[position - 1] != "(":
            open_nodes[-1].words.append(piece)
    raise ValueError("more brackets opened than closed" if open_nodes else "no brackets")
