"""`nlpreg predict`: what an archived model makes of new input."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from nlpreg.commands.configs import parse_json_option
from nlpreg.commands.options import (
    add_archive_options,
    add_file_friendly_option,
    add_overrides_option,
    check_archive,
    check_file,
    check_folder_of,
)
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError

if TYPE_CHECKING:
    from nlpreg.common.util import JsonDict
    from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
    from nlpreg.data.instance import Instance
    from nlpreg.predictors.predictor import Predictor

logger = logging.getLogger(__name__)

DESCRIPTION = """
Predict with an archived model. The input has one JSON object a line, such as {"sentence": "The dog ate the apple"};
blank lines are skipped.
"""

EPILOG = """
examples:
  nlpreg predict out/model.tar.gz input.jsonl --output-file predictions.jsonl
  echo '{"sentence": "The dog ate the apple"}' | nlpreg predict out/model.tar.gz -
  nlpreg predict out/model.tar.gz test.conllu --use-dataset-reader --batch-size 32
"""


@Subcommand.register("predict")
class Predict(Subcommand):
    """Predicts with an archived model."""

    def add_subparser(self, parser: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
        """Add the command's parser."""
        subparser = self.new_parser(parser, DESCRIPTION, EPILOG)
        add_archive_options(subparser)
        subparser.add_argument(
            "input_file",
            metavar="INPUT",
            help="JSON lines, a path or URL, also compressed; - for standard input",
        )
        subparser.add_argument(
            "--output-file", metavar="FILE", help="write the predictions there, a line for each"
        )
        subparser.add_argument(
            "--batch-size", type=int, default=1, metavar="N", help="inputs for each call of the model"
        )
        subparser.add_argument("--silent", action="store_true", help="print nothing")
        subparser.add_argument(
            "--use-dataset-reader",
            action="store_true",
            help="read INPUT with the archive's dataset reader instead of as JSON lines",
        )
        subparser.add_argument(
            "--dataset-reader-choice",
            choices=["train", "validation"],
            default="validation",
            help="which of the archive's dataset readers to use",
        )
        subparser.add_argument(
            "--multitask-head", metavar="HEAD", help="whose data it is, for a multitask reader"
        )
        add_overrides_option(subparser)
        subparser.add_argument("--predictor", metavar="NAME", help="a predictor other than the model's own")
        subparser.add_argument(
            "--predictor-args",
            default="",
            metavar="JSON",
            help="further arguments of the predictor, as an object",
        )
        add_file_friendly_option(subparser)
        subparser.set_defaults(func=predict_from_args)
        return subparser

    def validate(self, args: argparse.Namespace) -> None:
        """Find wrong paths and options before anything slow is imported."""
        check_archive(args.archive_file, args.weights_file)
        if args.input_file == "-":
            if args.use_dataset_reader:
                raise ConfigurationError(
                    "--use-dataset-reader: a dataset reader cannot read standard input; give a file"
                )
        elif not args.use_dataset_reader:
            check_file(args.input_file, "INPUT")
        if args.batch_size < 1:
            raise ConfigurationError(f"--batch-size: expected at least 1, got {args.batch_size}")
        check_folder_of(args.output_file or "")
        parse_json_option("--predictor-args", args.predictor_args)


def predict_from_args(args: argparse.Namespace) -> None:
    """Predict as the command line says."""
    if args.silent and not args.output_file:
        print(
            "--silent without --output-file: nobody would see the predictions, so none are made",
            file=sys.stderr,
        )
        return

    from nlpreg.common import logging as common_logging
    from nlpreg.models.archival import load_archive
    from nlpreg.predictors.predictor import Predictor

    common_logging.FILE_FRIENDLY_LOGGING = args.file_friendly_logging
    archive = load_archive(args.archive_file, args.cuda_device, args.overrides, args.weights_file)
    # with a dataset reader the base class does, which needs to know nothing of the input
    if args.predictor is None and archive.model.default_predictor is None and not args.use_dataset_reader:
        raise ConfigurationError(
            f"--predictor: the model {type(archive.model).__name__} has no predictor of its own; choose one of "
            + ", ".join(sorted(Predictor.list_available()))
        )
    predictor = Predictor.from_archive(
        archive,
        args.predictor,
        dataset_reader_to_load=args.dataset_reader_choice,
        extra_args=parse_json_option("--predictor-args", args.predictor_args),
    )
    manager = PredictManager(
        predictor,
        args.input_file,
        args.output_file,
        args.batch_size,
        not args.silent,
        args.use_dataset_reader,
        args.multitask_head,
    )
    manager.run()


class PredictManager:
    """Takes input in batches to a predictor and its predictions to a file and the console.

    Args:
        predictor: makes the predictions.
        input_file: a path or URL, or - for standard input.
        output_file: file for the predictions, if any.
        batch_size: inputs for each call of the predictor.
        print_to_console: whether to print inputs and predictions.
        has_dataset_reader: whether the predictor's dataset reader reads the input.
        multitask_head: whose data it is, if that is a reader for several tasks.

    Raises:
        ConfigurationError: a head is needed and not given, or given and not needed.
    """

    def __init__(
        self,
        predictor: Predictor,
        input_file: str,
        output_file: str | None = None,
        batch_size: int = 1,
        print_to_console: bool = True,
        has_dataset_reader: bool = False,
        multitask_head: str | None = None,
    ) -> None:
        self._predictor = predictor
        self._input_file = input_file
        self._output_file = output_file
        self._batch_size = batch_size
        self._print_to_console = print_to_console
        self._multitask_head = multitask_head
        self._reader: DatasetReader | None = None
        if has_dataset_reader:
            self._reader = _reader_for_head(predictor._dataset_reader, multitask_head)
        elif multitask_head is not None:
            raise ConfigurationError("--multitask-head: only together with --use-dataset-reader")

    def run(self) -> None:
        """Predict for the whole input."""
        with output_lines(self._output_file) as output:
            index = 0
            for inputs, predictions in self._instances() if self._reader is not None else self._json():
                for shown, prediction in zip(inputs, predictions, strict=True):
                    line = self._predictor.dump_line(prediction)
                    if self._print_to_console:
                        print(f"input {index}: ", shown)
                        # whoever writes input line by line waits for each answer
                        print("prediction: ", line, flush=self._input_file == "-")
                    if output is not None:
                        output.write(line)
                    index += 1
            sys.stdout.flush()

    def _json(self) -> Iterator[tuple[Sequence[str], Sequence[JsonDict]]]:
        """Batches of inputs, as JSON, and their predictions."""
        from nlpreg.common.util import lazy_groups_of

        name = "standard input" if self._input_file == "-" else self._input_file
        for group in lazy_groups_of(input_lines(self._input_file, name), self._batch_size):
            inputs = [self._parsed(f"{name}, line {number}", line) for number, line in group]
            try:
                if len(inputs) == 1:
                    predictions = [self._predictor.predict_json(inputs[0])]
                else:
                    predictions = self._predictor.predict_batch_json(inputs)
            except ConfigurationError as error:
                first, last = group[0][0], group[-1][0]
                place = f"line {first}" + (f" to {last}" if last != first else "")
                raise ConfigurationError(f"{name}, {place}: {error}") from error
            yield [json.dumps(value) for value in inputs], predictions

    def _instances(self) -> Iterator[tuple[Sequence[str], Sequence[JsonDict]]]:
        """Batches of inputs, as text, and their predictions."""
        from nlpreg.common.util import lazy_groups_of
        from nlpreg.data.fields import MetadataField

        assert self._reader is not None
        for group in lazy_groups_of(self._reader.read(self._input_file), self._batch_size):
            instances: list[Instance] = list(group)
            for instance in instances:
                if self._multitask_head is not None and "task" not in instance.fields:
                    instance.add_field("task", MetadataField(self._multitask_head))
            if len(instances) == 1:
                predictions = [self._predictor.predict_instance(instances[0])]
            else:
                predictions = self._predictor.predict_batch_instance(instances)
            yield [str(instance) for instance in instances], predictions

    def _parsed(self, place: str, line: str) -> JsonDict:
        try:
            return self._predictor.load_line(line)
        except ValueError as error:
            raise ConfigurationError(
                f'{place}: expected JSON, such as {{"sentence": "A text."}}, got {line[:80]!r} ({error})'
            ) from error


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


def input_lines(input_file: str, name: str) -> Iterator[tuple[int, str]]:
    """(number, line) for the lines of a file or of standard input that are not blank."""
    with contextlib.ExitStack() as stack:
        if input_file == "-":
            if sys.stdin.isatty():
                logger.info("reading JSON lines from the keyboard; Ctrl-D on a line of its own ends them")
            file: Any = getattr(sys.stdin, "buffer", sys.stdin)
        else:
            from nlpreg.common.file_utils import open_compressed

            file = stack.enter_context(open_compressed(input_file, "rb"))
        for number, raw in enumerate(file, 1):
            try:
                line = raw if isinstance(raw, str) else raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ConfigurationError(
                    f"{name}, line {number}: this is not UTF-8 ({error}); convert the file first"
                ) from error
            if line.strip():
                yield number, line


@contextlib.contextmanager
def output_lines(path: str | None) -> Iterator[IO[Any] | None]:
    """The file to write predictions to, which appears under its name when it is whole; None without a path."""
    if path is None:
        yield None
        return
    from nlpreg.common.files import atomic_write

    with atomic_write(path, "w") as file:
        yield file
