"""Words and sentences found in the raw text of a treebank, by the rules of the CoNLL 2018 shared task.

    python benchmarks/raw_text.py test.conllu

The text of each paragraph (`# newpar`, `# newdoc`) goes through a sentence splitter and a tokenizer, as with
`nlpreg predict --input text`. A sentence is right if its first and its last character are; a word, if both its ends are,
or, within a multiword token, if it belongs to the longest common subsequence of the token's words.

Source: Zeman et al. (2018), https://aclanthology.org/K18-2001, section 5.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nlpreg.data.tokenizers import SentenceSplitter, Tokenizer

Span = tuple[int, int]


@dataclass
class Paragraph:
    """What a treebank says about a paragraph; positions count the characters that are not white space.

    Args:
        text: as it was written.
        sentences: where each sentence begins and ends.
        tokens: where each token begins and ends, and the words in it: one, or more of a multiword token.
    """

    text: str = ""
    sentences: list[Span] = field(default_factory=list)
    tokens: list[tuple[Span, list[str]]] = field(default_factory=list)


def paragraphs(conllu: str) -> Iterator[Paragraph]:
    """The paragraphs of a file in the CoNLL-U format."""
    paragraph, position = Paragraph(), 0
    for block in conllu.strip().split("\n\n"):
        lines = block.split("\n")
        if paragraph.text and any(line.startswith(("# newpar", "# newdoc")) for line in lines):
            yield paragraph
            paragraph, position = Paragraph(), 0
        start = position
        rows = [line.split("\t") for line in lines if line[0] != "#"]
        rows = [row for row in rows if "." not in row[0]]
        index = 0
        while index < len(rows):
            number, form = rows[index][:2]
            index += 1
            words = [form]
            if "-" in number:
                first, last = map(int, number.split("-"))
                words = [row[1] for row in rows[index : index + last - first + 1]]
                index += len(words)
            length = len("".join(form.split()))
            paragraph.tokens.append(((position, position + length), words))
            position += length
        paragraph.sentences.append((start, position))
        (text,) = [line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")]
        paragraph.text += text if not paragraph.text else f" {text}"
    if paragraph.text:
        yield paragraph


def found_spans(
    text: str, splitter: SentenceSplitter, tokenizer: Tokenizer
) -> tuple[list[Span], list[Span], list[str]]:
    """Sentences, words and their texts in a raw text; positions as in `Paragraph`."""
    sentences, spans, words = [], list[Span](), list[str]()
    position = 0
    for sentence in splitter.split_sentences(text):
        start = position
        for token in tokenizer.tokenize(sentence):
            word = token.text or ""
            spans.append((position, position + len("".join(word.split()))))
            words.append(word)
            position = spans[-1][1]
        sentences.append((start, position))
    return sentences, spans, words


def num_right_words(
    gold: Sequence[tuple[Span, list[str]]], spans: Sequence[Span], words: Sequence[str]
) -> int:
    """How many of the words found are right."""
    found = set(spans)
    right = 0
    for (start, end), forms in gold:
        if len(forms) == 1:
            right += (start, end) in found
        else:
            inside = [
                word.lower()
                for span, word in zip(spans, words, strict=True)
                if start <= span[0] and span[1] <= end
            ]
            right += _common([form.lower() for form in forms], inside)
    return right


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for item in one:
        diagonal = 0
        for column, candidate in enumerate(other, start=1):
            above = row[column]
            row[column] = diagonal + 1 if item == candidate else max(above, row[column - 1])
            diagonal = above
    return row[-1]


def scores(conllu: str, splitter: SentenceSplitter, tokenizer: Tokenizer) -> dict[str, float]:
    """F1 of words and of sentences over a whole file."""
    counts = {"words": [0, 0, 0], "sentences": [0, 0, 0]}  # gold, found, right
    for paragraph in paragraphs(conllu):
        sentences, spans, words = found_spans(paragraph.text, splitter, tokenizer)
        num_gold = sum(len(forms) for _, forms in paragraph.tokens)
        right = num_right_words(paragraph.tokens, spans, words)
        right_sentences = len(set(sentences) & set(paragraph.sentences))
        for name, new in (
            ("words", (num_gold, len(words), right)),
            ("sentences", (len(paragraph.sentences), len(sentences), right_sentences)),
        ):
            counts[name] = [count + one for count, one in zip(counts[name], new, strict=True)]
    return {name: 2 * right / (gold + found) for name, (gold, found, right) in counts.items()}


def main() -> None:
    """Print the scores of files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a treebank in the CoNLL-U format")
    parser.add_argument("--splitter", default="english", metavar="NAME")
    parser.add_argument("--tokenizer", default="english", metavar="NAME")
    options = parser.parse_args()
    splitter = SentenceSplitter.by_name(options.splitter)()
    tokenizer = Tokenizer.by_name(options.tokenizer)()
    for path in options.files:
        with open(path, encoding="utf-8") as file:
            found = scores(file.read(), splitter, tokenizer)
        print(f"{path}: " + ", ".join(f"{name} F1 {value:.2%}" for name, value in found.items()))


if __name__ == "__main__":
    main()
