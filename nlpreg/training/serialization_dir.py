"""The folder of a run: creating, locking and clearing it, and checking that a run can be resumed in it."""

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

logger = logging.getLogger(__name__)

CONFIG_NAME = "config.json"
LOCK_NAME = ".nlpreg.lock"

_MAY_CHANGE = re.compile(
    r"(trainer\.(num_epochs|max_steps|patience|checkpointer|callbacks|enable_default_callbacks|run_confidence_checks"
    r"|metrics_interval|validate_every_num_batches|keep_metrics_of_epochs|grad_norm|grad_clipping|cuda_device|compile"
    r"|detect_anomaly)|evaluate_on_test|evaluation|batch_weight_key|include_in_archive|distributed)(\..*)?"
)
"""What may differ in a run that is resumed: what changes neither the data nor the weights and the optimizer's state."""

_FIRST_FILES = (
    "config.json",
    "config.resolved.json",
    "meta.json",
    "out.log",
    "err.log",
    DIGESTS_NAME,
    LOCK_NAME,
)
"""What a process writes before anything that would be worth resuming."""


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
"""Patterns of what nlpreg, or AllenNLP, writes into the folder of a run; `--force` deletes nothing else."""
_NAMES_OF_PATHS = re.compile(r"(^|_)(path|paths|file|files|dir|directory|archive)$")


def create_serialization_dir(
    params: Params,
    serialization_dir: str | os.PathLike[str],
    recover: bool,
    force: bool,
    config_file: str | os.PathLike[str] | None = None,
    sets_aside: bool = False,
) -> None:
    """Get the folder of a run ready.

    Args:
        params: the config of the run.
        serialization_dir: the folder.
        recover: resume the interrupted run in the folder; its config may differ in what changes neither the data nor
            the weights: the number of epochs, patience, checkpoints, callbacks.
        force: delete what an earlier run wrote into the folder, and nothing else.
        config_file: where the config came from, which `force` must not delete.
        sets_aside: do not delete the earlier run yet, but set it aside until `discard_replaced`, see `replacing_run`.

    Raises:
        ConfigurationError: the folder is in use; or it cannot be recovered from, because it is missing or empty, or
            holds no config or another one; or `force` would delete something that is not a run, or that the run needs;
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
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot make the folder of the run ({error.strerror})") from error


def check_deletable(params: Params, folder: str, config_file: str | os.PathLike[str] | None = None) -> None:
    """Make sure that nothing is lost but an earlier run when what is in a folder is deleted.

    Args:
        params: the config of the run that is to replace what is in the folder.
        folder: the folder.
        config_file: where the config came from.

    Raises:
        ConfigurationError: the folder is the working folder or one above it, holds the config or anything else that
            the config names, or is not a run.
    """
    real = os.path.realpath(folder)
    if _is_below(os.getcwd(), real):
        raise ConfigurationError(
            f"{folder}: --force does not delete the working folder, nor one above it; give another folder for the run"
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
    """Hold the lock on the folder of a run for the length of a block; the system releases it if the process dies.

    Args:
        serialization_dir: the folder, which is made if it is not there.

    Raises:
        ConfigurationError: another process holds the lock; the message says which.
    """
    folder = os.fspath(serialization_dir)
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    try:
        os.makedirs(folder, exist_ok=True)
        descriptor = _opened_lock(os.path.join(folder, LOCK_NAME))
    except OSError:  # reported, with its reason, when the folder is prepared
        yield
        return
    path = os.path.join(folder, LOCK_NAME)
    try:
        try:
            # Unlike `flock`, this lock belongs to the process alone: workers that it forks do not hold it any longer.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise ConfigurationError(
                f"{folder}: another run is using this folder: {_holder(path)}; wait until it ends, or end it, or give "
                "another folder"
            ) from None
        except OSError as error:  # a file system without locks
            logger.warning(
                "%s: cannot be locked (%s); see to it that one run uses it", folder, error.strerror
            )
        os.ftruncate(descriptor, 0)
        note = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M"),
        }
        os.pwrite(descriptor, json.dumps(note).encode(), 0)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)
    finally:
        os.close(descriptor)


def _opened_lock(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)


def _holder(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            note = json.load(file)
        return f"process {note['process']} on {note['host']}, since {note['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that has just started"


def _is_below(path: str, folder: str) -> bool:
    """Whether a path is a folder, given without links, or lies below it."""
    real = os.path.realpath(path)
    return real == folder or real.startswith(folder.rstrip(os.sep) + os.sep)


def _paths_in(config: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """The key and the path of every existing file or folder that a config names."""
    if isinstance(config, dict):
        items: Iterable[tuple[Any, Any]] = config.items()
    elif isinstance(config, list):
        items = enumerate(config)
    else:
        is_path = any(_NAMES_OF_PATHS.search(step) for step in key.split("."))
        if isinstance(config, str) and config and is_path:
            name = os.path.expanduser(config.split("!")[0])
            for path in [name, *glob.glob(name)]:
                if os.path.exists(path):
                    yield key, path
        return
    for name, value in items:
        yield from _paths_in(value, f"{key}.{name}" if key else str(name))


def is_written_by_a_run(name: str) -> bool:
    """Whether a file or folder of this name in the folder of a run is one of those that `--force` deletes."""
    return any(fnmatch.fnmatch(name, pattern) for pattern in _WRITTEN_BY_A_RUN)


# Three steps replace a run by another one: its files are moved into REPLACED, which is called MOVING while they are on the
# way; the new run begins; and when it has proved to be one, REPLACED becomes DISCARDED and is deleted. Each step is a
# renaming, so that after any interruption the names tell what is left to do.
REPLACED, MOVING, DISCARDED = ".nlpreg-replaced", ".nlpreg-moving", ".nlpreg-discarded"


@contextlib.contextmanager
def replacing_run(folder: str) -> Iterator[None]:
    """Put an earlier run that was set aside back if the block fails before `discard_replaced`.

    So a run that proves to be impossible costs no other one. What an interrupted process left is put in order first.
    """
    put_back_replaced(folder)
    try:
        yield
    except BaseException:
        with contextlib.suppress(
            OSError
        ):  # the next start does it, and the error of the block is the one to show
            put_back_replaced(folder)
        raise


def discard_replaced(folder: str) -> None:
    """Delete the earlier run that was set aside in a folder, if there is one."""
    discarded = os.path.join(folder, DISCARDED)
    with contextlib.suppress(FileNotFoundError):
        os.rename(os.path.join(folder, REPLACED), discarded)
    if os.path.isdir(discarded):
        shutil.rmtree(discarded)


def put_back_replaced(folder: str) -> None:
    """Put back what was set aside in a folder and not discarded; what a run wrote since then is deleted."""
    replaced, moving = os.path.join(folder, REPLACED), os.path.join(folder, MOVING)
    if os.path.isdir(os.path.join(folder, DISCARDED)):
        discard_replaced(folder)
    if os.path.isdir(replaced):
        for name in _names_of_run(folder):
            _delete(os.path.join(folder, name))
        os.rename(replaced, moving)
    if os.path.isdir(moving):
        for name in os.listdir(moving):
            os.rename(os.path.join(moving, name), os.path.join(folder, name))
        os.rmdir(moving)
        logger.warning("%s: the earlier run is back in its place", folder)


def _set_aside(folder: str) -> None:
    """Move what a run wrote out of the way; the config last, so that a folder half emptied still looks like a run."""
    moving = os.path.join(folder, MOVING)
    os.makedirs(moving, exist_ok=True)
    for name in sorted(_names_of_run(folder), key=lambda name: name == CONFIG_NAME):
        os.rename(os.path.join(folder, name), os.path.join(moving, name))
    os.rename(moving, os.path.join(folder, REPLACED))
    left = sorted(set(os.listdir(folder)) - {LOCK_NAME, REPLACED})
    if left:
        logger.warning("%s: left in place, since no run of nlpreg writes them: %s", folder, ", ".join(left))


def _names_of_run(folder: str) -> list[str]:
    """What a run wrote, without the lock, which the run that asks may hold."""
    return [name for name in os.listdir(folder) if is_written_by_a_run(name) and name != LOCK_NAME]


def _delete(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _has_only_first_files(folder: str) -> bool:
    """Whether a folder is empty, or holds only what a process wrote that failed or was killed right at its start.

    Such a run has neither a vocabulary nor a checkpoint, and is of no worth. A readable config without the record of a
    process beside it is not touched, because it may be the user's.
    """
    names = os.listdir(folder)
    left_over = [name for name in names if name.startswith(".") and name.endswith(".tmp")]
    known = set(left_over) | set(_FIRST_FILES)
    is_of_run = "meta.json" in names or not _is_json(os.path.join(folder, CONFIG_NAME))
    return set(names) <= known and is_of_run


def _is_json(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            json.load(file)
    except (OSError, ValueError):
        return False
    return True


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
            f"{folder}: --recover expects the folder of an earlier run, found nothing there"
        )
    path = os.path.join(folder, CONFIG_NAME)
    if not os.path.isfile(path):
        if os.listdir(folder) and _has_only_first_files(folder):
            logger.warning("%s: the earlier run was ended before it wrote its config; it starts over", folder)
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
