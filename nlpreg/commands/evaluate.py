"""`nlpreg evaluate`: the metrics of an archived model on data."""

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from nlpreg.commands import options
from nlpreg.commands.console import metrics_block
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError

if TYPE_CHECKING:
    from nlpreg.data.data_loaders import DataLoader
    from nlpreg.models.archival import Archive

_AUTO_NAMES = ("NONE", "METRICS", "PREDS", "ALL")


class OutputsMismatchError(ConfigurationError, AssertionError):
    """The number of output files differs from the number of inputs."""


@Subcommand.register("evaluate")
class Evaluate(Subcommand):
    """Evaluate an archived model on data that its dataset reader can read, and print its metrics.

    examples:
      nlpreg evaluate out/model.tar.gz test.txt
      nlpreg evaluate out/model.tar.gz dev.txt,test.txt --output-file dev.json,test.json
      nlpreg evaluate out/model.tar.gz test.conllu --details --errors errors.conllu
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        options.add_archive_options(parser)
        parser.add_argument(
            "input_file",
            metavar="INPUT",
            help="data as the archive's dataset reader takes it; several joined by commas; quoted strings and JSON "
            "objects for readers that take such",
        )
        parser.add_argument(
            "--output-file",
            metavar="FILE",
            help="write the metrics as JSON; one file for each input, joined by commas",
        )
        parser.add_argument(
            "--predictions-output-file",
            metavar="FILE",
            help="write fields, gold labels and outputs as JSON, a line for each instance; one file for each input",
        )
        options.add_overrides_option(parser)
        parser.add_argument("--batch-size", type=int, metavar="N", help="instead of the config's batch size")
        parser.add_argument(
            "--batch-weight-key",
            default="",
            metavar="KEY",
            help="output of the model that weights its batches in the mean loss",
        )
        parser.add_argument(
            "--extend-vocab",
            action="store_true",
            help="first extend vocabulary and embeddings by the words of the input",
        )
        parser.add_argument(
            "--embedding-sources-mapping",
            default="",
            metavar="JSON",
            help="with --extend-vocab: an object, module path -> file of pretrained vectors for the new words",
        )
        parser.add_argument(
            "--auto-names",
            choices=_AUTO_NAMES,
            default="NONE",
            help="name the outputs after each input, beside it: <stem>.outputs for metrics, <stem>.preds for predictions",
        )
        _add_detail_options(parser)
        options.add_no_cache_option(parser)
        options.add_file_friendly_option(parser)
        parser.set_defaults(func=evaluate_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Validate paths and options before slow modules are imported."""
        options.check_archive(args.archive_file, args.weights_file)
        if not args.input_file.strip(" ,"):
            raise ConfigurationError("INPUT: expected data to evaluate on, got an empty text")
        inputs = parse_inputs(args.input_file)
        read = [args.archive_file, args.weights_file, *(data for data in inputs if isinstance(data, str))]
        outputs = [args.output_file, args.predictions_output_file]
        files = [name.strip() for names in outputs if names for name in names.split(",")]
        if args.errors:
            files.append(args.errors)
        for name in files:
            options.check_output_file(name, *read)
            if files.count(name) > 1:
                raise ConfigurationError(f"{name}: named twice as an output; each needs a file of its own")
        if args.errors and len(inputs) > 1:
            raise ConfigurationError("--errors: only for one INPUT, got several")
        options.parse_json_option("--embedding-sources-mapping", args.embedding_sources_mapping)


def _add_detail_options(subparser: argparse.ArgumentParser) -> None:
    """Add the options for more details about taggers and classifiers."""
    group = subparser.add_argument_group("taggers and classifiers")
    group.add_argument(
        "--details",
        action="store_true",
        help="for taggers and classifiers: also print intervals by bootstrap, accuracy on known and unknown words, scores "
        "of each label, the most frequent mistakes, the calibration error and the speed",
    )
    group.add_argument(
        "--errors",
        metavar="FILE",
        help="for taggers: write the sentences with a wrong tag in the CoNLL-U format, with both tags",
    )


def evaluate_from_args(args: argparse.Namespace) -> dict[str, Any]:
    """Run the command with parsed arguments and print the metrics."""
    from nlpreg.common import logging as common_logging
    from nlpreg.models.archival import load_archive

    common_logging.FILE_FRIENDLY_LOGGING = args.file_friendly_logging
    archive = load_archive(args.archive_file, args.cuda_device, args.overrides, args.weights_file)
    known_words = set(
        archive.model.vocab.get_token_to_index_vocabulary("tokens")
    )  # without those of --extend-vocab
    given = {**options.arguments_for(evaluate_from_archive, args), "archive_file": archive}
    metrics = evaluate_from_archive(metrics_output_file=args.output_file, **given)
    print(metrics_block("metrics", {"": metrics}))
    if args.details or args.errors:
        _print_details(archive, known_words, args)
    return metrics


def _print_details(archive: "Archive", known_words: set[str], args: argparse.Namespace) -> None:
    """Print the details of each input and write its errors, as requested by options."""
    from nlpreg.commands.report.analysis import analyse_labels, detail_lines, errors_in_conllu
    from nlpreg.common.files import atomic_write

    for data in parse_inputs(args.input_file):
        analysis = analyse_labels(archive, data, None)
        if analysis is None:
            option = "--details" if args.details else "--errors"
            raise ConfigurationError(
                f"{option}: {data}: expected a tagger or classifier and labelled data, got a model or data without labels"
            )
        if analysis.known_words is not None:
            analysis.known_words = known_words
        if args.details:
            print(f"\n{data}\n" + "\n".join(detail_lines(analysis)))
        if args.errors:
            column = getattr(archive.validation_dataset_reader, "tag_column", "upos")
            with atomic_write(args.errors, "w") as file:
                file.writelines(errors_in_conllu(analysis.examples, column))


def evaluate_from_archive(
    archive_file: "str | os.PathLike[str] | Archive",
    input_file: str,
    metrics_output_file: str | None = None,
    predictions_output_file: str | None = None,
    batch_size: int | None = None,
    cmd_overrides: str | dict[str, Any] = "",
    cuda_device: int = -1,
    embedding_sources_mapping: str | None = None,
    extend_vocab: bool = False,
    weights_file: str | None = None,
    file_friendly_logging: bool = False,
    batch_weight_key: str | None = None,
    auto_names: str = "NONE",
) -> dict[str, Any]:
    """Evaluate an archived model.

    Args:
        archive_file: path or URL of the archive, or the folder of a run; or an archive that was loaded with the overrides,
            device and weights.
        input_file: one input or several, joined by commas, see `parse_inputs`.
        metrics_output_file: files for the metrics, one for each input, joined by commas.
        predictions_output_file: files for inputs and outputs, likewise.
        batch_size: instead of that of the archived config.
        cmd_overrides: changes to the archived config.
        cuda_device: number of a GPU, or -1 for the CPU.
        embedding_sources_mapping: JSON text, module path -> file of pretrained vectors.
        extend_vocab: whether to extend vocabulary and embeddings by the inputs first.
        weights_file: weights to load instead of the archive's.
        file_friendly_logging: write progress as complete lines.
        batch_weight_key: output of the model that weights its batches in the mean loss.
        auto_names: "NONE", "METRICS", "PREDS" or "ALL".

    Returns:
        Metrics by name; for several inputs, prefixed with the stem of the input's file, or with its number if it is not a file
        or the stem is not unique.

    Raises:
        ConfigurationError: the archive or an option is wrong.
    """
    from nlpreg.common import logging as common_logging
    from nlpreg.common.params import Params
    from nlpreg.common.util import prepare_environment
    from nlpreg.evaluation import Evaluator
    from nlpreg.models.archival import Archive, load_archive

    common_logging.FILE_FRIENDLY_LOGGING = file_friendly_logging
    inputs = parse_inputs(input_file)
    metrics_files = _output_files(metrics_output_file, inputs, auto_names in ("METRICS", "ALL"), ".outputs")
    predictions_files = _output_files(
        predictions_output_file, inputs, auto_names in ("PREDS", "ALL"), ".preds"
    )
    archive = (
        archive_file
        if isinstance(archive_file, Archive)
        else load_archive(archive_file, cuda_device, cmd_overrides, weights_file)
    )
    prepare_environment(archive.config.duplicate())
    archive.model.eval()
    evaluator = Evaluator.from_params(
        archive.config.duplicate().get("evaluation", Params({}, "evaluation.")), cuda_device=cuda_device
    )
    results: dict[str, Any] = {}
    prefixes = _prefixes(inputs)
    for number, data in enumerate(inputs):
        loader = _data_loader(archive, data, batch_size, in_order=predictions_files[number] is not None)
        if extend_vocab:
            archive.model.vocab.extend_from_instances(loader.iter_instances())
            archive.model.extend_embedder_vocab(
                options.parse_json_option("--embedding-sources-mapping", embedding_sources_mapping or "")
            )
        loader.index_with(archive.model.vocab)
        metrics = evaluator(
            archive.model, loader, batch_weight_key or None, metrics_files[number], predictions_files[number]
        )
        results.update({prefixes[number] + name: value for name, value in metrics.items()})
    return results


def parse_inputs(text: str) -> list[Any]:
    """Parse the argument INPUT of a command.

    Args:
        text: read as the inside of a JSON list if it is that, such as `"a,b.txt", {"path": "c"}`; else as paths joined
            by commas.
    """
    try:
        values: list[Any] = json.loads(f"[{text}]")
    except json.JSONDecodeError:
        return [part.strip() for part in text.split(",")]
    return values


def _data_loader(archive: "Archive", data: Any, batch_size: int | None, in_order: bool) -> "DataLoader":
    """Make the data loader of the archive's config for other data.

    Args:
        archive: the model, and its readers.
        data: as the reader takes it.
        batch_size: instead of that of the config.
        in_order: whether the instances must come in the order of the input.
    """
    from nlpreg.common.params import Params
    from nlpreg.data.data_loaders import DataLoader

    config = archive.config.duplicate()
    key = "validation_data_loader" if config.get("validation_data_loader") is not None else "data_loader"
    params = config.pop(key)
    if "shuffle" in params:
        params["shuffle"] = False  # keeps predictions in the order of the input
    if in_order:
        # A sampler sorts by length, and workers alternate.
        sampler = params.pop("batch_sampler", None)
        if sampler is not None:
            size = sampler.get("batch_size", 32) if isinstance(sampler, Params) else 32
            params["batch_size"] = params.get("batch_size", None) or size
        if "num_workers" in params:
            params["num_workers"] = 0
    if batch_size is not None:
        owner = next((params[key] for key in ("batch_sampler", "scheduler") if key in params), params)
        owner["batch_size"] = batch_size
    loader = DataLoader.from_params(params, reader=archive.validation_dataset_reader, data_path=data)
    try:
        is_empty = len(loader) == 0
    except TypeError:
        is_empty = False
    if is_empty:
        raise ConfigurationError(
            f"INPUT: {data}: no instances in it; is the file empty, or in another format?"
        )
    return loader


def _output_files(names: str | None, inputs: list[Any], automatic: bool, suffix: str) -> list[str | None]:
    """The output file of each input, or None."""
    if automatic:
        named = [os.path.splitext(str(data))[0] + suffix for data in inputs]
        if len(set(named)) < len(named):
            raise ConfigurationError(
                f"--auto-names: several inputs would write to one file: {', '.join(named)}"
            )
        return list(named)
    if not names:
        return [None] * len(inputs)
    files: list[str | None] = [name.strip() for name in names.split(",")]
    if len(files) != len(inputs):
        raise OutputsMismatchError(
            f"expected {len(inputs)} output files, one for each input, got {len(files)}: {names}"
        )
    return files


def _prefixes(inputs: list[Any]) -> list[str]:
    """The prefix of each input's metrics: empty for a single input, else its stem or its number."""
    if len(inputs) == 1:
        return [""]
    stems = [os.path.splitext(os.path.basename(data))[0] if isinstance(data, str) else "" for data in inputs]
    return [
        f"{stem}_" if stem and stems.count(stem) == 1 else f"{number}_" for number, stem in enumerate(stems)
    ]
