"""`nlpreg push-to-hf`: publish a trained model on the Hugging Face hub."""

import argparse
import os
import re
import shutil
import tempfile
from contextlib import ExitStack
from typing import ClassVar

from nlpreg.commands.model_card import ARCHIVE_NAME, CARD_NAME, ModelCard, archive_in, run_metrics, usage
from nlpreg.commands.options import arguments_for, check_archive, check_file
from nlpreg.commands.report.run_record import read_run_json
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError

_BESIDE_ARCHIVE = ("config.json", "meta.json", "metrics.json", CARD_NAME, "log")
_REPOSITORY = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9_][\w.-]{0,94}[A-Za-z0-9_]|\w", re.ASCII)


@Subcommand.register("push-to-hf")
class PushToHf(Subcommand):
    """Publish an archive on the Hugging Face hub, with a model card and its config.

    Of a run's folder, its metrics and TensorBoard logs are published too. The repository is created if it does not
    exist; a model card that it already has is kept. Needs the package huggingface-hub, and a login: `hf auth login`, or
    a token in HF_TOKEN.

    examples:
      nlpreg push-to-hf -n my-tagger -s out/
      nlpreg push-to-hf -n my-tagger -o my-team -a model.tar.gz -c "Trained on twice the data"
    then, anywhere:
      nlpreg predict hf://my-team/my-tagger/model.tar.gz input.jsonl
    """

    requires_plugins: ClassVar[bool] = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument("-n", "--repo-name", required=True, metavar="REPO", help="name of the repository")
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("-s", "--serialization-dir", metavar="DIR", help="folder of a run that has ended")
        source.add_argument("-a", "--archive-path", metavar="ARCHIVE", help="a model.tar.gz")
        parser.add_argument(
            "-o", "--organization", metavar="ORG", help="organization to publish under, in place of yourself"
        )
        parser.add_argument(
            "-c", "--commit-message", metavar="TEXT", default="Update", help="what has changed"
        )
        parser.add_argument("--license", metavar="NAME", help="license of the model, such as apache-2.0")
        parser.add_argument(
            "-l",
            "--local-repo-path",
            metavar="PATH",
            help="folder for the published files, which is kept; by default a temporary folder",
        )
        parser.set_defaults(func=push_to_hf_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Check names and paths before slow imports."""
        for option, name in (("--repo-name", args.repo_name), ("--organization", args.organization)):
            if name is not None and not _REPOSITORY.fullmatch(name):
                raise ConfigurationError(
                    f"{option}: expected up to 96 letters, digits, '-', '_' and '.', got {name!r}"
                    + ("; give the part before the slash as --organization" if "/" in name else "")
                )
        _archive_of(args.serialization_dir, args.archive_path)
        path = args.local_repo_path
        if path is not None and os.path.exists(path) and (not os.path.isdir(path) or os.listdir(path)):
            raise ConfigurationError(f"--local-repo-path: {path}: expected a new or an empty folder")


def push_to_hf_from_args(args: argparse.Namespace) -> None:
    """Publish the model, and print the URL of its repository."""
    print(push_to_hf(**arguments_for(push_to_hf, args)))


def push_to_hf(
    repo_name: str,
    serialization_dir: str | os.PathLike[str] | None = None,
    archive_path: str | os.PathLike[str] | None = None,
    organization: str | None = None,
    commit_message: str = "Update",
    local_repo_path: str | os.PathLike[str] | None = None,
    license: str | None = None,
) -> str:
    """Publish a model on the Hugging Face hub.

    Args:
        repo_name: name of the repository, without the owner's.
        serialization_dir: folder of a run; either this or the archive.
        archive_path: the archive.
        organization: the owner; by default the logged-in user.
        commit_message: what has changed.
        local_repo_path: folder for the published files, which is kept; by default a temporary one.
        license: of the model, for the model card.

    Returns:
        The address of the repository.

    Raises:
        ConfigurationError: there is no archive, no user is logged in, or the hub rejects the request.
    """
    from nlpreg.common.imports import optional

    hub = optional("huggingface_hub", extra="remote")
    archive = _archive_of(serialization_dir, archive_path)
    with ExitStack() as stack:
        if local_repo_path is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nlpreg-hub-"))
        else:
            folder = os.fspath(local_repo_path)
            os.makedirs(folder, exist_ok=True)
        _write_files(folder, f"{organization or 'OWNER'}/{repo_name}", archive, serialization_dir, license)
        api = hub.HfApi(library_name="nlpreg")
        try:
            name = f"{organization}/{repo_name}" if organization else repo_name
            repository = api.create_repo(name, exist_ok=True)
            has_card = api.file_exists(repository.repo_id, CARD_NAME)
            api.upload_folder(
                repo_id=repository.repo_id,
                folder_path=folder,
                commit_message=commit_message,
                ignore_patterns=[CARD_NAME] if has_card else None,
            )
        except (hub.errors.HTTPError, hub.errors.HFValidationError, OSError) as error:
            raise ConfigurationError(
                f"{repo_name}: the hub rejected the request ({error}); to log in, run `hf auth login` or set HF_TOKEN"
            ) from error
    return str(repository)


def _archive_of(
    serialization_dir: str | os.PathLike[str] | None, archive_path: str | os.PathLike[str] | None
) -> str:
    """The archive to publish.

    Raises:
        ConfigurationError: there is none.
    """
    if (serialization_dir is None) == (archive_path is None):
        raise ConfigurationError("push-to-hf: expected either a run's folder or an archive")
    if archive_path is not None:
        archive = os.fspath(archive_path)
        check_file(archive, "--archive-path")
        return archive
    assert serialization_dir is not None
    check_archive(os.fspath(serialization_dir))
    return archive_in(serialization_dir)


def _write_files(
    folder: str,
    repository: str,
    archive: str,
    serialization_dir: str | os.PathLike[str] | None,
    license: str | None,
) -> None:
    """Write the files to publish into a folder, with a model card unless the run has one."""
    from nlpreg.common.file_utils import cached_path
    from nlpreg.models.archival import extracted_archive

    archive = cached_path(archive)
    shutil.copyfile(archive, os.path.join(folder, ARCHIVE_NAME))
    with extracted_archive(archive) as unpacked:  # raises an error if the archive is damaged
        for name in _BESIDE_ARCHIVE:
            source = os.path.join(serialization_dir or unpacked, name)
            if os.path.isdir(source):
                shutil.copytree(source, os.path.join(folder, name), dirs_exist_ok=True)
            elif os.path.isfile(source):
                shutil.copyfile(source, os.path.join(folder, name))
    card = os.path.join(folder, CARD_NAME)
    if os.path.exists(card):
        return
    command = f"nlpreg predict hf://{repository}/{ARCHIVE_NAME} input.jsonl"
    use = usage(command, "nlpreg", f'nlpreg.load("hf://{repository}")')
    config, meta = (read_run_json(folder, name) for name in ("config.json", "meta.json"))
    with open(card, "w", encoding="utf-8") as file:
        name = repository.rpartition("/")[2]
        file.write(ModelCard(name, config, run_metrics(archive), meta, license, use).text())
