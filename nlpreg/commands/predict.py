"""`nlpreg predict`: predictions of an archived model for new input."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from nlpreg.commands import options
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError, check_at_least, check_share, did_you_mean
from nlpreg.common.iteration import lazy_groups_of

if TYPE_CHECKING:
    from nlpreg.common.util import JsonDict
    from nlpreg.data import DatasetReader, Instance
    from nlpreg.data.tokenizers.sentence_splitter import SentenceSplitter
    from nlpreg.models.archival import Archive
    from nlpreg.predictors.predictor import Predictor

logger = logging.getLogger(__name__)

Line: TypeAlias = "tuple[int, str | ConfigurationError]"
"""The number of a line and its text, or the error that says why it cannot be read."""

_DEFAULT_BATCH_SIZE = 32
_BATCHES_TO_SORT = 16
"""Inputs of so many batches are sorted by length before they are batched, since padding costs time; the answers are not."""


@Subcommand.register("predict")
class Predict(Subcommand):
    """Predict with an archived model, and print a JSON object a line, in the order of the input.

    The input has one JSON object a line, such as {"sentence": "The dog ate the apple"}; blank lines are skipped.
    Logits, probabilities and masks are left out unless --all-outputs is given. With --input text, each line is a text,
    which is split into sentences for a tagger; with --output conllu a tagger writes CoNLL-U.

    examples:
      nlpreg predict out/model.tar.gz input.jsonl --output-file predictions.jsonl
      echo '{"sentence": "The dog ate the apple"}' | nlpreg predict out/model.tar.gz -
      nlpreg predict out/model.tar.gz text.txt --input text --output conllu --output-file tagged.conllu
      nlpreg predict out/model.tar.gz test.conllu --input conllu --output conllu
      nlpreg predict out/model.tar.gz test.conllu --use-dataset-reader
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        options.add_archive_options(parser)
        parser.add_argument(
            "input_file",
            metavar="INPUT",
            help="a file (path or URL, also compressed); - for standard input",
        )
        parser.add_argument(
            "--input",
            dest="input_format",
            choices=["json", "text", "conllu"],
            default="json",
            help="what INPUT is: JSON lines, plain text, or sentences of words in the CoNLL-U format",
        )
        parser.add_argument(
            "--output",
            dest="output_format",
            choices=["json", "conllu"],
            default="json",
            help="what is written: JSON lines, or CoNLL-U with the tags in one column and all else as in the input",
        )
        parser.add_argument(
            "--output-file", metavar="FILE", help="write the predictions there, and print none"
        )
        parser.add_argument(
            "--all-outputs",
            action="store_true",
            help="write everything that the model puts out, logits and probabilities too",
        )
        parser.add_argument(
            "--skip-bad-lines",
            action="store_true",
            help='write {"error": ...} for an input that cannot be predicted, and continue with the next one',
        )
        parser.add_argument(
            "--batch-size",
            type=int,
            metavar="N",
            help=f"inputs for each call of the model ({_DEFAULT_BATCH_SIZE}; 1 for a predictor that has methods of its own "
            "for single inputs only, and for a model of your own without per_token_outputs)",
        )
        parser.add_argument("--silent", action="store_true", help="print nothing, and show no progress")
        _add_confidence_options(parser)
        _add_word_options(parser)
        _add_reader_options(parser)
        options.add_overrides_option(parser)
        parser.add_argument("--predictor", metavar="NAME", help="a predictor other than the model's own")
        parser.add_argument(
            "--predictor-args",
            default="",
            metavar="JSON",
            help="further arguments of the predictor, as an object",
        )
        options.add_file_friendly_option(parser)
        parser.set_defaults(func=predict_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Find wrong paths and options before anything slow is imported."""
        options.check_archive(args.archive_file, args.weights_file)
        if args.input_file == "-":
            if args.use_dataset_reader:
                raise ConfigurationError(
                    "--use-dataset-reader: a dataset reader cannot read standard input; give a file"
                )
        elif not args.use_dataset_reader:
            options.check_file(args.input_file, "INPUT")
        if args.use_dataset_reader:
            _refuse_with_a_reader(args)
        if args.splitter is not None and args.input_format != "text":
            raise ConfigurationError("--splitter: only together with --input text")
        if args.column is not None and args.output_format != "conllu":
            raise ConfigurationError("--column: only together with --output conllu")
        if args.threshold is not None and not args.confidences:
            raise ConfigurationError("--threshold: only together with --confidences")
        check_share(**{"--threshold": args.threshold})
        check_at_least(1, **{"--batch-size": args.batch_size})
        options.check_output_file(args.output_file, args.archive_file, args.weights_file, args.input_file)
        options.parse_json_option("--predictor-args", args.predictor_args)


def _add_confidence_options(subparser: argparse.ArgumentParser) -> None:
    """Add the options for the probabilities of taggers."""
    group = subparser.add_argument_group("probabilities of taggers")
    group.add_argument(
        "--confidences",
        action="store_true",
        help="add the probability of each tag, and of each span of a tagger with a label_encoding",
    )
    group.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="with --confidences: list words whose tag is less probable as `uncertain`, and leave such spans out",
    )


def _add_word_options(subparser: argparse.ArgumentParser) -> None:
    """Add the options for sentence splitting and tokenization."""
    group = subparser.add_argument_group("words and sentences")
    group.add_argument(
        "--tokenizer",
        metavar="NAME",
        help="splits sentences into words: a registered name, such as english, spacy or whitespace, or JSON with its "
        "arguments; by default the dataset reader's, then for text `english`",
    )
    group.add_argument(
        "--splitter",
        metavar="NAME",
        help="splits the lines of a text into sentences: a registered name (english, spacy), JSON with its arguments, "
        "or `none`; by default `english` for taggers, and `none` for other models",
    )
    group.add_argument(
        "--column",
        metavar="NAME",
        help="column of CoNLL-U for the tags: upos, xpos, feats, lemma or deprel; by default the one that the dataset "
        "reader of the archive reads, else upos",
    )


def _add_reader_options(subparser: argparse.ArgumentParser) -> None:
    """Add the options of reading with a dataset reader."""
    group = subparser.add_argument_group("reading with the archive's dataset reader")
    group.add_argument(
        "--use-dataset-reader",
        action="store_true",
        help="read INPUT with the archive's dataset reader instead of as JSON lines",
    )
    group.add_argument(
        "--dataset-reader-choice",
        choices=["train", "validation"],
        default="validation",
        help="which of the archive's dataset readers to use",
    )
    group.add_argument("--multitask-head", metavar="HEAD", help="whose data it is, for a multitask reader")


def _refuse_with_a_reader(args: argparse.Namespace) -> None:
    """Raise an error for options about the input format, which the dataset reader determines."""
    if args.input_format != "json":
        raise ConfigurationError(
            f"--input {args.input_format}: not together with --use-dataset-reader, which reads INPUT in its own way"
        )
    if args.output_format == "conllu":
        raise ConfigurationError(
            "--output conllu: not together with --use-dataset-reader; use --input conllu for a file in that format"
        )
    if args.skip_bad_lines:
        raise ConfigurationError(
            "--skip-bad-lines: not together with --use-dataset-reader; many readers have an option for this: "
            "-o dataset_reader.skip_bad_lines=true"
        )


def predict_from_args(args: argparse.Namespace) -> None:
    """Run the command with parsed arguments."""
    if args.silent and not args.output_file:
        print(
            "--silent without --output-file: the predictions would not be written anywhere",
            file=sys.stderr,
        )
        return

    from nlpreg.common import logging as common_logging
    from nlpreg.models.archival import load_archive
    from nlpreg.predictors.predictor import reader_of

    common_logging.FILE_FRIENDLY_LOGGING = args.file_friendly_logging
    archive = load_archive(args.archive_file, args.cuda_device, args.overrides, args.weights_file)
    if args.confidences:
        _ask_for_confidences(archive, args.threshold)
    predictor = _predictor_from_args(archive, args)
    _check_column(args.column)
    given = {
        **options.arguments_for(PredictManager, args),
        "predictor": predictor,
        "column": args.column or getattr(reader_of(predictor), "tag_column", "upos"),
        "splitter": _splitter(args.splitter, predictor) if args.input_format == "text" else None,
        "print_to_console": not args.silent and not args.output_file,
        "has_dataset_reader": args.use_dataset_reader,
        "show_progress": not args.silent,
    }
    PredictManager(**given).run()


def _ask_for_confidences(archive: Archive, threshold: float | None) -> None:
    """Make a tagger give the probabilities of its tags."""
    model: Any = archive.model
    if not hasattr(model, "confidences"):
        raise ConfigurationError(
            f"--confidences: the model {type(model).__name__} gives no probabilities of tags; the taggers "
            "simple_tagger, crf_tagger, multi_tagger, tnt_tagger and tagger_ensemble do"
        )
    model.confidences = True
    if threshold is not None:
        model.confidence_threshold = threshold


def _predictor_from_args(archive: Archive, args: argparse.Namespace) -> Predictor:
    """The predictor that the options ask for, or the model's own."""
    from nlpreg.predictors.predictor import Predictor, reader_of, tokenizer_of
    from nlpreg.predictors.sentence_tagger import SentenceTaggerPredictor

    # with a dataset reader the base class does, which needs to know nothing of the input
    if args.predictor is None and archive.model.default_predictor is None and not args.use_dataset_reader:
        raise ConfigurationError(
            f"--predictor: the model {type(archive.model).__name__} has no predictor of its own; choose one of "
            + ", ".join(sorted(Predictor.list_available()))
        )
    given: dict[str, Any] = options.parse_json_option("--predictor-args", args.predictor_args)
    if args.tokenizer is not None:
        given = {**given, "tokenizer": options.name_or_json("--tokenizer", args.tokenizer)}

    def made(arguments: dict[str, Any]) -> Predictor:
        return Predictor.from_archive(
            archive,
            args.predictor,
            dataset_reader_to_load=args.dataset_reader_choice,
            extra_args=arguments,
        )

    predictor = made(given)
    if args.input_format == "text" and isinstance(predictor, SentenceTaggerPredictor):
        if "tokenizer" in given:
            words_only = _without_special_tokens(given["tokenizer"])
            return predictor if words_only is None else made({**given, "tokenizer": words_only})
        if tokenizer_of(reader_of(predictor)) is None:
            return made({**given, "tokenizer": "english"})
    return predictor


def _without_special_tokens(tokenizer: Any) -> dict[str, Any] | None:
    """The tokenizer of an option, told to add no special tokens, which are no words; None if it adds none anyway."""
    from nlpreg.common.config.hints import signature_of
    from nlpreg.data.tokenizers import Tokenizer

    config = {"type": tokenizer} if isinstance(tokenizer, str) else dict(tokenizer)
    cls: Any = Tokenizer.by_name(config.get("type", Tokenizer.default_implementation))
    key = "add_special_tokens"
    return {**config, key: False} if key in signature_of(cls, None).parameters else None


def _check_column(column: str | None) -> None:
    """Raise unless CoNLL-U has a column of this name for tags."""
    from nlpreg.data.dataset_readers.conllu import TAG_COLUMNS

    if column is not None and column not in TAG_COLUMNS:
        raise ConfigurationError(
            f"--column: expected one of {', '.join(TAG_COLUMNS)}, got {column!r}{did_you_mean(column, TAG_COLUMNS)}"
        )


def _splitter(text: str | None, predictor: Predictor) -> SentenceSplitter | None:
    """The splitter that `--splitter` names; None if every line is one sentence."""
    from nlpreg.common.from_params import construct_arg
    from nlpreg.data.tokenizers import SentenceSplitter
    from nlpreg.predictors.sentence_tagger import SentenceTaggerPredictor

    if text is None:
        text = "english" if isinstance(predictor, SentenceTaggerPredictor) else "none"
    if text == "none":
        return None
    splitter: SentenceSplitter = construct_arg(
        "predict", "--splitter", options.name_or_json("--splitter", text), SentenceSplitter, None
    )
    return splitter


@dataclass
class Item:
    """One input on its way to a prediction.

    Args:
        place: where it comes from, such as `input.jsonl, line 3`.
        source: what the predictor takes; the error, for an input that cannot be read; None where there is nothing to
            predict.
        text: the input as it is written: a line, a sentence, or a block of CoNLL-U.
        answer: the prediction, or the error.
    """

    place: str
    source: JsonDict | Instance | Exception | None
    text: str = ""
    answer: JsonDict | Exception | None = None


class PredictManager:
    """Takes input in batches to a predictor and its predictions to a file or to standard output.

    Args:
        predictor: makes the predictions.
        input_file: a path or URL, or - for standard input.
        output_file: file for the predictions, if any.
        batch_size: inputs for each call of the predictor; by default 32, or 1 for a predictor or a model that has a
            method of its own for single inputs, and none for batches.
        print_to_console: whether to print predictions.
        has_dataset_reader: whether the predictor's dataset reader reads the input.
        multitask_head: whose data it is, if that is a reader for several tasks.
        input_format: "json", "text" or "conllu".
        output_format: "json" or "conllu".
        all_outputs: whether to write all outputs rather than `Predictor.brief`.
        skip_bad_lines: whether an input that cannot be predicted gives `{"error": ...}` instead of ending the run.
        splitter: splits each line of a text into sentences.
        column: the column of CoNLL-U for the tags.
        show_progress: whether to show a progress bar on standard error.

    Raises:
        ConfigurationError: a head is needed and not given, or given and not needed.
    """

    def __init__(
        self,
        predictor: Predictor,
        input_file: str,
        output_file: str | None = None,
        batch_size: int | None = None,
        print_to_console: bool = True,
        has_dataset_reader: bool = False,
        multitask_head: str | None = None,
        *,
        input_format: str = "json",
        output_format: str = "json",
        all_outputs: bool = False,
        skip_bad_lines: bool = False,
        splitter: SentenceSplitter | None = None,
        column: str = "upos",
        show_progress: bool = False,
    ) -> None:
        self._predictor = predictor
        self._input_file = input_file
        self._name = _input_name(input_file)
        self._output_file = output_file
        self._batch_size = batch_size or (_DEFAULT_BATCH_SIZE if predictor.takes_batches() else 1)
        self._print_to_console = print_to_console
        self._multitask_head = multitask_head
        self._input_format = input_format
        self._output_format = output_format
        self._all_outputs = all_outputs
        self._skip_bad_lines = skip_bad_lines
        self._splitter = splitter
        self._column = column
        self._show_progress = show_progress
        self._num_bad = 0
        self._open_block: list[Line] = []
        self._reader: DatasetReader | None = None
        if has_dataset_reader:
            from nlpreg.predictors.predictor import reader_of

            self._reader = _reader_for_head(reader_of(predictor), multitask_head)
        elif multitask_head is not None:
            raise ConfigurationError("--multitask-head: only together with --use-dataset-reader")

    def run(self) -> None:
        """Predict for the whole input.

        Raises:
            ConfigurationError: an input cannot be predicted; the message names its line.
        """
        with output_lines(self._output_file) as output:
            for group in self._groups():
                self._predict(group)
                for item in group:
                    line = self._line_of(item)
                    if self._print_to_console:
                        sys.stdout.write(line)
                    if output is not None:
                        output.write(line)
                if self._print_to_console:
                    sys.stdout.flush()  # a process that writes its input line by line waits for each answer
        if self._num_bad:
            logger.warning(
                "%s: %d inputs could not be predicted; their answers say why under `error`",
                self._name,
                self._num_bad,
            )

    def _groups(self) -> Iterator[list[Item]]:
        """The inputs, in groups whose answers are written together."""
        most = self._batch_size * _BATCHES_TO_SORT if self._batch_size > 1 else 1
        if self._reader is not None:
            with self._bar("instance") as advance:
                for instances in lazy_groups_of(self._instances(self._reader), most):
                    yield instances
                    advance(len(instances))
            return
        with self._bar("line") as advance:
            waiting: list[Item] = []
            for group in _line_groups(self._input_file, self._name, most):
                waiting += self._items(group)
                advance(len(group))
                # A sentence has several lines, so a group of lines alone would make few and small batches. A process
                # that writes to standard input waits for the answers to its lines.
                if len(waiting) >= most or self._input_file == "-":
                    yield waiting
                    waiting = []
            yield [*waiting, *self._sentences([(0, "")])]  # the last sentence may have no blank line after it

    @contextlib.contextmanager
    def _bar(self, unit: str) -> Iterator[Callable[[int], object]]:
        """A progress bar, unless it would be mixed with predictions or the input is interactive."""
        on_terminal = self._print_to_console and sys.stdout.isatty()
        if not self._show_progress or on_terminal or self._input_file == "-":
            yield lambda number: None
            return
        from nlpreg.common.tqdm import Tqdm

        total = _num_lines(self._input_file) if unit == "line" else None
        with Tqdm.tqdm(desc="predicting", total=total, unit=unit) as bar:
            yield bar.update

    def _items(self, lines: Iterable[Line]) -> Iterator[Item]:
        """The inputs in some lines."""
        if self._input_format == "conllu":
            yield from self._sentences(lines)
            return
        for number, line in lines:
            place = f"{self._name}, line {number}"
            if isinstance(line, ConfigurationError):
                yield Item(place, line)
            elif self._input_format == "json":
                if line.strip():
                    yield Item(place, self._parsed(place, line), line)
            elif self._splitter is None:  # each line has its answer, an empty one too
                yield Item(place, {"sentence": line.strip()}, line.strip())
            else:
                for sentence in self._splitter.split_sentences(line):
                    yield Item(place, {"sentence": sentence}, sentence)

    def _sentences(self, lines: Iterable[Line]) -> Iterator[Item]:
        """The sentences in the CoNLL-U format that end within some lines; what follows them waits for further lines."""
        for number, line in lines:
            if isinstance(line, ConfigurationError) or line.strip():
                self._open_block.append((number, line))
            elif self._open_block:
                yield self._sentence(self._open_block)
                self._open_block = []

    def _sentence(self, block: list[Line]) -> Item:
        """The sentence in the lines between two blank ones; the error, if one of them cannot be read."""
        from nlpreg.data.dataset_readers.conllu import conllu_words
        from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError

        first = block[0][0]
        place = f"{self._name}, line {first}"
        bad_line = next((line for _, line in block if isinstance(line, ConfigurationError)), None)
        if bad_line is not None:
            return Item(place, bad_line)
        lines = [str(line).rstrip("\r\n") for _, line in block]
        text = "\n".join(lines)
        if all(line.startswith("#") for line in lines):
            return Item(place, None, text)
        try:
            return Item(place, {"words": conllu_words(text, self._name, first)}, text)
        except DataError as error:
            return Item(place, error, text)

    def _instances(self, reader: DatasetReader) -> Iterator[Item]:
        """The instances that the archive's dataset reader reads from the input."""
        from nlpreg.data.fields import MetadataField

        for number, instance in enumerate(reader.read(self._input_file), start=1):
            if self._multitask_head is not None and "task" not in instance.fields:
                instance.add_field("task", MetadataField(self._multitask_head))
            yield Item(f"{self._name}, instance {number}", instance)

    def _parsed(self, place: str, line: str) -> JsonDict | ConfigurationError:
        try:
            inputs = self._predictor.load_line(line)
        except ValueError as error:
            return ConfigurationError(
                f'{place}: expected JSON, such as {{"sentence": "A text."}}, got {line[:80]!r} ({error})'
            )
        if inputs is None:  # the source of an item without an answer
            return ConfigurationError(
                f'{place}: expected an object such as {{"sentence": "A text."}}, got null'
            )
        return inputs

    def _predict(self, items: list[Item]) -> None:
        """Set the answer of each input: the prediction, or the error."""
        for item in items:
            if isinstance(item.source, Exception):
                item.answer = item.source
        waiting = [item for item in items if item.answer is None and item.source is not None]
        if self._reader is None:  # sorted: the longer the line, the longer the text
            waiting.sort(key=lambda item: len(item.text))
        predict_batch: Any = (
            self._predictor.predict_batch_json
            if self._reader is None
            else self._predictor.predict_batch_instance
        )
        for batch in lazy_groups_of(waiting, self._batch_size):
            if len(batch) > 1:
                try:
                    answers = predict_batch([item.source for item in batch])
                except Exception as error:  # predicting each alone shows which one fails
                    if not self._skip_bad_lines and not isinstance(error, ConfigurationError):
                        raise
                else:
                    for item, answer in zip(batch, answers, strict=True):
                        item.answer = answer
                    continue
            for item in batch:
                self._predict_one(item)

    def _predict_one(self, item: Item) -> None:
        predict: Any = (
            self._predictor.predict_json if self._reader is None else self._predictor.predict_instance
        )
        try:
            item.answer = predict(item.source)
        except ConfigurationError as error:
            item.answer = ConfigurationError(f"{item.place}: {error}")
        except Exception as error:
            if not self._skip_bad_lines:
                raise
            item.answer = ConfigurationError(f"{item.place}: {type(error).__name__}: {error}")

    def _line_of(self, item: Item) -> str:
        """What is written for an input, with the end of its line."""
        answer = item.answer
        if self._output_format == "conllu" and not isinstance(answer, Exception):
            try:
                return self._as_conllu(item, answer)
            except ConfigurationError as error:
                answer = ConfigurationError(f"{item.place}: {error}")
        if isinstance(answer, Exception):
            if not self._skip_bad_lines:
                raise answer
            self._num_bad += 1
            if self._output_format == "conllu":
                kept = item.text if self._input_format == "conllu" else f"# text = {item.text.strip()}"
                return f"# error = {' '.join(str(answer).split())}\n{kept}\n\n"
            return json.dumps({"error": str(answer)}) + "\n"
        if answer is None:
            return ""
        brief = self._predictor.brief(answer)
        return self._predictor.dump_line({**brief, **answer} if self._all_outputs else brief)

    def _as_conllu(self, item: Item, answer: JsonDict | None) -> str:
        """A sentence in the CoNLL-U format, with the blank line after it."""
        from nlpreg.data.dataset_readers.conllu import (
            TAG_COLUMNS,
            conllu_of,
            conllu_with_column,
            field_of_column,
        )

        if answer is None:
            return item.text + "\n\n"
        words, tags = answer.get("words"), answer.get("tags")
        if not isinstance(words, list) or not isinstance(tags, list):
            raise ConfigurationError(
                f"--output conllu: expected predictions with `words` and `tags`, those of {type(self._predictor).__name__} "
                f"have {', '.join(answer)}"
            )
        if self._input_format == "conllu":
            sentence = conllu_with_column(item.text, tags, self._column)
        else:
            text = None
            if isinstance(item.source, dict) and isinstance(item.source.get("sentence"), str):
                text = item.source["sentence"]
            sentence = conllu_of(words, tags, self._column, text)
        for column in TAG_COLUMNS:  # of a tagger with several heads
            values = answer.get(field_of_column(column))
            if isinstance(values, list) and column != self._column:
                sentence = conllu_with_column(sentence, values, column)
        return sentence + "\n\n"


_PredictManager = PredictManager  # the name that code written for AllenNLP subclasses


def _reader_for_head(reader: DatasetReader, head: str | None) -> DatasetReader:
    """The reader itself, or that of a head if it is a reader for several tasks."""
    readers: dict[str, DatasetReader] | None = getattr(reader, "readers", None)
    if readers is None:
        if head is not None:
            raise ConfigurationError(
                f"--multitask-head: the archive's reader, {type(reader).__name__}, has no heads"
            )
        return reader
    if head not in readers:
        raise ConfigurationError(
            f"--multitask-head: the archive's reader needs one of {', '.join(sorted(readers))}, got {head!r}"
        )
    return readers[head]


def input_lines(input_file: str) -> Iterator[tuple[str, str]]:
    """The lines of a file or of standard input that are not blank, each with its place, such as `in.txt, line 3`.

    Raises:
        ConfigurationError: a line is not UTF-8.
    """
    name = _input_name(input_file)
    for group in _line_groups(input_file, name, 1):
        for number, line in group:
            if isinstance(line, ConfigurationError):
                raise line
            if line.strip():
                yield f"{name}, line {number}", line


def text_under(key: str, line: str) -> str | None:
    """The text under a key of a JSON object; None if the line is not such an object."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    text = value.get(key) if isinstance(value, dict) else None
    return text if isinstance(text, str) else None


def _input_name(input_file: str) -> str:
    return "standard input" if input_file == "-" else input_file


def _line_groups(input_file: str, name: str, most: int) -> Iterator[list[Line]]:
    """The lines of a file or of standard input, numbered from 1, in groups.

    Of standard input a group has the lines that are there already, so that a program that waits for each answer gets it.

    Args:
        input_file: a path or URL, also compressed, or - for standard input.
        name: what the file is called in messages.
        most: lines in a group.

    Returns:
        The lines with their ends.
    """
    number = 0
    for group in _raw_groups(input_file, most):
        decoded = []
        for raw in group:
            number += 1
            decoded.append((number, _decoded(raw, name, number)))
        yield decoded


def _decoded(raw: bytes | str, name: str, number: int) -> str | ConfigurationError:
    try:
        return raw if isinstance(raw, str) else raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        return ConfigurationError(
            f"{name}, line {number}: this is not UTF-8 ({error}); convert the file first"
        )


def _raw_groups(input_file: str, most: int) -> Iterator[Sequence[bytes | str]]:
    """The lines, undecoded, in groups of at most so many."""
    if input_file != "-":
        from nlpreg.common.file_utils import open_compressed
        from nlpreg.common.files import clear_compression_errors

        with clear_compression_errors(input_file), open_compressed(input_file, "rb") as file:
            yield from lazy_groups_of(file, most)
        return
    if sys.stdin.isatty():
        logger.info("reading from the keyboard; Ctrl-D on a line of its own ends the input")
    stream: Any = getattr(sys.stdin, "buffer", sys.stdin)
    try:
        descriptor = stream.fileno()
    except (
        AttributeError,
        io.UnsupportedOperation,
    ):  # a replacement for standard input, in a test or a notebook
        yield from lazy_groups_of(stream, 1)
        return
    rest = b""
    while data := os.read(descriptor, 1 << 16):  # as much as there is; waits only if there is nothing
        *lines, rest = (rest + data).split(b"\n")
        yield from lazy_groups_of([line + b"\n" for line in lines], most)
    if rest:
        yield [rest]


def _num_lines(path: str) -> int | None:
    """Number of lines of a plain local file; None for others."""
    from nlpreg.common.file_utils import get_file_extension

    if not os.path.isfile(path) or get_file_extension(path) in (".gz", ".bz2", ".xz", ".lzma", ".zst"):
        return None
    with open(path, "rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b"")) or None


@contextlib.contextmanager
def output_lines(path: str | None) -> Iterator[IO[Any] | None]:
    """The file to write predictions to, which appears under its name when it is whole; None without a path."""
    if path is None:
        yield None
        return
    from nlpreg.common.files import atomic_write

    # a lone surrogate, which JSON can express, must not make the whole file fail
    with atomic_write(path, "w", errors="backslashreplace") as file:
        yield file
