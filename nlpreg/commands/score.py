"""`nlpreg score`: the probabilities of texts under an archived language model."""

import argparse
import math
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nlpreg.commands import options
from nlpreg.commands.predict import input_lines, output_lines, text_under
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError, check_at_least
from nlpreg.common.sanitize import json_text

if TYPE_CHECKING:
    from nlpreg.predictors.scorer import ScoredText

_COLUMNS = ("number", "num_targets", "num_unknown", "log_probability", "surprisal", "perplexity", "text")
_TOKEN_COLUMNS = ("number", "position", "token", "log_probability", "surprisal")


@Subcommand.register("score")
class Score(Subcommand):
    """Score the lines of a text with an archived language model (language_model, masked_language_model).

    The output has one JSON object per line, with tokens, log_probabilities (natural logarithms, null for a token that
    is not predicted), surprisals, log_probability, num_targets and perplexity. The perplexity of all lines together,
    per token and per word, and the bits per character are written to standard error at the end. Scores of bidirectional
    models are the mean of both directions, those of masked models are pseudo-log-likelihoods.

    examples:
      nlpreg score out/model.tar.gz test.txt --output-file scores.jsonl
      nlpreg score out/model.tar.gz test.txt --summary
      nlpreg score out/model.tar.gz test.txt --format tsv --bits
      echo "The dog barks ." | nlpreg score out/model.tar.gz - --format tokens
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        options.add_archive_options(parser)
        parser.add_argument(
            "input_file",
            metavar="INPUT",
            help="one text per line, or JSON objects with a text under `sentence`; a path or URL, also compressed; - for "
            "standard input",
        )
        parser.add_argument("--output-file", metavar="FILE", help="write the scores to this file")
        parser.add_argument(
            "--format",
            choices=["json", "tsv", "tokens"],
            default="json",
            help="JSON lines, a table with a row for each text, or a table with a row for each token",
        )
        parser.add_argument("--bits", action="store_true", help="surprisals in bits rather than nats")
        parser.add_argument(
            "--summary",
            action="store_true",
            help="print only the scores of all texts together, as a JSON object",
        )
        parser.add_argument(
            "--tokens-per-batch",
            type=int,
            default=4096,
            metavar="N",
            help="number of tokens per batch, padding included",
        )
        options.add_overrides_option(parser)
        parser.set_defaults(func=score_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Check paths and options before slow modules are imported."""
        options.check_archive(args.archive_file, args.weights_file)
        if args.input_file != "-":
            options.check_file(args.input_file, "INPUT")
        check_at_least(1, **{"--tokens-per-batch": args.tokens_per_batch})
        options.check_output_file(args.output_file, args.archive_file, args.weights_file, args.input_file)


def score_from_args(args: argparse.Namespace) -> None:
    """Run the command with parsed arguments."""
    from nlpreg.predictors.scorer import Scorer, ScoreTotals

    scorer = Scorer.from_path(
        args.archive_file, args.cuda_device, args.overrides, args.weights_file, args.tokens_per_batch
    )
    totals = ScoreTotals()
    with output_lines(None if args.summary else args.output_file) as file:
        out = sys.stdout if file is None else file
        if not args.summary and args.format != "json":
            out.write("\t".join(_COLUMNS if args.format == "tsv" else _TOKEN_COLUMNS) + "\n")
        for number, text in enumerate(scorer.score_many(_texts(args.input_file)), 1):
            totals.add(text)
            if not args.summary:
                for line in _lines_of(number, text, args.format, 1 / math.log(2) if args.bits else 1.0):
                    out.write(line + "\n")
        out.flush()
    summary = totals.as_dict()
    if args.summary:
        print(json_text(summary))
    else:
        shown = [
            f"{name} {value:,.4f}"
            if isinstance(value, float)
            else f"{name} {'-' if value is None else value}"
            for name, value in summary.items()
        ]
        print("\n".join(shown), file=sys.stderr)


def _lines_of(number: int, text: "ScoredText", layout: str, unit: float) -> Iterator[str]:
    """The lines of output for a text; surprisals are multiplied by `unit`."""
    surprisals = [None if value is None else -value * unit for value in text.log_probabilities]
    if layout == "json":
        values = {
            "text": text.text,
            "tokens": text.tokens,
            "log_probabilities": text.log_probabilities,
            "surprisals": surprisals,
            "log_probability": text.log_probability,
            "surprisal": 0.0 - text.log_probability * unit,  # never -0.0
            "num_targets": text.num_targets,
            "num_unknown": text.num_unknown,
            "perplexity": text.perplexity,
        }
        yield json_text(values)
    elif layout == "tsv":
        total = (text.log_probability, -text.log_probability * unit)
        cells = [number, text.num_targets, text.num_unknown, *total, text.perplexity, _one_line(text.text)]
        yield "\t".join(map(_cell, cells))
    else:
        columns = zip(text.tokens, text.log_probabilities, surprisals, strict=True)
        for position, (token, value, surprisal) in enumerate(columns):
            yield "\t".join(map(_cell, [number, position, _one_line(token), value, surprisal]))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _one_line(text: str) -> str:
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _texts(input_file: str) -> Iterator[str]:
    """The texts of a file: its lines or, if the first line is a JSON object with `sentence`, the sentences of JSON lines."""
    has_objects = None
    for place, line in input_lines(input_file):
        line = line.rstrip("\r\n")
        sentence = text_under("sentence", line) if has_objects is not False else None
        if has_objects is None:
            has_objects = sentence is not None
        if not has_objects:
            yield line
        elif sentence is not None:
            yield sentence
        else:
            raise ConfigurationError(
                f'{place}: expected an object such as {{"sentence": "A text."}}, got {line[:80]!r}'
            )
