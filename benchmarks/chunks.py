"""Chunks in the manner of CoNLL-2000, made by rule from the trees and parts of speech of an English treebank.

    python benchmarks/chunks.py UD_English-EWT OUT

Writes OUT/train.txt from train.conllu and OUT/test.txt from dev.conllu: `WORD XPOS CHUNK` a line, chunks in BIO. It is for
comparing the settings of chunkers where the data of CoNLL-2000 are not at hand. The rules follow the guidelines of CoNLL-2000
roughly, so the figures say nothing of chunkers on its data.

Source of the guidelines: Tjong Kim Sang and Buchholz (2000), https://aclanthology.org/W00-0726
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

NOMINAL = {"NOUN", "PROPN", "PRON", "NUM", "SYM", "X"}
BEFORE_NOUN = {
    *("det", "det:predet", "amod", "nummod", "compound", "flat", "goeswith"),
    *("nmod:poss", "nmod:desc", "nmod:unmarked"),
}
INSIDE = {"advmod", "punct", "cc", "conj", "cc:preconj", "case", "obl:npmod", "obl:unmarked"}
ARGUMENTS = {"nsubj", "nsubj:pass", "obj", "iobj", "obl", "nmod"}
AUXILIARY = {"aux", "aux:pass", "cop", "mark"}
CLAUSES = {"conj", "parataxis", "ccomp", "advcl"}
NOT = {"not", "n't", "nt"}


class Word(NamedTuple):
    """A word of a tree; `head` is the position of the word that it depends on, -1 for the root."""

    form: str
    upos: str
    xpos: str
    head: int
    relation: str


def sentences(path: Path) -> Iterator[list[Word]]:
    """The trees of a file in the CoNLL-U format."""
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        rows = [line.split("\t") for line in block.split("\n") if line and not line.startswith("#")]
        words = [
            Word(row[1].replace(" ", "_"), row[3], row[4], int(row[6]) - 1, row[7])
            for row in rows
            if row[0].isdigit()
        ]
        if words:
            yield words


class Chunker:
    """Finds the chunks of a sentence: noun phrases first, then verb phrases, then what is left.

    Args:
        words: the words of its tree.
    """

    def __init__(self, words: list[Word]) -> None:
        self.words = words
        self.kinds: list[str | None] = [None] * len(words)
        self.starts = [False] * len(words)

    def tags(self) -> list[str]:
        """A tag of each word, in BIO."""
        self.find_noun_phrases()
        self.find_verb_phrases()
        self.find_others()
        tags, before = [], None
        for kind, starts in zip(self.kinds, self.starts, strict=True):
            prefix = "B" if starts or kind != before else "I"
            tags.append("O" if kind is None else f"{prefix}-{kind}")
            before = kind
        return tags

    def mark(self, kind: str, first: int, last: int) -> None:
        """Make some words a chunk."""
        for position in range(first, last + 1):
            self.kinds[position], self.starts[position] = kind, position == first

    def find_noun_phrases(self) -> None:
        """A nominal with what stands before it and depends on it; a possessive's 's begins the next phrase."""
        words = self.words
        determined = {word.head for word in words if word.relation == "det"}
        for head, word in enumerate(words):
            if word.upos == "ADJ":
                is_head = word.relation in ARGUMENTS or head in determined
            else:
                is_head = word.upos in NOMINAL or (
                    word.upos == "DET" and word.relation in {*ARGUMENTS, "root", "conj"}
                )
            precedes_noun = word.relation in BEFORE_NOUN - {"nmod:poss"} and word.head > head
            if not is_head or precedes_noun:
                continue
            first = head
            while first > 0 and self.is_within(first - 1, head):
                first -= 1
            while first < head and words[first].upos in {"PUNCT", "CCONJ", "ADP"}:
                first += 1
            possessives = [position for position in range(first, head) if words[position].xpos == "POS"]
            self.mark("NP", possessives[-1] if possessives else first, head)
        for position, word in enumerate(words):  # names go on to the right of their first word
            if word.relation not in {"flat", "goeswith"} or not 0 <= word.head < position:
                continue
            between = range(word.head, position + 1)
            if self.kinds[word.head] == "NP" and all(
                self.kinds[place] in {"NP", None} and words[place].upos != "PUNCT" for place in between
            ):
                for place in between[1:]:
                    self.kinds[place], self.starts[place] = "NP", False

    def is_within(self, position: int, head: int) -> bool:
        """Whether a word belongs to what stands before a nominal."""
        while position not in (-1, head):
            word = self.words[position]
            deeper = word.relation in INSIDE and word.head != head
            if word.relation not in BEFORE_NOUN and not deeper and word.xpos not in {"HYPH", "POS"}:
                return False
            position = word.head
        return position == head

    def find_verb_phrases(self) -> None:
        """Verbs with their auxiliaries, `to`, `not` and the adverbs between; a verb that depends on them joins."""
        words, position = self.words, 0
        while position < len(words):
            if not self.is_verbal(position):
                position += 1
                continue
            first = last = position
            while True:
                following = last + 1
                while following < len(words) and self.is_free_adverb(following):
                    following += 1
                if (
                    following >= len(words)
                    or not self.is_verbal(following)
                    or not self.joins(last, following)
                ):
                    break
                last = following
            while last + 1 < len(words) and words[last + 1].form.lower() in NOT and not self.kinds[last + 1]:
                last += 1
            before = words[first - 1]
            is_manner = before.xpos == "RB" and before.form.lower().endswith("ly") and before.upos == "ADV"
            if first > 0 and is_manner and not self.kinds[first - 1] and first <= before.head <= last:
                first -= 1
            self.mark("VP", first, last)
            position = last + 1

    def is_verbal(self, position: int) -> bool:
        """Whether a word can be a part of a verb phrase."""
        word = self.words[position]
        if self.kinds[position] == "NP":
            return False
        is_verb = word.upos in {"VERB", "AUX"} and word.relation not in {"amod", "case", "mark"}
        return is_verb or (word.xpos in {"TO", "MD"} and word.upos != "ADP")

    def is_free_adverb(self, position: int) -> bool:
        """Whether a word is an adverb or `not` outside of any chunk."""
        word = self.words[position]
        return self.kinds[position] is None and (word.upos == "ADV" or word.form.lower() in NOT)

    def joins(self, last: int, following: int) -> bool:
        """Whether the verb phrase that ends with one word goes on with another."""
        left, right = self.words[last], self.words[following]
        if right.relation in CLAUSES and right.head == last:
            return False
        return (
            right.head == last
            or left.head == following
            or (left.head == right.head and left.relation in AUXILIARY)
            or (
                right.relation in AUXILIARY
                and left.upos in {"VERB", "AUX"}
                and self.words[right.head].head == last
            )
        )

    def find_others(self) -> None:
        """Particles, prepositions, conjunctions, adjectives, adverbs and interjections outside of the other phrases."""
        for position, word in enumerate(self.words):
            if self.kinds[position] is not None:
                continue
            kind = self.kind_of(position)
            if kind is None:
                continue
            self.kinds[position] = kind
            before = self.words[position - 1]
            self.starts[position] = not (
                position > 0
                and self.kinds[position - 1] == kind
                and (
                    word.relation == "fixed"
                    or word.head == position - 1
                    or before.head == position
                    or (kind == "ADJP" and before.head == word.head)
                )
            )

    def kind_of(self, position: int) -> str | None:
        """The kind of the chunk of a word that is in no noun or verb phrase."""
        word = self.words[position]
        parent = self.words[word.head]
        if word.relation == "compound:prt":
            return "PRT"
        if word.relation == "mark" and word.upos in {"ADP", "SCONJ"}:
            return "PP" if parent.upos == "VERB" and parent.xpos == "VBG" else "SBAR"
        if word.upos in NOMINAL:
            return "NP"
        if word.upos in {"ADP", "SCONJ"} or word.relation == "case":
            return "PP"
        if word.upos == "INTJ":
            return "INTJ"
        if word.upos == "ADJ" or (word.upos == "VERB" and word.relation in {"amod", "conj"}):
            return "ADJP"
        if word.upos == "ADV" and word.relation == "mark":
            return "SBAR"
        if word.upos == "ADV":
            is_of_adjective = parent.upos == "ADJ" and word.head == position + 1 and not self.kinds[word.head]
            return "ADJP" if is_of_adjective else "ADVP"
        return self.kinds[position - 1] if word.relation == "fixed" and position else None


def main(arguments: list[str] | None = None) -> None:
    """Write both files."""
    treebank, out = map(Path, sys.argv[1:] if arguments is None else arguments)
    out.mkdir(parents=True, exist_ok=True)
    for source, target in (("train", "train"), ("dev", "test")):
        with open(out / f"{target}.txt", "w", encoding="utf-8") as file:
            for words in sentences(treebank / f"{source}.conllu"):
                for word, tag in zip(words, Chunker(words).tags(), strict=True):
                    file.write(f"{word.form} {word.xpos} {tag}\n")
                file.write("\n")


if __name__ == "__main__":
    main()
