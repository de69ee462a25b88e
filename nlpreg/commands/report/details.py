"""The details of `nlpreg evaluate` about a tagger or classifier, and its errors in the CoNLL-U format."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlpreg.commands.report.analysis import Analysis, Example

_NUM_CONFUSIONS = 10


def detail_lines(analysis: "Analysis", num_samples: int = 1000, seed: int = 0) -> list[str]:
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


def errors_in_conllu(examples: "Sequence[Example]", column: str) -> Iterator[str]:
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
