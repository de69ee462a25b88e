"""A trained model as one file: `model.tar.gz`, with config, weights and vocabulary."""

import contextlib
import glob
import gzip
import io
import json
import logging
import os
import re
import shutil
import tarfile
import tempfile
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from typing import IO, Any, NamedTuple, cast

import torch

from nlpreg.common.checks import ConfigurationError, check_for_gpu
from nlpreg.common.config.jsonnet import evaluate_jsonnet, parse_overrides, with_overrides
from nlpreg.common.config.kinds import kind_of, members_of
from nlpreg.common.config.old_configs import migrated_part
from nlpreg.common.config.old_names import new_module_name
from nlpreg.common.config.registry import SPECIAL_KEYS, SPECIAL_SECTIONS
from nlpreg.common.config.untrusted import Origin, current_origin, guarded, is_remote_allowed
from nlpreg.common.digests import DIGESTS_NAME, check_digests, digest_of, warn_if_changed, write_digests
from nlpreg.common.file_utils import cached_path
from nlpreg.common.files import atomic_write
from nlpreg.common.meta import META_NAME, Meta
from nlpreg.common.params import Params
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.tokenizers.subword_tokenizer import SUBWORDS_FOLDER
from nlpreg.models.model import DEFAULT_WEIGHTS, VOCABULARY_FOLDER, Model
from nlpreg.models.weights import ArchiveError, verify_weights
from nlpreg.modules.token_embedders.language_model import set_archive_loader
from nlpreg.version import VERSION

logger = logging.getLogger(__name__)

ARCHIVE_NAME = "model.tar.gz"
CONFIG_NAME = "config.json"
WEIGHTS_NAME = "weights.th"
_PARENTS_FOLDER = "parents"
"""Folder in an archive with the archives of its pretrained parts."""
_MAX_CONFIG_BYTES = 2**26
MAX_DEPTH = 10
"""Maximum depth of archives that name other archives, as that of a fine-tuned model names its parent."""

MAX_MEMBERS = 100_000
_MAX_PATH_BYTES = 3000
_MAX_FOLDERS = 100
HARMLESS_BYTES = 2**30
"""Archives that unpack to less than this are never treated as decompression bombs."""
_MAX_EXPANSION = 100
"""Weights and vocabularies shrink by a factor of 1.1 to 5; gzip can reach 1000 on a file made for it."""
_MAX_SINGLE_READ = 2**24
"""Tar reads a header in one piece; a larger header than this would exhaust memory."""
CHUNK_BYTES = 2**20
_GZIP_MARK = b"\x1f\x8b"

_CLASS_NAME = re.compile(r"allennlp(_models)?(\.\w+)+")

_KEYS_OF_0X = ("iterator", "validation_iterator")

_depth: ContextVar[int] = ContextVar("archives that are being loaded", default=0)


class Archive(NamedTuple):
    """The contents of a loaded archive.

    Args:
        model: the trained model, in training mode as it was built; call `eval()` before predicting.
        config: the complete config.
        dataset_reader: the reader of the training data.
        validation_dataset_reader: the reader of validation and test data.
        meta: how the archive was made; None in old archives.
    """

    model: Model
    config: Params
    dataset_reader: DatasetReader
    validation_dataset_reader: DatasetReader
    meta: Meta | None

    def extract_module(self, path: str, freeze: bool = True) -> torch.nn.Module:
        """Return the submodule at a dotted path.

        Args:
            path: for example `_text_field_embedder.token_embedder_tokens`; empty for the whole model.
            freeze: whether to freeze its parameters.

        Raises:
            ConfigurationError: there is no module at that path.
        """
        modules = dict(self.model.named_modules())
        if path not in modules:
            raise ConfigurationError(
                f"module_path: {path!r} is not part of the archive's model; it has "
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
    """Pack the result of a run into an archive; equal contents give identical files, byte for byte.

    Args:
        serialization_dir: the run's folder.
        weights: the weights file, absolute or relative to that folder.
        archive_path: the archive to write, or a folder for `model.tar.gz`; the run's folder by default.
        include_in_archive: glob patterns, relative to the run's folder, of additional files to include.

    Returns:
        The archive's path.

    Raises:
        ArchiveError: the weights or the config are missing, or the weights are damaged.
        DamagedFileError: a file of the vocabulary, or a tokenizer, is damaged.
        ConfigurationError: `include_in_archive` names a file that the archive has already, or one outside the folder.
    """
    verify_include_in_archive(include_in_archive)
    folder = os.fspath(serialization_dir)
    weights_file = os.path.join(folder, weights)
    config_file = os.path.join(folder, CONFIG_NAME)
    for needed in (weights_file, config_file):
        if not os.path.exists(needed):
            raise ArchiveError(f"{needed}: missing, so there is nothing to make an archive of")
    verify_weights(weights_file)
    check_digests(os.path.join(folder, VOCABULARY_FOLDER))
    warn_if_changed(folder, CONFIG_NAME, META_NAME)
    members = {WEIGHTS_NAME: weights_file, CONFIG_NAME: config_file}
    meta_file = os.path.join(folder, META_NAME)
    if os.path.exists(meta_file):
        members[META_NAME] = meta_file
    else:
        logger.warning("%s: missing, so the archive will not say which version made it", meta_file)
    members.update(_files_below(folder, VOCABULARY_FOLDER))
    subwords = _files_below(folder, SUBWORDS_FOLDER)
    check_digests(folder, subwords)
    members.update(subwords)
    for pattern in include_in_archive or ():
        for path in glob.glob(os.path.join(glob.escape(folder), pattern), recursive=True):
            members.update(_files_below(folder, os.path.relpath(path, folder)))
    archive = os.fspath(archive_path) if archive_path is not None else os.path.join(folder, ARCHIVE_NAME)
    if os.path.isdir(archive):
        archive = os.path.join(archive, ARCHIVE_NAME)
    with contextlib.ExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="nlpreg-archive-"))
        standalone, parents = _without_parents(config_file, stack)
        if standalone is not None:
            members[CONFIG_NAME] = os.path.join(temporary, CONFIG_NAME)
            with open(members[CONFIG_NAME], "w", encoding="utf-8") as file:
                json.dump(standalone, file, indent=4)
        members.update(parents)
        digests = {
            name: digest_of(path)
            for name, path in members.items()
            if not name.startswith(f"{VOCABULARY_FOLDER}/")  # the vocabulary has its own record of digests
        }
        write_digests(temporary, digests)
        members[DIGESTS_NAME] = os.path.join(temporary, DIGESTS_NAME)
        pack(archive, [(path, name) for name, path in members.items()])
    return archive


def _without_parents(
    config_file: str, stack: contextlib.ExitStack
) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """Make the config of a model that was built from other archives independent of them.

    A model of type `from_archive` has all its weights and its whole vocabulary, so the config of its parent takes its place.
    Archives that other sections name, for pretrained parts, go into the new one.

    Args:
        config_file: the config of the run.
        stack: exit stack that keeps unpacked archives until the new one is written.

    Returns:
        The config, or None if it needs no change or a parent can no longer be read; and the archives to include, by their names
        in the new archive.
    """
    with open(config_file, encoding="utf-8") as file:
        config: dict[str, Any] = json.load(file)
    before = json.dumps(config)
    parents: dict[str, str] = {}
    folder = ""  # the archive that the current `model` comes from
    try:
        for _ in range(MAX_DEPTH):
            model = config.get("model")
            if not (isinstance(model, dict) and model.get("type") == "from_archive"):
                break
            folder, parent = _unpacked(model["archive_file"], folder, stack)
            config["model"] = parent["model"]
        else:
            return None, {}
        # what only training used is not built when the archive is loaded
        parts = [config.get(key) for key in ("model", "dataset_reader", "validation_dataset_reader")]
        sections = [section for section in _sections(parts) if isinstance(section.get("archive_file"), str)]
        for section in sections:  # such as those under `_pretrained`
            path = _parent_in(folder, section["archive_file"]) or cached_path(section["archive_file"])
            if os.path.isdir(path):
                packed = stack.enter_context(tempfile.TemporaryDirectory(prefix="nlpreg-archive-"))
                path = archive_model(path, archive_path=packed)
            name = f"{_PARENTS_FOLDER}/{digest_of(path)}.tar.gz"
            parents[name] = path
            section["archive_file"] = name
    except (KeyError, OSError, ConfigurationError) as error:
        logger.warning("the archive will need its parent whenever it is loaded: %s", error)
        return None, {}
    return (None if json.dumps(config) == before else config), parents


def _unpacked(archive_file: str, around: str, stack: contextlib.ExitStack) -> tuple[str, dict[str, Any]]:
    """The folder and the config of an archive, which may be in another one that was unpacked to the folder `around`."""
    path = _parent_in(around, archive_file) or cached_path(archive_file)
    folder = path if os.path.isdir(path) else stack.enter_context(extracted_archive(path))
    return folder, _read_config(folder, archive_file, "")[0].as_dict(quiet=True)


def _parent_in(folder: str, archive_file: str) -> str | None:
    """The path of an archive that is included in another one, unpacked to `folder`; None if it is not included."""
    path = os.path.join(folder, archive_file)
    is_there = folder and archive_file.startswith(f"{_PARENTS_FOLDER}/") and os.path.isfile(path)
    return path if is_there else None


def _sections(value: Any) -> Iterator[dict[str, Any]]:
    """All sections of a config, those within others too."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _sections(item)


def verify_include_in_archive(include_in_archive: Sequence[str] | None = None) -> None:
    """Check that additional files lie in the run's folder and do not replace the standard contents of an archive.

    Raises:
        ConfigurationError: an entry has the name of a standard file, or lies outside the run's folder.
    """
    reserved = {
        CONFIG_NAME,
        WEIGHTS_NAME,
        DEFAULT_WEIGHTS,
        META_NAME,
        VOCABULARY_FOLDER,
        SUBWORDS_FOLDER,
        _PARENTS_FOLDER,
    }
    for entry in include_in_archive or ():
        path = PurePath(entry)
        if path.is_absolute() or ".." in path.parts:
            raise ConfigurationError(
                f"include_in_archive: expected names or patterns of files in the run's folder, got {entry!r}, which leads "
                "out of it; copy the file into the folder, by a callback for example, and give its name there"
            )
        if os.path.normpath(entry) in {*reserved, DIGESTS_NAME}:
            raise ConfigurationError(
                f"include_in_archive: {entry!r} is a name that every archive uses itself; leave it out, or rename the file"
            )


def load_archive(
    archive_file: str | os.PathLike[str],
    cuda_device: int = -1,
    overrides: str | dict[str, Any] = "",
    weights_file: str | os.PathLike[str] | None = None,
    allow_remote: bool = False,
    trusted: bool = False,
) -> Archive:
    """Load the model and the readers of an archive, without running any code that came with it.

    The archive's config is untrusted, and so is whatever is built from the returned `config` later: it may name only registered
    (or already imported) classes of the expected type, and read only files of the archive.

    Args:
        archive_file: path or URL of a `model.tar.gz`, or the folder of a run.
        cuda_device: number of the GPU for the model, or -1 for the CPU.
        overrides: changes to the archived config: a Jsonnet string, or dotted path -> value.
        weights_file: weights to load instead of the archive's.
        allow_remote: whether the archive's config may name URLs and paths outside the archive, such as the archive
            that it was fine-tuned from. The environment variable NLPREG_ALLOW_REMOTE=1 means the same.
        trusted: whether to lift all restrictions, because the config is the caller's own, as in a run that has just ended.

    Raises:
        FileNotFoundError: there is no such archive.
        ArchiveError: it is damaged or malicious, or its weights do not fit its config.
        ConfigurationError: the GPU is not available.
    """
    check_for_gpu(cuda_device)
    outer = current_origin()
    if outer is not None:  # the archive of a pretrained part may be included in the one being loaded
        archive_file = _parent_in(outer.folder, os.fspath(archive_file)) or archive_file
    resolved = cached_path(archive_file)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_nested_once_more(os.fspath(archive_file)))
        folder = resolved if os.path.isdir(resolved) else stack.enter_context(extracted_archive(resolved))
        stack.enter_context(
            _errors_that_name(os.fspath(archive_file), folder if folder != resolved else None)
        )
        warn_if_changed(folder, CONFIG_NAME, META_NAME)
        if not trusted:
            origin = Origin(os.fspath(archive_file), folder, frozenset(), allow_remote or is_remote_allowed())
            stack.enter_context(guarded(origin.allowing([_overrides_of(overrides), weights_file])))
        config, is_of_0x = _read_config(folder, os.fspath(archive_file), overrides)
        if is_of_0x:
            stack.enter_context(_errors_that_advise_to_migrate())
        meta = _read_meta(folder, os.fspath(archive_file))
        _check_provenance(meta, os.fspath(archive_file))
        dataset_reader, validation_dataset_reader = _load_dataset_readers(config.duplicate(), folder)
        weights = os.fspath(weights_file) if weights_file is not None else get_weights_path(folder)
        model = Model.load(config.duplicate(), folder, weights, cuda_device)
        return Archive(model, config, dataset_reader, validation_dataset_reader, meta)


def get_weights_path(serialization_dir: str | os.PathLike[str]) -> str:
    """The path of the weights in an unpacked archive or a run's folder: `weights.th` if it exists, else `best.th`."""
    packed, best = (os.path.join(serialization_dir, name) for name in (WEIGHTS_NAME, DEFAULT_WEIGHTS))
    return packed if os.path.exists(packed) else best


@contextlib.contextmanager
def extracted_archive(resolved_archive_file: str | os.PathLike[str], cleanup: bool = True) -> Iterator[str]:
    """Context manager that unpacks an archive into a temporary folder and removes the folder at the end.

    Args:
        resolved_archive_file: path of the archive on this machine.
        cleanup: whether to remove the folder at the end; it is always removed after an error in unpacking.

    Raises:
        ArchiveError: it is damaged or malicious.
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
    """Limit the depth of archives that name archives, since an archive that names itself would recurse forever."""
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
    """Make errors about files in an archive name the archive instead of its temporary folder."""
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


@contextlib.contextmanager
def _errors_that_advise_to_migrate() -> Iterator[None]:
    """Add advice to the error when an archive of AllenNLP 0.x cannot be built."""
    try:
        yield
    except ConfigurationError as error:
        raise ArchiveError(
            f"{error}. This is an archive of AllenNLP 0.x, some part of which nlpreg does not have: unpack it, run "
            f"`nlpreg migrate {CONFIG_NAME}`, change what that lists, and pack it again"
        ) from error


def _read_config(folder: str, archive_file: str, overrides: str | dict[str, Any]) -> tuple[Params, bool]:
    """Read the archived config and translate AllenNLP's names and structure to the current ones.

    Returns:
        The config, and whether it is one of AllenNLP 0.x.
    """
    path = os.path.join(folder, CONFIG_NAME)
    if not os.path.isfile(path):
        raise ArchiveError(f"{archive_file}: has no {CONFIG_NAME}, so it is not a model archive")
    if os.path.getsize(path) > _MAX_CONFIG_BYTES:
        raise ArchiveError(
            f"{archive_file}: refused, its {CONFIG_NAME} has more than {_MAX_CONFIG_BYTES:,} bytes"
        )
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
        config = _parsed(text)
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{archive_file}: its {CONFIG_NAME} is not valid JSON ({error})") from error
    if not (isinstance(config, dict) and isinstance(config.get("model"), (dict, str))):
        raise ArchiveError(
            f'{archive_file}: its {CONFIG_NAME} is no experiment: there is no object "model" in it'
        )
    _refuse_remote_code(config, archive_file)
    try:
        config = with_overrides(config, _overrides_of(overrides))
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    is_of_0x = any(key in config for key in _KEYS_OF_0X)
    if is_of_0x:
        warnings.warn(
            f"{archive_file}: this is an archive of AllenNLP 0.x; its config is read as `nlpreg migrate` would rewrite it",
            stacklevel=3,
        )
    return Params(migrated_part(translate_names(config))), is_of_0x


def _parsed(text: str) -> Any:
    """Parse a config: JSON, or Jsonnet evaluated in a process with limits and without access to files.

    Raises:
        ValueError: it is neither, or imports other files.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        try:
            # without external variables, std.extVar reveals nothing
            return evaluate_jsonnet(CONFIG_NAME, text, {}, _refuse_import)
        except RuntimeError as failure:
            message = str(failure).partition("\n")[0][:300]
            raise ValueError(f"{error}; as Jsonnet: {message}") from failure


def _refuse_import(folder: str, path: str) -> tuple[str, bytes]:
    raise RuntimeError(f"imports are refused: {path}")


def _overrides_of(overrides: str | dict[str, Any]) -> dict[str, Any]:
    """Parse overrides that are given as a string."""
    return parse_overrides(overrides) if isinstance(overrides, str) else overrides


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
    """Map path in the archive -> path on disk, for a file or for all files in a folder."""
    path = os.path.join(folder, entry)
    if os.path.isfile(path):
        return {entry: path}
    found = {}
    for parent, _, names in os.walk(path):
        for name in names:
            if name == ".lock":  # the lock of the process that wrote the folder
                continue
            file = os.path.join(parent, name)
            found[os.path.relpath(file, folder)] = file
    return found


def translate_names(config: Any) -> Any:
    """A copy of a config in which full class names of AllenNLP are those of nlpreg.

    Values of `type` are translated if they are full class names; other strings only if their last part is also capitalized like
    a class name.
    """
    if isinstance(config, Mapping):
        return {key: _translated(value, key == "type") for key, value in config.items()}
    return _translated(config, False)


def _translated(value: Any, is_type: bool) -> Any:
    if isinstance(value, Mapping):
        return translate_names(value)
    if isinstance(value, list):
        return [_translated(item, False) for item in value]
    if not (isinstance(value, str) and _CLASS_NAME.fullmatch(value)):
        return value
    if not is_type and not value.rpartition(".")[2][:1].isupper():
        return value
    return new_module_name(value)[0]


def _refuse_remote_code(config: Any, archive: str) -> None:
    """Refuse an archived config that asks other libraries to run code from the network.

    Raises:
        ArchiveError: it sets `trust_remote_code` somewhere.
    """
    if any(section.get("trust_remote_code") for section in _sections(config)):
        raise ArchiveError(
            f"{archive}: refused, because its config sets trust_remote_code, which runs code from the network; if you "
            "trust it, change the config in a copy of the archive"
        )


def _check_provenance(meta: Meta | None, archive: str) -> None:
    """Warn about an archive of a newer nlpreg; archives of AllenNLP are accepted whatever their version."""
    if meta is None or meta.python_version is None:  # only nlpreg records the version of Python
        return
    theirs, ours = _version(meta.version), _version(VERSION)
    if theirs > ours or theirs[:1] != ours[:1]:
        warnings.warn(
            f"{archive}: made by nlpreg {meta.version}, this is nlpreg {VERSION}; if it does not load, "
            f"pip install 'nlpreg=={meta.version}'",
            stacklevel=3,
        )


def _version(text: str) -> tuple[int, ...]:
    """The leading numbers of a version as a tuple, for comparison."""
    match = re.match(r"\d{1,9}(\.\d{1,9})*", str(text))
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def unpack(archive: str, folder: str) -> None:
    """Unpack a tar file, gzipped or not, below `folder`.

    Only plain files and folders whose path stays inside `folder` are accepted, each path once.

    Args:
        archive: path of the tar file.
        folder: an existing folder.

    Raises:
        ArchiveError: the archive is truncated, damaged or not a tar file; contains links, devices or paths outside the folder;
            or unpacks to far more than its own size. What was unpacked so far stays in `folder`.
    """
    limit = max(HARMLESS_BYTES, _MAX_EXPANSION * os.path.getsize(archive))
    try:
        with open(archive, "rb") as raw, _decompressed(raw) as plain:
            stream = _CountingReader(plain, limit, archive)
            with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:") as tar:
                _extract_members(tar, archive, folder)
            while stream.read(CHUNK_BYTES):  # read to the end, where gzip has its checksum
                pass
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ArchiveError(
            f"{archive}: cannot be unpacked, so it is damaged, truncated or not a tar archive ({error}); "
            "copy or make it again"
        ) from error
    except (ValueError, UnicodeError, OverflowError) as error:  # malformed header fields
        raise ArchiveError(f"{archive}: refused, a member's header is not valid ({error})") from error


def pack(archive: str, members: Iterable[tuple[str, str]]) -> None:
    """Write a gzipped tar file that depends only on the paths and contents of its members.

    The file appears under its final name only when it is complete.

    Args:
        archive: path of the file to write.
        members: (path of a file on disk, its path in the archive).
    """
    with (
        atomic_write(archive) as raw,
        # Weights hardly compress: a higher level costs minutes and saves a few percent.
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as compressed,
        tarfile.open(fileobj=cast(IO[bytes], compressed), mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path, name in sorted(members, key=lambda member: member[1]):
            info = tarfile.TarInfo(name)
            info.mode = 0o644
            with open(path, "rb") as file:
                info.size = os.fstat(file.fileno()).st_size
                tar.addfile(info, file)


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    start = raw.read(2)
    raw.seek(0)
    return cast(IO[bytes], io.BufferedReader(_Gunzipped(raw), CHUNK_BYTES)) if start == _GZIP_MARK else raw


class _Gunzipped(io.RawIOBase):
    """The decompressed stream of a gzip file. Trailing bytes that are not gzip data are ignored, as in `gzip`.

    Args:
        raw: the file, at its start.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)  # 16: expect gzip's header and checksum
        self._pending = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._inflater.eof:
                rest = self._inflater.unused_data
                rest += self._raw.read(len(_GZIP_MARK) - len(rest)) if len(rest) < len(_GZIP_MARK) else b""
                if not rest.startswith(_GZIP_MARK):
                    return 0
                self._inflater, self._pending = zlib.decompressobj(zlib.MAX_WBITS | 16), rest
            data = self._pending or self._raw.read(CHUNK_BYTES)
            if not data:
                raise EOFError("compressed file ended before the end-of-stream marker was reached")
            content = self._inflater.decompress(data, len(buffer))
            self._pending = self._inflater.unconsumed_tail
            if content:
                buffer[: len(content)] = content
                return len(content)


def _extract_members(tar: tarfile.TarFile, archive: str, folder: str) -> None:
    seen: set[str] = set()
    for count, member in enumerate(tar):
        if count >= MAX_MEMBERS:
            raise ArchiveError(f"{archive}: refused, it has more than {MAX_MEMBERS} members")
        path = _checked_path(member, archive)
        if path == "." and member.isdir():
            continue
        target = os.path.join(folder, path)
        try:
            if member.isdir():
                os.makedirs(target, exist_ok=True)
                continue
            if path in seen:
                raise ArchiveError(f"{archive}: refused, {path!r} is in it twice")
            seen.add(path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            source = tar.extractfile(member)
            assert source is not None  # it is a regular file
            with source, open(target, "xb") as file:
                shutil.copyfileobj(source, file, CHUNK_BYTES)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise ArchiveError(f"{archive}: refused, {path!r} is both a file and a folder in it") from error
        except FileNotFoundError as error:
            raise ArchiveError(f"{archive}: refused, {path!r} cannot be a file's name here") from error
        if os.path.getsize(target) != member.size:
            raise ArchiveError(f"{archive}: truncated within {path!r}; copy or create it again")


def _checked_path(member: tarfile.TarInfo, archive: str) -> str:
    """Normalize the path of a member, after checking that it is a plain file or folder inside the archive."""
    name = member.name
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise ArchiveError(
            f"{archive}: refused, {name!r} is a link, a device or another special file; "
            "a model archive holds plain files and folders only"
        )
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in path.parts[:1]:
        raise ArchiveError(f"{archive}: refused, the path {name!r} leads out of the folder it is unpacked to")
    if (
        any(len(os.fsencode(part)) > 255 for part in path.parts)
        or len(os.fsencode(name)) > _MAX_PATH_BYTES
        or len(path.parts) > _MAX_FOLDERS
    ):
        raise ArchiveError(f"{archive}: refused, a member's name has {len(name)} characters")
    if path == PurePosixPath(".") and not member.isdir():
        raise ArchiveError(f"{archive}: refused, a file in it has no name")
    return str(path)


class _CountingReader:
    """A forward-seekable reader that stops after a number of bytes, whatever the headers say.

    Args:
        inner: the stream to read from.
        limit: maximum number of bytes to read from it.
        archive: name of the archive, for messages.
    """

    def __init__(self, inner: IO[bytes], limit: int, archive: str) -> None:
        self._inner = inner
        self._limit = limit
        self._archive = archive
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        if size > _MAX_SINGLE_READ or size < 0:
            raise ArchiveError(f"{self._archive}: refused, a member's header claims {size} bytes")
        data = self._inner.read(size)
        self._position += len(data)
        if self._position > self._limit:
            self._refuse()
        return data

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        if position > self._limit:
            self._refuse()
        while self._position < position:  # the archive is only read from start to end
            if not self.read(min(CHUNK_BYTES, position - self._position)):
                break
        if position < self._position or whence != os.SEEK_SET:
            raise ArchiveError(f"{self._archive}: refused, a member's header leads back into the archive")
        return self._position

    def tell(self) -> int:
        return self._position

    def _refuse(self) -> None:
        raise ArchiveError(
            f"{self._archive}: refused, it unpacks to more than {self._limit:,} bytes, which is out of "
            "proportion to its own size; a file like this is made to fill a disk"
        )


def _pretrained_module(value: Any, annotation: Any, path: str) -> torch.nn.Module:
    """Build the object described by `{"_pretrained": {"archive_file": ..., "module_path": ..., "freeze": true}}`."""
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
    members = [member.annotation for member in members_of(kind_of(annotation))]
    wanted = [member for member in members if isinstance(member, type)]
    if wanted and not isinstance(module, tuple(wanted)):
        names = " or ".join(member.__name__ for member in wanted)
        raise ConfigurationError(
            f"{path}._pretrained: expected a {names}, but {module_path!r} of {archive_file} is a {type(module).__name__}"
        )
    return module


@dataclass
class _PretrainedSection:
    """A part of a trained model, used instead of a new module.

    Args:
        archive_file: `model.tar.gz` of the trained model; a path or URL.
        module_path: dotted path of the part, such as `text_field_embedder`; empty for the model itself.
        freeze: whether to freeze its weights.
    """

    archive_file: str
    module_path: str = ""
    freeze: bool = True


SPECIAL_KEYS["_pretrained"] = _pretrained_module
SPECIAL_SECTIONS["_pretrained"] = _PretrainedSection
set_archive_loader(load_archive)
