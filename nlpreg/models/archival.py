"""A trained model as one file: `model.tar.gz`, with config, weights and vocabulary."""

from __future__ import annotations

import contextlib
import glob
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from nlpreg.common.checks import ConfigurationError, check_for_gpu
from nlpreg.common.file_utils import cached_path
from nlpreg.common.hints import union_members
from nlpreg.common.meta import META_NAME, Meta
from nlpreg.common.params import Params, parse_overrides, with_overrides
from nlpreg.common.registry import config_from_strangers
from nlpreg.common.special_keys import SPECIAL_KEYS, SPECIAL_SECTIONS
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.models.foreign_archives import check_provenance, refuse_remote_code, translate_names
from nlpreg.models.model import DEFAULT_WEIGHTS, VOCABULARY_FOLDER, Model
from nlpreg.models.unpacking import pack, unpack
from nlpreg.models.weights import ArchiveError
from nlpreg.modules.token_embedders.language_model import set_archive_loader

__all__ = [
    "CONFIG_NAME",
    "Archive",
    "archive_model",
    "extracted_archive",
    "get_weights_path",
    "load_archive",
    "verify_include_in_archive",
]

logger = logging.getLogger(__name__)

ARCHIVE_NAME = "model.tar.gz"
CONFIG_NAME = "config.json"
WEIGHTS_NAME = "weights.th"
MAX_CONFIG_BYTES = 2**26
MAX_DEPTH = 10
"""A fine-tuned model's archive may name the one that it was made of, and so on; not more often than this."""

_depth: ContextVar[int] = ContextVar("archives that are being loaded", default=0)


class Archive(NamedTuple):
    """What an archive holds, built.

    Args:
        model: the trained model, in the mode it was built in; callers that predict call `eval()`.
        config: the whole config, nothing taken out.
        dataset_reader: the reader of the training data.
        validation_dataset_reader: a second reader, for other data.
        meta: how the archive was made; None in old archives.
    """

    model: Model
    config: Params
    dataset_reader: DatasetReader
    validation_dataset_reader: DatasetReader
    meta: Meta | None

    def extract_module(self, path: str, freeze: bool = True) -> torch.nn.Module:
        """The part of the model at a dotted path.

        Args:
            path: for example `_text_field_embedder.token_embedder_tokens`; empty for the whole model.
            freeze: whether its parameters are kept from training.

        Raises:
            ConfigurationError: there is no module at that path.
        """
        modules = dict(self.model.named_modules())
        if path not in modules:
            raise ConfigurationError(
                f"module_path: {path!r} is no part of the archive's model; it has "
                + ", ".join(name for name in modules if name and name.count(".") <= path.count("."))
            )
        module: torch.nn.Module = modules[path]
        for parameter in module.parameters():
            parameter.requires_grad_(not freeze)
        return module


def archive_model(
    serialization_dir: str | os.PathLike[str],
    weights: str = DEFAULT_WEIGHTS,
    archive_path: str | os.PathLike[str] | None = None,
    include_in_archive: Sequence[str] | None = None,
) -> str:
    """Pack the outcome of a run into an archive; equal contents give an equal file, byte for byte.

    Args:
        serialization_dir: the run's folder.
        weights: the weights file, absolute or relative to that folder.
        archive_path: the archive to write, or a folder for `model.tar.gz`; the run's folder by default.
        include_in_archive: globs, relative to the run's folder, of more files to take along.

    Returns:
        The archive's path.

    Raises:
        ArchiveError: the weights or the config are missing.
        ConfigurationError: `include_in_archive` names a file that the archive has already.
    """
    verify_include_in_archive(include_in_archive)
    folder = os.fspath(serialization_dir)
    weights_file = os.path.join(folder, weights)
    config_file = os.path.join(folder, CONFIG_NAME)
    for needed in (weights_file, config_file):
        if not os.path.exists(needed):
            raise ArchiveError(f"{needed}: missing, so there is nothing to make an archive of")
    members = {WEIGHTS_NAME: weights_file, CONFIG_NAME: config_file}
    meta_file = os.path.join(folder, META_NAME)
    if os.path.exists(meta_file):
        members[META_NAME] = meta_file
    else:
        logger.warning("%s: missing, so the archive will not say which version made it", meta_file)
    members.update(_files_below(folder, VOCABULARY_FOLDER))
    for pattern in include_in_archive or ():
        for path in glob.glob(os.path.join(glob.escape(folder), pattern), recursive=True):
            members.update(_files_below(folder, os.path.relpath(path, folder)))
    archive = os.fspath(archive_path) if archive_path is not None else os.path.join(folder, ARCHIVE_NAME)
    if os.path.isdir(archive):
        archive = os.path.join(archive, ARCHIVE_NAME)
    pack(archive, [(path, name) for name, path in members.items()])
    return archive


def verify_include_in_archive(include_in_archive: Sequence[str] | None = None) -> None:
    """Make sure that extra files do not take the place of what every archive holds.

    Raises:
        ConfigurationError: an entry is the name of such a file.
    """
    reserved = {CONFIG_NAME, WEIGHTS_NAME, DEFAULT_WEIGHTS, META_NAME, VOCABULARY_FOLDER}
    for entry in include_in_archive or ():
        if entry in reserved:
            raise ConfigurationError(
                f"include_in_archive: {entry!r} is a name that every archive uses itself; leave it out, or rename the file"
            )


def load_archive(
    archive_file: str | os.PathLike[str],
    cuda_device: int = -1,
    overrides: str | dict[str, Any] = "",
    weights_file: str | os.PathLike[str] | None = None,
) -> Archive:
    """Rebuild what an archive holds, without running anything that came with it.

    Args:
        archive_file: path or URL of a `model.tar.gz`, or the folder of a run.
        cuda_device: number of the GPU for the model, or -1 for the CPU.
        overrides: changes to the archived config: a Jsonnet text, or dotted path -> value.
        weights_file: other weights than the archive's.

    Raises:
        FileNotFoundError: there is no such archive.
        ArchiveError: it is damaged, hostile, or its weights do not fit its config.
        ConfigurationError: there is no such GPU.
    """
    check_for_gpu(cuda_device)
    resolved = cached_path(archive_file)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_nested_once_more(os.fspath(archive_file)))
        folder = resolved if os.path.isdir(resolved) else stack.enter_context(extracted_archive(resolved))
        stack.enter_context(
            _errors_that_name(os.fspath(archive_file), folder if folder != resolved else None)
        )
        config = _read_config(folder, os.fspath(archive_file), overrides)
        meta = _read_meta(folder, os.fspath(archive_file))
        check_provenance(config.params, meta, os.fspath(archive_file))
        stack.enter_context(config_from_strangers())
        dataset_reader, validation_dataset_reader = _load_dataset_readers(config.duplicate(), folder)
        weights = os.fspath(weights_file) if weights_file is not None else get_weights_path(folder)
        model = Model.load(config.duplicate(), folder, weights, cuda_device)
        return Archive(model, config, dataset_reader, validation_dataset_reader, meta)


def get_weights_path(serialization_dir: str | os.PathLike[str]) -> str:
    """The weights in an unpacked archive or a run's folder: `weights.th`, else `best.th`."""
    for name in (WEIGHTS_NAME, DEFAULT_WEIGHTS):
        path = os.path.join(serialization_dir, name)
        if os.path.exists(path):
            return path
    return os.path.join(serialization_dir, DEFAULT_WEIGHTS)


@contextlib.contextmanager
def extracted_archive(resolved_archive_file: str | os.PathLike[str], cleanup: bool = True) -> Iterator[str]:
    """Unpack an archive into a temporary folder, which is removed afterwards.

    Args:
        resolved_archive_file: path of the archive on this machine.
        cleanup: whether to remove the folder at the end; after an error in unpacking it is always removed.

    Raises:
        ArchiveError: it is damaged or not to be trusted.
    """
    folder = tempfile.mkdtemp(prefix="nlpreg-archive-")
    try:
        unpack(os.fspath(resolved_archive_file), folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    try:
        yield folder
    finally:
        if cleanup:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _nested_once_more(archive_file: str) -> Iterator[None]:
    """Count archives whose configs name archives; one that names itself would be loaded without end."""
    depth = _depth.get()
    if depth >= MAX_DEPTH:
        raise ArchiveError(
            f"{archive_file}: refused, {depth} archives were loaded one for another; does one name itself?"
        )
    token = _depth.set(depth + 1)
    try:
        yield
    finally:
        _depth.reset(token)


@contextlib.contextmanager
def _errors_that_name(archive_file: str, unpacked: str | None) -> Iterator[None]:
    """Let errors about files in an archive name the archive, not the folder that it is unpacked to for a moment."""
    try:
        yield
    except (AssertionError, ConfigurationError, OSError, UnicodeError) as error:
        text = str(error)
        if unpacked is not None:
            text = text.replace(os.path.join(unpacked, ""), f"{archive_file}!").replace(
                unpacked, archive_file
            )
        if isinstance(error, ConfigurationError) and text == str(error):
            raise
        raise ArchiveError(text if archive_file in text else f"{archive_file}: {text}") from error


def _read_config(folder: str, archive_file: str, overrides: str | dict[str, Any]) -> Params:
    """The archived config as plain JSON: an archive's text is never evaluated as Jsonnet, which can read any file."""
    path = os.path.join(folder, CONFIG_NAME)
    if not os.path.isfile(path):
        raise ArchiveError(f"{archive_file}: has no {CONFIG_NAME}, so it is no model archive")
    if os.path.getsize(path) > MAX_CONFIG_BYTES:
        raise ArchiveError(
            f"{archive_file}: refused, its {CONFIG_NAME} has more than {MAX_CONFIG_BYTES:,} bytes"
        )
    try:
        with open(path, encoding="utf-8-sig") as file:
            config = json.load(file)
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{archive_file}: its {CONFIG_NAME} is not valid JSON ({error})") from error
    if not (isinstance(config, dict) and isinstance(config.get("model"), (dict, str))):
        raise ArchiveError(
            f'{archive_file}: its {CONFIG_NAME} is no experiment: there is no object "model" in it'
        )
    refuse_remote_code(config, archive_file)
    changes = parse_overrides(overrides) if isinstance(overrides, str) else overrides
    try:
        config = with_overrides(config, changes)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    return Params(translate_names(config))


def _read_meta(folder: str, archive_file: str) -> Meta | None:
    path = os.path.join(folder, META_NAME)
    if not os.path.isfile(path):
        return None
    try:
        return Meta.from_path(path)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        reason = str(error).replace(path, "the file")
        warnings.warn(
            f"{archive_file}: its {META_NAME} cannot be read ({reason}); its version is unknown", stacklevel=3
        )
        return None


def _load_dataset_readers(config: Params, folder: str) -> tuple[DatasetReader, DatasetReader]:
    training = config.get("dataset_reader")
    if training is None:
        raise ArchiveError(f'{CONFIG_NAME}: expected an object "dataset_reader", found none')
    validation = config.get("validation_dataset_reader")
    if validation is None:
        validation = training.duplicate() if isinstance(training, Params) else training
    return (
        DatasetReader.from_params(training, serialization_dir=folder),
        DatasetReader.from_params(validation, serialization_dir=folder),
    )


def _files_below(folder: str, entry: str) -> dict[str, str]:
    """Archive path -> path on disk, of a file or of all files in a folder."""
    path = os.path.join(folder, entry)
    if os.path.isfile(path):
        return {entry: path}
    found = {}
    for parent, _, names in os.walk(path):
        for name in names:
            if name == ".lock":  # of whoever wrote the folder
                continue
            file = os.path.join(parent, name)
            found[os.path.relpath(file, folder)] = file
    return found


def _pretrained_module(value: Any, annotation: Any, path: str) -> torch.nn.Module:
    """The object that `{"_pretrained": {"archive_file": ..., "module_path": ..., "freeze": true}}` stands for."""
    params = Params(dict(value), f"{path}._pretrained.") if isinstance(value, (dict, Params)) else None
    if params is None:
        raise ConfigurationError(f'{path}._pretrained: expected an object with "archive_file", got {value!r}')
    archive_file = params.pop("archive_file")
    module_path = params.pop("module_path", "")
    freeze = params.pop_bool("freeze", True) is not False
    params.assert_empty(f"{path}._pretrained")
    try:
        module = load_archive(archive_file).extract_module(module_path, freeze)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}._pretrained: {error}") from error
    wanted = [member for member in union_members(annotation) if isinstance(member, type)]
    if wanted and not isinstance(module, tuple(wanted)):
        names = " or ".join(member.__name__ for member in wanted)
        raise ConfigurationError(
            f"{path}._pretrained: expected a {names}, but {module_path!r} of {archive_file} is a {type(module).__name__}"
        )
    return module


@dataclass
class PretrainedSection:
    """A part of a trained model, used in place of a new one.

    Args:
        archive_file: `model.tar.gz` of the trained model; a path or URL.
        module_path: attributes that lead to the part, such as `text_field_embedder`; empty for the model itself.
        freeze: whether its weights stay as they are.
    """

    archive_file: str
    module_path: str = ""
    freeze: bool = True


SPECIAL_KEYS["_pretrained"] = _pretrained_module
SPECIAL_SECTIONS["_pretrained"] = PretrainedSection
set_archive_loader(load_archive)
