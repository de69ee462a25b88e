"""Sentiment of phrases, as in the Stanford Sentiment Treebank."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataFile, bad_line, excerpt
from nlpreg.data.dataset_readers.text_file_reader import TextFileReader, check_choice, text_field_of
from nlpreg.data.fields import Field, LabelField, TextField
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.tokenizer import Tokenizer

_PIECE = re.compile(r"[()]|[^()\s]+")


@dataclass
class SentimentTree:
    """A node of a tree.

    Args:
        label: the label after the opening bracket.
        words: the words below the node, in order.
        children: its child nodes.
    """

    label: str
    words: list[str] = field(default_factory=list)
    children: "list[SentimentTree]" = field(default_factory=list)

    def subtrees(self) -> "Iterator[SentimentTree]":
        """This node and all its descendants, in preorder."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


def parse_tree(text: str) -> SentimentTree:
    """Parse a tree in brackets.

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
                    raise ValueError("text after the last bracket")
                return node
            open_nodes[-1].children.append(node)
            open_nodes[-1].words += node.words
        elif not open_nodes:
            raise ValueError("text before the first bracket")
        elif pieces[position - 1] != "(":
            open_nodes[-1].words.append(piece)
    raise ValueError("more brackets opened than closed" if open_nodes else "no brackets")


# granularity -> the labels of 0 (very negative) to 4 (very positive); phrases with None are left out
LABELS: dict[str, tuple[str | None, ...]] = {
    "5-class": ("0", "1", "2", "3", "4"),
    "3-class": ("0", "0", "1", "2", "2"),
    "2-class": ("0", "0", None, "1", "1"),
}


@DatasetReader.register("sst_tokens")
class StanfordSentimentTreeBankDatasetReader(TextFileReader):
    """Reads trees such as `(3 (2 It) (4 (2 's) (4 good)))`, one a line, with sentiments from 0 to 4 at their nodes.

    Fields: `tokens`; `label` (namespace "labels").

    Args:
        token_indexers: the indexers of `tokens`; single ids under the name "tokens" unless given.
        tokenizer: splits a phrase, whose words are joined by spaces; by default the words are the tokens.
        use_subtrees: whether every phrase is an instance, rather than only the sentences.
        granularity: "5-class"; "3-class" (negative, neutral, positive); "2-class" (without the neutral ones).
        **kwargs: arguments of `TextFileReader`.

    Raises:
        ConfigurationError: another granularity.

    Source: Socher et al. (2013), https://aclanthology.org/D13-1170
    """

    unit_name = "tree"

    def __init__(
        self,
        token_indexers: dict[str, TokenIndexer] | None = None,
        tokenizer: Tokenizer | None = None,
        use_subtrees: bool = False,
        granularity: str = "5-class",
        **kwargs: Any,
    ) -> None:
        super().__init__(token_indexers=token_indexers, **kwargs)
        check_choice("sst_tokens", "granularity", granularity, tuple(LABELS))
        self._tokenizer = tokenizer
        self._use_subtrees = use_subtrees
        self._granularity = granularity

    def text_to_instance(  # type: ignore[override]  # a neutral phrase may have no instance
        self, tokens: Sequence[str] | str, sentiment: str | None = None
    ) -> Instance | None:
        """A phrase, with its sentiment if known.

        Args:
            tokens: its words or, with a tokenizer, its text.
            sentiment: from "0" to "4".

        Returns:
            None for a neutral phrase if there are only two classes.
        """
        if self._tokenizer is None:
            assert not isinstance(tokens, str), (
                "sst_tokens: expected a list of words, got a text and no tokenizer"
            )
            text = text_field_of(tokens)
        else:
            phrase = tokens if isinstance(tokens, str) else " ".join(tokens)
            text = TextField.from_text(phrase, self._tokenizer)
        fields: dict[str, Field[Any]] = {"tokens": text}
        if sentiment is not None:
            label = LABELS[self._granularity][int(sentiment)]
            if label is None:
                return None
            fields["label"] = LabelField(label)
        return Instance(fields)

    def _units(self, file: DataFile) -> Iterator[tuple[int, Any]]:
        for line, text in super()._units(file):
            try:
                tree = parse_tree(text)
            except ValueError as error:
                yield line, bad_line(file.name, line, f"a tree ({error})", excerpt(text))
                continue
            for subtree in tree.subtrees() if self._use_subtrees else [tree]:
                yield line, subtree

    def _instance_of(self, unit: SentimentTree, file: str, line: int) -> Instance | None:
        if unit.label not in LABELS["5-class"]:
            raise bad_line(file, line, "sentiments from 0 to 4", excerpt(unit.label))
        return self.text_to_instance(unit.words, unit.label)
