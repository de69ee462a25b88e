"""The folder of a run: creating, locking and replacing it, and checking that a run can be resumed in it."""

import contextlib
import fnmatch
import glob
import json
import logging
import os
import re
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.digests import DIGESTS_NAME
from nlpreg.common.files import delete, read_json

logger = logging.getLogger(__name__)

CONFIG_NAME = "config.json"
LOCK_NAME = ".nlpreg.lock"

_MAY_CHANGE = re.compile(
    r"(trainer\.(num_epochs|max_steps|patience|checkpointer|callbacks|enable_default_callbacks|run_confidence_checks"
    r"|metrics_interval|validate_every_num_batches|keep_metrics_of_epochs|grad_norm|grad_clipping|cuda_device|compile"
    r"|detect_anomaly)|evaluate_on_test|evaluation|batch_weight_key|include_in_archive|distributed)(\..*)?"
)
"""Keys that may differ when a run is resumed: they affect neither the data nor the weights or the optimizer's state."""

_FIRST_FILES = (
    "config.json",
    "config.resolved.json",
    "meta.json",
    "out.log",
    "err.log",
    DIGESTS_NAME,
    LOCK_NAME,
)
"""Files that a process writes before anything that could be resumed."""

_WRITTEN_BY_A_RUN = (
    "config.json",
    "config.resolved.json",
    "meta.json",
    "metrics.json",
    "metrics_epoch_*.json",
    "metrics.jsonl",
    "profile.json",
    "trace.json",
    "vocabulary",
    "subwords",
    "log",
    "out.log",
    "err.log",
    "out_worker*.log",
    "err_worker*.log",
    "best.th",
    "weights.th",
    DIGESTS_NAME,
    "model.tar.gz",
    "model_state_e*.th",
    "model_state_e*.dcp",
    "training_state_e*.th",
    "checkpoint_e*.json",
    "lr-losses.*",
    ".*.tmp",
    LOCK_NAME,
)
"""Patterns of the files that nlpreg, or AllenNLP, writes into the folder of a run; `--force` deletes nothing else."""

_PATH_KEYS = re.compile(r"(^|_)(path|paths|file|files|dir|directory|archive)$")


def create_serialization_dir(
    params: Params,
    serialization_dir: str | os.PathLike[str],
    recover: bool,
    force: bool,
    config_file: str | os.PathLike[str] | None = None,
    sets_aside: bool = False,
) -> None:
    """Create the folder of a run, or check that an existing one can be used.

    Args:
        params: the config of the run.
        serialization_dir: the folder.
        recover: resume the interrupted run in the folder. Its config may differ in keys that affect neither the data nor
            the weights, such as the number of epochs, patience, checkpoints and callbacks.
        force: delete the files of an earlier run in the folder, and nothing else.
        config_file: file of the config, which `force` must not delete.
        sets_aside: do not delete the earlier run yet, but set it aside until `discard_replaced`, see `replacing_run`.

    Raises:
        ConfigurationError: the folder is in use; or no run can be resumed in it, because it is missing or empty, or
            has no config or a different one; or `force` would delete files that no run wrote, or that this run needs;
            or both flags are given.
    """
    folder = os.fspath(serialization_dir)
    if recover and force:
        raise ConfigurationError(
            "--recover and --force: expected one of them, got both; they exclude each other"
        )
    if not folder:
        raise ConfigurationError("--serialization-dir: expected the path of a folder, got an empty one")
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigurationError(f"{folder}: expected a folder for the run, found a file")
    if recover:
        _check_recoverable(params, folder)
        return
    if force and os.path.isdir(folder):
        check_deletable(params, folder, config_file)
        _set_aside(folder)
        if not sets_aside:
            discard_replaced(folder)
    elif os.path.isdir(folder) and not _has_only_first_files(folder):
        raise ConfigurationError(
            f"{folder}: the folder is not empty; give another one, or --recover to resume the run in it, or "
            "--force to delete it"
        )
    make_folder(folder)


def make_folder(folder: str) -> None:
    """Create the folder of a run, if it is missing."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{folder}: cannot create the folder of the run ({error.strerror})"
        ) from error


def check_deletable(params: Params, folder: str, config_file: str | os.PathLike[str] | None = None) -> None:
    """Check that deleting the run in a folder loses nothing else.

    Args:
        params: the config of the new run that replaces it.
        folder: the folder.
        config_file: file of the config.

    Raises:
        ConfigurationError: the folder is the working folder or a parent of it, contains the config or a file that the
            config names, or is not a run.
    """
    real = os.path.realpath(folder)
    if _is_below(os.getcwd(), real):
        raise ConfigurationError(
            f"{folder}: --force does not delete the working folder or a parent of it; give another folder for the run"
        )
    needed = [] if config_file is None else [("the config", os.fspath(config_file))]
    for key, path in [*needed, *_paths_in(params.as_dict(quiet=True))]:
        if _is_below(path, real):
            raise ConfigurationError(
                f"{folder}: --force would delete {path}, which this run needs ({key}); give another folder for the run"
            )
    if not _has_only_first_files(folder) and not os.path.isfile(os.path.join(folder, CONFIG_NAME)):
        raise ConfigurationError(
            f"{folder}: --force deletes runs only, and this folder is not empty but holds no {CONFIG_NAME}; give another "
            "folder, or delete this one yourself"
        )


@contextlib.contextmanager
def locked(serialization_dir: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the lock on the folder of a run within the block; the system releases it if the process dies.

    Args:
        serialization_dir: the folder, created if missing.

    Raises:
        ConfigurationError: another process, named in the message, holds the lock.
    """
    folder = os.fspath(serialization_dir)
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    path = os.path.join(folder, LOCK_NAME)
    try:
        os.makedirs(folder, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    except OSError:  # `create_serialization_dir` reports the reason
        yield
        return
    try:
        try:
            # Unlike with `flock`, the lock belongs to the process, and forked workers do not inherit it.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise ConfigurationError(
                f"{folder}: another run is using this folder: {_holder(path)}; wait until it ends, or end it, or give "
                "another folder"
            ) from None
        except OSError as error:  # a file system without locks
            logger.warning("%s: cannot be locked (%s); do not use it for two runs", folder, error.strerror)
        os.ftruncate(descriptor, 0)
        holder = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M"),
        }
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)
    finally:
        os.close(descriptor)


def _holder(path: str) -> str:
    try:
        return "process {process} on {host}, since {since}".format_map(read_json(path))
    except (KeyError, TypeError):
        return "a process that has just started"


def _is_below(path: str, folder: str) -> bool:
    """Whether a path is the folder or inside it; the folder is given without symbolic links."""
    real = os.path.realpath(path)
    return real == folder or real.startswith(folder.rstrip(os.sep) + os.sep)


def _paths_in(config: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """The key and the path of every existing file or folder that a config names."""
    if isinstance(config, dict):
        items: Iterable[tuple[Any, Any]] = config.items()
    elif isinstance(config, list):
        items = enumerate(config)
    else:
        is_path = any(_PATH_KEYS.search(step) for step in key.split("."))
        if isinstance(config, str) and config and is_path:
            name = os.path.expanduser(config.split("!")[0])
            for path in [name, *glob.glob(name)]:
                if os.path.exists(path):
                    yield key, path
        return
    for name, value in items:
        yield from _paths_in(value, f"{key}.{name}" if key else str(name))


def is_written_by_a_run(name: str) -> bool:
    """Whether `--force` deletes a file or folder of this name."""
    return any(fnmatch.fnmatch(name, pattern) for pattern in _WRITTEN_BY_A_RUN)


# A run is replaced in three steps. Its files are moved into a folder that is named MOVING meanwhile and REPLACED afterwards;
# the new run begins; and once its first batch has worked, REPLACED is renamed DISCARDED and deleted. Each step is a renaming,
# so that after any interruption the names of the folders show which steps remain.
REPLACED, MOVING, DISCARDED = ".nlpreg-replaced", ".nlpreg-moving", ".nlpreg-discarded"


@contextlib.contextmanager
def replacing_run(folder: str) -> Iterator[None]:
    """Restore an earlier run that was set aside if the block fails before `discard_replaced`.

    A new run that fails at its start therefore does not destroy the earlier one. A replacement that was interrupted by a kill
    is undone first.
    """
    restore_replaced(folder)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # the next start restores it; the error of the block is reported
            restore_replaced(folder)
        raise


def discard_replaced(folder: str) -> None:
    """Delete the earlier run that was set aside in a folder, if there is one."""
    discarded = os.path.join(folder, DISCARDED)
    with contextlib.suppress(FileNotFoundError):
        os.rename(os.path.join(folder, REPLACED), discarded)
    if os.path.isdir(discarded):
        shutil.rmtree(discarded)


def restore_replaced(folder: str) -> None:
    """Restore the run that was set aside in a folder, unless it was discarded; files of the newer run are deleted."""
    replaced, moving = os.path.join(folder, REPLACED), os.path.join(folder, MOVING)
    if os.path.isdir(os.path.join(folder, DISCARDED)):
        discard_replaced(folder)
    if os.path.isdir(replaced):
        for name in _names_of_run(folder):
            delete(os.path.join(folder, name))
        os.rename(replaced, moving)
    if os.path.isdir(moving):
        names = os.listdir(moving)
        for name in names:
            os.rename(os.path.join(moving, name), os.path.join(folder, name))
        os.rmdir(moving)
        if names:  # the folder may have had no run
            logger.warning("%s: the earlier run was restored", folder)


def _set_aside(folder: str) -> None:
    """Move the files of a run aside, the config last: a folder in which only some were moved is still recognized as a run."""
    moving = os.path.join(folder, MOVING)
    os.makedirs(moving, exist_ok=True)
    for name in sorted(_names_of_run(folder), key=lambda name: name == CONFIG_NAME):
        os.rename(os.path.join(folder, name), os.path.join(moving, name))
    os.rename(moving, os.path.join(folder, REPLACED))
    left = sorted(set(os.listdir(folder)) - {LOCK_NAME, REPLACED})
    if left:
        logger.warning("%s: not deleted, because no run of nlpreg writes them: %s", folder, ", ".join(left))


def _names_of_run(folder: str) -> list[str]:
    """The files and folders of a run, without the lock, which the calling process may hold."""
    return [name for name in os.listdir(folder) if is_written_by_a_run(name) and name != LOCK_NAME]


def _has_only_first_files(folder: str) -> bool:
    """Whether a folder is empty, or contains only the files of a process that failed or was killed at its start.

    Such a run has neither a vocabulary nor a checkpoint. A readable config without `meta.json` does not count, because it may
    be the user's own file.
    """
    names = os.listdir(folder)
    temporary = [name for name in names if name.startswith(".") and name.endswith(".tmp")]
    known = set(temporary) | set(_FIRST_FILES)
    is_of_run = "meta.json" in names or read_json(os.path.join(folder, CONFIG_NAME)) is None
    return set(names) <= known and is_of_run


def flat_config_of(folder: str) -> dict[str, Any]:
    """The config of the run in a folder, dotted path -> value.

    Raises:
        ConfigurationError: it cannot be read.
    """
    path = os.path.join(folder, CONFIG_NAME)
    try:
        return Params.from_file(path).as_flat_dict()
    except (RuntimeError, ValueError, OSError) as error:  # of Jsonnet, of text that is no UTF-8, of the disk
        raise ConfigurationError(
            f"{path}: cannot be read ({error}), so that this cannot be compared with the config of the run in the "
            "folder; put the config of that run in its place"
        ) from error


def _check_recoverable(params: Params, folder: str) -> None:
    if not os.path.isdir(folder):
        raise ConfigurationError(
            f"{folder}: --recover expects the folder of an earlier run, but there is no such folder"
        )
    path = os.path.join(folder, CONFIG_NAME)
    if not os.path.isfile(path):
        if os.listdir(folder) and _has_only_first_files(folder):
            logger.warning("%s: the earlier run ended before it wrote its config; it starts over", folder)
            return
        raise ConfigurationError(
            f"{folder}: --recover expects a run in this folder, but there is no {CONFIG_NAME}"
        )
    old, new = flat_config_of(folder), params.as_flat_dict()
    refused = []
    for key in sorted(old.keys() | new.keys()):
        if (key in old) == (key in new) and old.get(key) == new.get(key):
            continue
        difference = f"{key}: {old.get(key, '(absent)')!r} in the folder, {new.get(key, '(absent)')!r} now"
        if _MAY_CHANGE.fullmatch(key):
            logger.info("the run is resumed with another config at %s", difference)
        else:
            logger.error("the config differs at %s", difference)
            refused.append(difference)
    if refused:
        raise ConfigurationError(
            f"{folder}: --recover expects the config of the run in this folder, but they differ at "
            + "; ".join(refused)
            + ". Only what changes neither data nor weights may differ, such as trainer.num_epochs and trainer.patience"
        )
