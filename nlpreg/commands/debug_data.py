"""`nlpreg debug-data`: statistics of the data of a config, and likely problems in them."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

from nlpreg.commands.console import table
from nlpreg.commands.options import add_config_argument, add_overrides_option, check_file, read_config
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import check_at_least

if TYPE_CHECKING:
    from nlpreg.data import Instance


@Subcommand.register("debug-data")
class DebugData(Subcommand):
    """Read the data of a config, without training, and print statistics.

    These are labels, the longest texts, duplicate texts, words and texts shared between training and other data, labels
    missing from the training data, and tag sequences that the model's label_encoding does not allow.

    examples:
      nlpreg debug-data tagger.jsonnet
      nlpreg debug-data tagger.jsonnet --limit 10000 --top 50
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        add_config_argument(parser)
        add_overrides_option(parser)
        parser.add_argument(
            "--limit", type=int, metavar="N", help="read at most N instances of each data set"
        )
        parser.add_argument(
            "--top",
            type=int,
            default=20,
            metavar="N",
            help="number of labels to list for each field, the most frequent first",
        )
        parser.set_defaults(func=debug_data_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Check options before slow modules are imported."""
        check_file(args.param_path, "CONFIG")
        check_at_least(1, **{"--limit": args.limit, "--top": args.top})


@dataclass
class Split:
    """Statistics of a data set.

    Args:
        name: "train", "validation" or "test".
    """

    name: str
    texts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """The count of each text, given as its words."""
    first_number: dict[tuple[str, ...], int] = field(default_factory=dict)
    """The number, from 1, of the first instance with each text."""
    words: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    """The counts of labels, by field."""
    labellings: dict[tuple[str, ...], set[tuple[str, ...]]] = field(default_factory=dict)
    """The different labels of each text; more than one is suspicious."""
    illegal: list[tuple[int, list[str]]] = field(default_factory=list)
    """Number and tags of the instances that the label encoding does not allow."""

    @property
    def num_instances(self) -> int:
        """Number of instances."""
        return sum(self.texts.values())

    def add(self, number: int, instance: Instance, label_encoding: str | None) -> None:
        """Add an instance to the statistics.

        Args:
            number: number of the instance, from 1.
            instance: the instance.
            label_encoding: that of the model, if it has one.
        """
        words = tuple(_words_of(instance))
        self.texts[words] += 1
        self.first_number.setdefault(words, number)
        self.words.update(words)
        for name, labels in _labels_of(instance):
            self.labels.setdefault(name, Counter()).update(labels)
            if name in ("tags", "label", "labels"):
                self.labellings.setdefault(words, set()).add(tuple(labels))
            if name == "tags" and label_encoding is not None and not is_allowed(label_encoding, labels):
                self.illegal.append((number, labels))


def is_allowed(label_encoding: str, tags: Sequence[str]) -> bool:
    """Whether a label encoding ("BIO", "IOB1", "BIOUL" or "BMES") allows a tag sequence in a sentence, ends included."""
    from nlpreg.modules.conditional_random_field import is_transition_allowed

    parts = [("START", ""), *((tag[:1], tag[1:]) for tag in tags), ("END", "")]
    return not tags or all(
        is_transition_allowed(label_encoding, *before, *after) for before, after in pairwise(parts)
    )


def debug_data_from_args(args: argparse.Namespace) -> list[Split]:
    """Run the command with parsed arguments; also return the statistics of the data sets."""
    from nlpreg.training.util import data_loaders_from_params

    params = read_config(args.param_path, args.overrides)
    encoding = params.as_dict(quiet=True).get("model")
    encoding = encoding.get("label_encoding") if isinstance(encoding, dict) else None
    splits = []
    for name, loader in data_loaders_from_params(params).items():
        split = Split(name)
        for number, instance in enumerate(islice(loader.iter_instances(), args.limit), start=1):
            split.add(number, instance, encoding)
        splits.append(split)
    for line in report_lines(splits, args.top, encoding):
        print(line)
    return splits


def report_lines(splits: Sequence[Split], top: int = 20, label_encoding: str | None = None) -> Iterator[str]:
    """Format the statistics of the data sets.

    Args:
        splits: the data sets, the training data first.
        top: number of labels to list for each field.
        label_encoding: label encoding of the model, if it has one.
    """
    header = ["", *(split.name for split in splits)]
    rows = [
        ["instances", *(f"{split.num_instances:,}" for split in splits)],
        ["words", *(f"{sum(split.words.values()):,}" for split in splits)],
        ["distinct words", *(f"{len(split.words):,}" for split in splits)],
        ["words that occur once", *(f"{_num_single(split.words):,}" for split in splits)],
        ["longest text", *(f"{max(map(len, split.texts), default=0):,}" for split in splits)],
        ["texts without words", *(f"{split.texts[()]:,}" for split in splits)],
        ["duplicate texts", *(f"{split.num_instances - len(split.texts):,}" for split in splits)],
    ]
    training = splits[0]
    if len(splits) > 1:
        for title, share in (
            ("unknown words", unknown_words),
            ("unknown, in lower case", _unknown_words_in_lower_case),
            ("texts also in train", shared_texts),
        ):
            rows.append([title, "", *(f"{share(training, split):.2%}" for split in splits[1:])])
    yield from table(rows, header)
    for name in dict.fromkeys(name for split in splits for name in split.labels):
        yield ""
        yield from _label_lines(name, splits, top)
    yield from _problem_lines(splits, label_encoding)


def unknown_words(training: Split, other: Split) -> float:
    """Share of the words of another data set that do not occur in the training data, from 0 to 1."""
    return _share(other.words, lambda word: word not in training.words)


def _unknown_words_in_lower_case(training: Split, other: Split) -> float:
    """Like `unknown_words`, ignoring case."""
    known = {word.lower() for word in training.words}
    return _share(other.words, lambda word: word.lower() not in known)


def shared_texts(training: Split, other: Split) -> float:
    """Share of the texts of another data set that also occur in the training data, from 0 to 1."""
    return _share(other.texts, lambda text: text in training.texts)


def _share(counts: Mapping[Any, int], is_counted: Any) -> float:
    total = sum(counts.values())
    return sum(count for item, count in counts.items() if is_counted(item)) / total if total else 0.0


def _num_single(words: Counter[str]) -> int:
    return sum(count == 1 for count in words.values())


def _label_lines(name: str, splits: Sequence[Split], top: int) -> Iterator[str]:
    """The most frequent labels of a field, with their shares in each data set."""
    counts = [split.labels.get(name, Counter()) for split in splits]
    everything: Counter[str] = sum(counts, Counter())
    totals = [sum(count.values()) or 1 for count in counts]
    rows = [
        [
            label,
            *(
                f"{count[label]:,} ({count[label] / total:.1%})"
                for count, total in zip(counts, totals, strict=True)
            ),
        ]
        for label, _ in everything.most_common(top)
    ]
    title = f"{name}: {len(everything)} labels"
    if len(everything) > top:
        title += f", the {top} most frequent"
    yield title
    yield from table(rows, ["", *(split.name for split in splits)])


def _problem_lines(splits: Sequence[Split], label_encoding: str | None) -> Iterator[str]:
    """The likely problems."""
    found = list(_problems(splits, label_encoding))
    yield ""
    yield f"{len(found)} likely problem{'s' if len(found) > 1 else ''}" if found else "no likely problems"
    for problem in found:
        yield f"  {problem}"


def _problems(splits: Sequence[Split], label_encoding: str | None) -> Iterator[str]:
    training = splits[0]
    for split in splits:
        if split.illegal:
            number, tags = split.illegal[0]
            yield (
                f"{split.name}: {label_encoding} does not allow the tags of {len(split.illegal):,} instances, the first is "
                f"number {number}: {_excerpt(tags)}; set model.label_encoding to that of the data, or let the reader convert"
            )
        ambiguous = [words for words, labellings in split.labellings.items() if len(labellings) > 1]
        if ambiguous:
            yield (
                f"{split.name}: {len(ambiguous):,} texts occur with different labels, such as number "
                f"{split.first_number[ambiguous[0]]}: {_excerpt(ambiguous[0])}"
            )
    for split in splits[1:]:
        for name, counts in split.labels.items():
            new = counts.keys() - training.labels.get(name, Counter()).keys()
            if new:
                yield f"{split.name}: labels of {name!r} that do not occur in train: {_excerpt(sorted(new))}"
        shared = [text for text in split.texts if text in training.texts and len(text) > 5]
        if shared:
            yield (
                f"{split.name}: {len(shared):,} distinct texts of more than five words also occur in train, such as number "
                f"{split.first_number[shared[0]]}: {_excerpt(shared[0])}"
            )
    for split in splits:
        if split.texts[()]:
            yield f"{split.name}: instance {split.first_number[()]} has no words"


def _excerpt(words: Sequence[str]) -> str:
    text = " ".join(words)
    return text if len(text) <= 80 else text[:77] + "..."


def _words_of(instance: Instance) -> list[str]:
    """The words of the first text field."""
    from nlpreg.data.fields import TextField

    text = next((one for one in instance.fields.values() if isinstance(one, TextField)), None)
    return [] if text is None else list(text.words)


def _labels_of(instance: Instance) -> Iterator[tuple[str, list[str]]]:
    """Name and labels of each field with labels."""
    from nlpreg.data.fields import LabelField, MultiLabelField, SequenceLabelField, SequenceMultiLabelField

    for name, one in instance.fields.items():
        if isinstance(one, (SequenceLabelField, MultiLabelField)):
            yield name, [str(label) for label in one.labels]
        elif isinstance(one, SequenceMultiLabelField):
            yield name, [label for labels in one.labels for label in labels]
        elif isinstance(one, LabelField):
            yield name, [str(one.label)]
