"""Errors of a trained tagger or classifier on labelled data, and the details of `nlpreg evaluate` about it."""

from __future__ import annotations

import itertools
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlpreg.data import Instance
    from nlpreg.models import Archive, Model

BATCH_SIZE = 32
_NUM_CONFUSIONS = 10
_NUM_EXAMPLES = 2
"""Sentences shown for each confusion."""


@dataclass(frozen=True)
class Example:
    """A labelled text with the predicted labels.

    Args:
        words: its words.
        gold: a label for each word, or one for the text.
        predicted: likewise.
        confidences: the probability that the model gives each predicted label, from 0 to 1; none where it gives no
            probabilities.
    """

    words: list[str]
    gold: list[str]
    predicted: list[str]
    confidences: list[float] = field(default_factory=list)

    @property
    def num_errors(self) -> int:
        """How many labels are wrong."""
        return sum(gold != predicted for gold, predicted in zip(self.gold, self.predicted, strict=True))

    @property
    def is_tagged(self) -> bool:
        """Whether each word has a label of its own."""
        return len(self.gold) == len(self.words) and len(self.gold) != 1


@dataclass(frozen=True)
class LabelScore:
    """Precision, recall and F1 of a label.

    Args:
        label: the label.
        precision: share of its predictions that are right, from 0 to 1; 0.0 if it is never predicted.
        recall: share of its gold occurrences that are found, from 0 to 1; 0.0 if it has none.
        f1: their harmonic mean.
        count: number of gold occurrences.
    """

    label: str
    precision: float
    recall: float
    f1: float
    count: int


@dataclass(frozen=True)
class Bin:
    """Predictions of similar confidence.

    Args:
        confidence: mean probability of the predicted labels, from 0 to 1.
        accuracy: share of these labels that are right, from 0 to 1.
        count: number of labels.
    """

    confidence: float
    accuracy: float
    count: int


@dataclass
class Analysis:
    """The labels that a model predicts for data, and statistics of its errors.

    Args:
        data: what was analysed, as the user or the config names it.
        examples: every text with its labels.
        known_words: words in the vocabulary; None if the labels are not those of words.
        seconds: time of the predictions, without reading the data.
    """

    data: str
    examples: list[Example]
    known_words: set[str] | None = None
    seconds: float = 0.0
    confusion: Counter[tuple[str, str]] = field(init=False)
    """(gold, predicted) -> count."""

    def __post_init__(self) -> None:
        self.confusion = Counter(
            pair for example in self.examples for pair in zip(example.gold, example.predicted, strict=True)
        )

    @property
    def labels(self) -> list[str]:
        """All labels, the most frequent gold ones first."""
        counts: Counter[str] = Counter()
        for (gold, predicted), count in self.confusion.items():
            counts[gold] += count
            counts[predicted] += 0
        return [label for label, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]

    @property
    def accuracy(self) -> float:
        """Share of labels that are right; 0.0 without any."""
        total = sum(self.confusion.values())
        return sum(self.confusion[label, label] for label in self.labels) / max(1, total)

    def scores(self) -> list[LabelScore]:
        """The score of each label."""
        gold_counts: Counter[str] = Counter()
        predicted_counts: Counter[str] = Counter()
        for (gold, predicted), count in self.confusion.items():
            gold_counts[gold] += count
            predicted_counts[predicted] += count
        found = []
        for label in self.labels:
            right = self.confusion[label, label]
            precision = right / predicted_counts[label] if predicted_counts[label] else 0.0
            recall = right / gold_counts[label] if gold_counts[label] else 0.0
            f1 = 2 * precision * recall / (precision + recall) if right else 0.0
            found.append(LabelScore(label, precision, recall, f1, gold_counts[label]))
        return found

    def accuracy_by_knowledge(self) -> dict[str, tuple[float, int]]:
        """Accuracy and number of the words in the vocabulary ("known"), and of the others ("unknown")."""
        if self.known_words is None:
            return {}
        right: Counter[str] = Counter()
        total: Counter[str] = Counter()
        for example in self.examples:
            for word, gold, predicted in zip(example.words, example.gold, example.predicted, strict=True):
                kind = "known" if word in self.known_words or word.lower() in self.known_words else "unknown"
                total[kind] += 1
                right[kind] += gold == predicted
        return {
            kind: (right[kind] / total[kind], total[kind]) for kind in ("known", "unknown") if total[kind]
        }

    def calibration(self, num_bins: int = 10) -> list[Bin]:
        """Predictions by confidence, in intervals of equal width; empty ones are omitted, the lowest confidence comes first."""
        total: Counter[int] = Counter()
        right: Counter[int] = Counter()
        confidence: defaultdict[int, float] = defaultdict(float)
        for example in self.examples:
            if not example.confidences:
                continue
            for gold, predicted, probability in zip(
                example.gold, example.predicted, example.confidences, strict=True
            ):
                index = min(int(probability * num_bins), num_bins - 1)
                total[index] += 1
                right[index] += gold == predicted
                confidence[index] += probability
        return [
            Bin(confidence[index] / count, right[index] / count, count)
            for index, count in sorted(total.items())
        ]

    def calibration_error(self, num_bins: int = 10) -> float | None:
        """The expected calibration error: the mean absolute difference between confidence and accuracy of the bins.

        None for a model without probabilities.

        Source: Naeini, Cooper and Hauskrecht (2015); Guo et al. (2017), https://arxiv.org/abs/1706.04599
        """
        bins = self.calibration(num_bins)
        if not bins:
            return None
        total = sum(one.count for one in bins)
        return sum(one.count * abs(one.confidence - one.accuracy) for one in bins) / total

    def confusions(self, number: int = 10) -> list[tuple[str, str, int, list[tuple[Example, int]]]]:
        """The most frequent errors: gold label, predicted label, count, and examples with the position of the error."""
        examples: defaultdict[tuple[str, str], list[tuple[Example, int]]] = defaultdict(list)
        for example in self.examples:
            for place, pair in enumerate(zip(example.gold, example.predicted, strict=True)):
                if pair[0] != pair[1] and len(examples[pair]) < _NUM_EXAMPLES:
                    examples[pair].append((example, place))
        wrong = Counter({pair: count for pair, count in self.confusion.items() if pair[0] != pair[1]})
        return [(*pair, count, examples[pair]) for pair, count in wrong.most_common(number)]

    def worst(self, number: int = 10) -> list[Example]:
        """The texts with the most wrong labels."""
        wrong = [example for example in self.examples if example.num_errors]
        return sorted(wrong, key=lambda example: -example.num_errors)[:number]


def analyse(
    archive_file: str, data: Any, max_instances: int | None, cuda_device: int = -1
) -> Analysis | None:
    """Predict the labels of data with an archived model.

    Args:
        archive_file: path of the archive.
        data: what the validation reader of the archive reads.
        max_instances: maximum number of instances; None for all.
        cuda_device: number of a GPU, or -1 for the CPU.

    Returns:
        The analysis; None for a model without labels.
    """
    from nlpreg.models import load_archive

    return analyse_labels(load_archive(archive_file, cuda_device), data, max_instances)


def analyse_labels(archive: Archive, data: Any, max_instances: int | None) -> Analysis | None:
    """As `analyse`, for a loaded archive."""
    model: Any = archive.model
    model.eval()
    if hasattr(model, "confidences"):
        model.confidences = True
    instances = itertools.islice(archive.validation_dataset_reader.read(data), max_instances)
    examples, seconds = _examples(model, instances)
    if not examples:
        return None
    known = model.vocab.get_token_to_index_vocabulary("tokens") if examples[0].is_tagged else {}
    return Analysis(str(data), examples, set(known) or None, seconds)


def _examples(model: Model, instances: Iterable[Instance]) -> tuple[list[Example], float]:
    """The labelled instances with the predictions for them, and the time of these; none for a model without labels."""
    from nlpreg.common.util import lazy_groups_of
    from nlpreg.data import Instance

    examples: list[Example] = []
    seconds = 0.0
    for batch in lazy_groups_of(instances, BATCH_SIZE):
        gold_fields = [_gold_field(instance) for instance in batch]
        # as in use, the model gets the texts without their labels
        unlabelled = [
            Instance({name: field for name, field in instance.fields.items() if name != gold})
            for instance, gold in zip(batch, gold_fields, strict=True)
        ]
        start = time.perf_counter()
        outputs = model.forward_on_instances(unlabelled)
        seconds += time.perf_counter() - start
        for instance, gold, output in zip(batch, gold_fields, outputs, strict=True):
            example = None if gold is None else _example(instance, gold, output)
            if example is None:
                return examples, seconds
            examples.append(example)
    return examples, seconds


def _gold_field(instance: Instance) -> str | None:
    """The name of the field with the labels; None if there is none."""
    from nlpreg.data.fields import LabelField, SequenceLabelField

    names = [name for name in ("tags", "label", "labels") if name in instance.fields] or list(instance.fields)
    return next((n for n in names if isinstance(instance.fields[n], (LabelField, SequenceLabelField))), None)


def _example(instance: Instance, gold_name: str, output: dict[str, Any]) -> Example | None:
    """An instance with gold and predicted labels; None if the model predicts none."""
    from nlpreg.data.fields import LabelField, SequenceLabelField, TextField

    text = next((field for field in instance.fields.values() if isinstance(field, TextField)), None)
    words = [str(token) for token in text.tokens] if text is not None else []
    gold = instance.fields[gold_name]
    if isinstance(gold, SequenceLabelField) and "tags" in output:
        confidences = [float(confidence) for confidence in output.get("confidences", ())]
        return Example(
            words,
            [str(label) for label in gold.labels],
            [str(label) for label in output["tags"]],
            confidences,
        )
    label = output.get("label", output.get("answers"))  # the second: of `transformer_classification_tt`
    if isinstance(gold, LabelField) and label is not None:
        confidences = [float(max(output["probs"]))] if "probs" in output else []
        return Example(words, [str(gold.label)], [str(label)], confidences)
    return None


def detail_lines(analysis: Analysis, num_samples: int = 1000, seed: int = 0) -> list[str]:
    """Scores with their intervals, known and unknown words, each label, the most frequent errors, calibration, speed.

    Args:
        analysis: of the model on the data.
        num_samples: number of bootstrap samples.
        seed: of the bootstrap.
    """
    from nlpreg.commands.compare import figures_of
    from nlpreg.evaluation.significance import bootstrap_interval

    lines = [f"{'':<16}{'value':>8}   95 % interval (bootstrap over {len(analysis.examples):,} texts)"]
    for name, (count, score) in figures_of(analysis.examples).items():
        counts = count(analysis.examples)
        low, high = bootstrap_interval(counts, score, num_samples, seed=seed)
        lines.append(f"{name:<16}{float(score(counts.sum(0)[None])[0]):>8.4f}   [{low:.4f}, {high:.4f}]")
    for kind, (accuracy, number) in analysis.accuracy_by_knowledge().items():
        lines.append(f"{kind + ' words':<16}{accuracy:>8.4f}   accuracy on {number:,}")
    error = analysis.calibration_error()
    if error is not None:
        lines.append(f"{'calibration':<16}{error:>8.4f}   expected calibration error")
    if analysis.seconds > 0:
        lines.append(f"{'speed':<16}{len(analysis.examples) / analysis.seconds:>8,.0f}   texts per second")
    width = max(5, *(len(label) for label in analysis.labels))
    lines += ["", f"{'label':<{width}}{'precision':>11}{'recall':>9}{'F1':>9}{'count':>9}"]
    lines += [
        f"{one.label:<{width}}{one.precision:>11.4f}{one.recall:>9.4f}{one.f1:>9.4f}{one.count:>9,}"
        for one in analysis.scores()
    ]
    confusions = analysis.confusions(_NUM_CONFUSIONS)
    if confusions:
        lines += ["", f"{'gold':<{width}}  {'predicted':<{max(width, 9)}}{'count':>9}"]
        lines += [
            f"{gold:<{width}}  {predicted:<{max(width, 9)}}{count:>9,}"
            for gold, predicted, count, _ in confusions
        ]
    return lines


def errors_in_conllu(examples: Sequence[Example], column: str) -> Iterator[str]:
    """The sentences with a wrong tag in the CoNLL-U format: gold tags in their column, wrong ones in MISC.

    Args:
        examples: tagged sentences.
        column: the column of the tags, such as "upos".

    Yields:
        For each such sentence its lines, with the blank line after them.
    """
    from nlpreg.data.dataset_readers.conllu import conllu_of

    for number, example in enumerate(examples, start=1):
        if not example.num_errors or len(example.gold) != len(example.words):
            continue
        rows = conllu_of(example.words, example.gold, column).split("\n")
        for place, (gold, predicted) in enumerate(zip(example.gold, example.predicted, strict=True)):
            if gold != predicted:
                *others, _ = rows[place].split("\t")
                rows[place] = "\t".join([*others, f"Predicted={predicted}"])
        comments = [
            f"# sentence = {number}",
            f"# errors = {example.num_errors}",
            f"# text = {' '.join(example.words)}",
        ]
        yield "\n".join([*comments, *rows]) + "\n\n"
