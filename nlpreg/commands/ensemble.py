"""`nlpreg ensemble`: several archived taggers as one archive."""

import argparse
import os
import tempfile
from typing import TYPE_CHECKING

from nlpreg.commands.options import add_output_arguments, check_archive, check_output
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError

if TYPE_CHECKING:
    from nlpreg.models.archival import Archive


@Subcommand.register("ensemble")
class Ensemble(Subcommand):
    """Pack archived taggers into one archive whose model averages their probabilities.

    The taggers, such as those of runs with several seeds, need equal vocabularies and dataset readers; the rest of
    their configs may differ.

    examples:
      nlpreg ensemble ensemble.tar.gz out/seed_*/model.tar.gz
      nlpreg evaluate ensemble.tar.gz test.conllu
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        add_output_arguments(parser)
        parser.add_argument(
            "archives", metavar="ARCHIVE", nargs="+", help="archives of taggers, or folders of runs"
        )
        parser.set_defaults(func=ensemble_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Check paths before slow modules are imported."""
        check_output(args)
        for archive in args.archives:
            check_archive(archive)


def ensemble_from_args(args: argparse.Namespace) -> None:
    """Run the command with parsed arguments."""
    check_output(args)
    _make_ensemble(args.archives, args.output_path)
    print(f"{args.output_path}: an ensemble of {len(args.archives)} taggers")


def _make_ensemble(archive_files: list[str], output_path: str) -> None:
    """Pack archived taggers into one archive, whose model is a `tagger_ensemble`.

    Args:
        archive_files: the archives of the members, or folders of runs.
        output_path: the archive to write.

    Raises:
        ConfigurationError: a member has another vocabulary or dataset reader than the first one, or is not a tagger.
    """
    import torch

    from nlpreg.common.files import atomic_write
    from nlpreg.common.meta import META_NAME, Meta
    from nlpreg.common.params import Params
    from nlpreg.models import TaggerEnsemble, archive_model, load_archive
    from nlpreg.models.model import DEFAULT_WEIGHTS, VOCABULARY_FOLDER

    archives = [load_archive(file) for file in archive_files]
    for name, archive in zip(archive_files[1:], archives[1:], strict=True):
        _check_same(archive_files[0], archives[0], name, archive)
    vocab = archives[0].model.vocab
    model = TaggerEnsemble(vocab, [archive.model for archive in archives])
    config = archives[0].config.as_dict(quiet=True)
    members = [archive.config.as_dict(quiet=True)["model"] for archive in archives]
    config["model"] = {"type": "tagger_ensemble", "members": members}
    with tempfile.TemporaryDirectory(prefix="nlpreg-ensemble-") as folder:
        Params(config).to_file(os.path.join(folder, "config.json"))
        vocab.save_to_files(os.path.join(folder, VOCABULARY_FOLDER))
        with atomic_write(os.path.join(folder, DEFAULT_WEIGHTS)) as file:
            torch.save(model.state_dict(), file)
        Meta.new().to_file(os.path.join(folder, META_NAME))
        archive_model(folder, archive_path=output_path)


def _check_same(first_file: str, first: "Archive", file: str, archive: "Archive") -> None:
    """Check that two archives have equal vocabularies and dataset readers."""
    if archive.model.vocab != first.model.vocab:
        raise ConfigurationError(
            f"{file}: expected the vocabulary of {first_file}, got another one; train the members on the same data, or "
            'give them the vocabulary of the first ("vocabulary": {"type": "from_files", "directory": ...})'
        )
    for section in ("dataset_reader", "validation_dataset_reader"):
        if archive.config.get(section) != first.config.get(section):
            raise ConfigurationError(
                f"{file}: expected the {section} of {first_file}, got another one; the members of an ensemble share their "
                "instances"
            )
