"""`nlpreg compare`: two models on the same data, with tests of whether they differ by more than chance."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from nlpreg.commands.options import add_allow_remote_option, add_cuda_device_option, check_archive
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError, check_at_least

if TYPE_CHECKING:
    from nlpreg.commands.report.analysis import Example
    from nlpreg.evaluation.significance import BootstrapResult, Counts, Score

_BIO_PREFIXES = {"B": "B", "I": "I", "U": "B", "L": "I", "S": "B", "M": "I", "E": "I"}
"""The prefixes of BIOUL and BMES -> those of BIO."""

_NUM_SHOWN = 5
_LEAST_P = 0.001
"""Smaller p-values are not distinguished: a bootstrap of 1,000 samples does not resolve them."""


@Subcommand.register("compare")
class Compare(Subcommand):
    """Let two taggers or classifiers label the same data, and say by how much they differ.

    The result has the accuracy and, for spans (tags such as B-PER), F1, each with a confidence interval by paired
    bootstrap; McNemar's test; and the texts that one of them gets right and the other wrong.

    examples:
      nlpreg compare old/model.tar.gz new/model.tar.gz test.conllu
      nlpreg compare a.tar.gz b.tar.gz test.conllu --differences differences.txt
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument("first", metavar="FIRST", help="a model.tar.gz, or the folder of a run")
        parser.add_argument("second", metavar="SECOND", help="another one")
        parser.add_argument("data", metavar="DATA", help="labelled data, which each model's own reader reads")
        parser.add_argument(
            "--samples", type=int, default=1000, metavar="N", help="resamples of the bootstrap (default 1000)"
        )
        parser.add_argument(
            "--seed", type=int, default=0, metavar="N", help="seed of the bootstrap (default 0)"
        )
        parser.add_argument(
            "--differences", metavar="FILE", help="write all texts that only one of the two gets right"
        )
        add_cuda_device_option(parser)
        add_allow_remote_option(parser)
        parser.set_defaults(func=compare_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Find a wrong path before anything slow is imported."""
        check_archive(args.first)
        check_archive(args.second)
        check_at_least(1, **{"--samples": args.samples})


@dataclass(frozen=True)
class Comparison:
    """Two models on the same data.

    Args:
        first: each text, with the labels that the first model predicts.
        second: likewise for the second model.
        figures: name -> the two figures, their difference and its interval.
        only_first: number of labels that only the first model gets right.
        only_second: number that only the second does.
        p_value: of McNemar's test on these.
    """

    first: list[Example]
    second: list[Example]
    figures: dict[str, BootstrapResult]
    only_first: int
    only_second: int
    p_value: float

    def texts_that_only_one_gets_right(self) -> dict[str, list[Example]]:
        """The texts that only the "first" or the "second" model gets all right, with the labels of the other model."""
        pairs = list(zip(self.first, self.second, strict=True))
        return {
            "first": [b for a, b in pairs if not a.num_errors and b.num_errors],
            "second": [a for a, b in pairs if a.num_errors and not b.num_errors],
        }


def compare_from_args(args: argparse.Namespace) -> Comparison:
    """Compare the models that the command line names, and print the result."""
    from nlpreg.common.files import atomic_write

    comparison = compare(args.first, args.second, args.data, args.samples, args.seed, args.cuda_device)
    print(f"first   {args.first}\nsecond  {args.second}\ndata    {args.data}")
    print("\n".join(summary_lines(comparison)))
    if args.differences:
        with atomic_write(args.differences, "w") as file:
            file.writelines(line + "\n" for line in difference_lines(comparison))
    return comparison


def compare(
    first: str, second: str, data: Any, num_samples: int = 1000, seed: int = 0, cuda_device: int = -1
) -> Comparison:
    """Compare two archived models on data.

    Args:
        first: path of an archive.
        second: path of another.
        data: what the readers of both read.
        num_samples: resamples of the bootstrap.
        seed: of the bootstrap.
        cuda_device: number of a GPU, or -1 for the CPU.

    Raises:
        ConfigurationError: a model gives no labels, or the two read different labels from the data.
    """
    from nlpreg.commands.report.analysis import analyse
    from nlpreg.evaluation.significance import mcnemar, paired_bootstrap

    labelled: list[list[Example]] = []
    for name, archive in (("FIRST", first), ("SECOND", second)):
        analysis = analyse(archive, data, None, cuda_device)
        if analysis is None:
            raise ConfigurationError(
                f"{name}: {archive}: expected a tagger or classifier and labelled data, got a model or data without labels"
            )
        labelled.append(analysis.examples)
    one, other = labelled
    _check_same_labels(one, other, data)
    figures = {
        name: paired_bootstrap(count(one), count(other), score, num_samples, seed=seed)
        for name, (count, score) in figures_of(one).items()
    }
    only_first, only_second = _discordant(one, other)
    return Comparison(one, other, figures, only_first, only_second, mcnemar(only_first, only_second))


def summary_lines(comparison: Comparison) -> list[str]:
    """The comparison as text."""
    lines = [f"{len(comparison.first):,} texts", ""]
    lines.append(
        f"{'':<12}{'first':>10}{'second':>10}{'difference':>12}   {'95 % interval':<22}p (bootstrap)"
    )
    for name, result in comparison.figures.items():
        interval = f"[{result.low:+.4f}, {result.high:+.4f}]"
        lines.append(
            f"{name:<12}{result.first:>10.4f}{result.second:>10.4f}{result.difference:>+12.4f}   {interval:<22}"
            f"{_p_value(result.p_value)}"
        )
    lines.append("")
    lines.append(
        f"labels that only the first gets right: {comparison.only_first:,}; only the second: {comparison.only_second:,}; "
        f"McNemar's test: p {'' if comparison.p_value < _LEAST_P else '= '}{_p_value(comparison.p_value)}"
    )
    for title, texts in comparison.texts_that_only_one_gets_right().items():
        lines.append(f"texts that only the {title} gets all right: {len(texts):,}")
        lines += [f"  {_shown(text)}" for text in texts[:_NUM_SHOWN]]
    return lines


def _p_value(value: float) -> str:
    return f"< {_LEAST_P}" if value < _LEAST_P else f"{value:.4f}"


def difference_lines(comparison: Comparison) -> list[str]:
    """Every text that only one of the two gets all right, with its mistakes."""
    found = comparison.texts_that_only_one_gets_right()
    return [f"only the {title}: {_shown(text)}" for title, texts in found.items() for text in texts]


def _shown(wrong: Example) -> str:
    """A text, and its wrong labels: word, gold and predicted."""
    text = " ".join(wrong.words)
    if not wrong.is_tagged:
        return f"{text}   {wrong.gold[0]} -> {wrong.predicted[0]}"
    mistakes = [
        f"{word}: {gold} -> {predicted}"
        for word, gold, predicted in zip(wrong.words, wrong.gold, wrong.predicted, strict=True)
        if gold != predicted
    ]
    return f"{text}   {'; '.join(mistakes)}"


def _check_same_labels(first: Sequence[Example], second: Sequence[Example], data: Any) -> None:
    if len(first) != len(second):
        raise ConfigurationError(
            f"DATA: {data}: expected both models to read the same instances, got {len(first):,} and {len(second):,}"
        )
    for number, (one, other) in enumerate(zip(first, second, strict=True), start=1):
        if one.gold != other.gold:
            raise ConfigurationError(
                f"DATA: {data}: expected both models to read the same gold labels, but in instance {number} they are "
                f"{' '.join(one.gold)[:60]!r} and {' '.join(other.gold)[:60]!r}; do they predict the same thing?"
            )


def figures_of(examples: Sequence[Example]) -> dict[str, tuple[Callable[[Sequence[Example]], Counts], Score]]:
    """The scores that apply to these labels: name -> counts of each example, and the score of summed counts."""
    from nlpreg.evaluation.significance import f1, ratio

    figures: dict[str, tuple[Callable[[Sequence[Example]], Counts], Score]] = {
        "accuracy": (partial(_counted, lambda e: (len(e.gold) - e.num_errors, len(e.gold))), ratio)
    }
    if any(example.is_tagged for example in examples):
        figures["whole texts"] = (partial(_counted, lambda e: (not e.num_errors, 1)), ratio)
    if _are_spans(examples):
        figures["span F1"] = (partial(_counted, _span_counts), f1)
    return figures


def _counted(row: Callable[[Example], Sequence[int]], examples: Sequence[Example]) -> Counts:
    """The counts of each example (N, number of counts)."""
    import numpy as np

    return np.array([row(example) for example in examples], dtype=np.float64)


def _are_spans(examples: Sequence[Example]) -> bool:
    """Whether the gold tags write down spans, such as `B-PER I-PER O`."""
    tags = {tag for example in examples if example.is_tagged for tag in example.gold}
    return bool(tags - {"O"}) and all(
        tag == "O" or (tag[:1] in _BIO_PREFIXES and tag[1:2] == "-") for tag in tags
    )


def _span_counts(example: Example) -> Sequence[int]:
    """The numbers of right, predicted and gold spans."""
    gold, predicted = _spans(example.gold), _spans(example.predicted)
    return len(gold & predicted), len(predicted), len(gold)


def _spans(tags: Sequence[str]) -> set[tuple[str, tuple[int, int]]]:
    """The spans of tags in any encoding. As `conlleval` does, ill-formed tags are read as the spans they look like."""
    from nlpreg.data.dataset_readers.dataset_utils import bio_tags_to_spans

    return set(bio_tags_to_spans([_BIO_PREFIXES.get(tag[:1], tag[:1]) + tag[1:] for tag in tags]))


def _discordant(first: Sequence[Example], second: Sequence[Example]) -> tuple[int, int]:
    """How many labels only the first model gets right, and how many only the second."""
    only_first = only_second = 0
    for one, other in zip(first, second, strict=True):
        for gold, a, b in zip(one.gold, one.predicted, other.predicted, strict=True):
            only_first += a == gold != b
            only_second += b == gold != a
    return only_first, only_second
