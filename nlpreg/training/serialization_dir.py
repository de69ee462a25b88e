"""The folder of a run: made, emptied, or checked against the config of the run that is to be resumed in it."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError

logger = logging.getLogger(__name__)

CONFIG_NAME = "config.json"

_MAY_CHANGE = re.compile(
    r"(trainer\.(num_epochs|max_steps|patience|checkpointer|callbacks|enable_default_callbacks|run_confidence_checks"
    r"|metrics_interval|validate_every_num_batches|keep_metrics_of_epochs|grad_norm|grad_clipping|cuda_device|compile"
    r"|detect_anomaly)|evaluate_on_test|evaluation|batch_weight_key|include_in_archive|distributed)(\..*)?"
)
"""What may differ in a run that is resumed: what changes neither the data nor the weights and the optimizer's state."""

_FIRST_FILES = ("config.json", "config.resolved.json", "meta.json", "out.log", "err.log", ".lock")
"""What a process writes before anything that would be worth resuming."""


def create_serialization_dir(
    params: Params, serialization_dir: str | os.PathLike[str], recover: bool, force: bool
) -> None:
    """Get the folder of a run ready.

    Args:
        params: the config of the run.
        serialization_dir: the folder.
        recover: resume the interrupted run in the folder; its config may differ in what changes neither the data nor
            the weights: the number of epochs, patience, checkpoints, callbacks.
        force: delete what is in the folder.

    Raises:
        ConfigurationError: the folder is in use; or it cannot be recovered from, because it is missing or empty, or
            holds no config or another one; or both flags are given.
    """
    folder = os.fspath(serialization_dir)
    if recover and force:
        raise ConfigurationError(
            "--recover and --force: expected one of them, got both; they exclude each other"
        )
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigurationError(f"{folder}: expected a folder for the run, found a file")
    if recover:
        _check_recoverable(params, folder)
        return
    if force and os.path.isdir(folder):
        shutil.rmtree(folder)
    if os.path.isdir(folder) and not _has_only_first_files(folder):
        raise ConfigurationError(
            f"{folder}: the folder is not empty; give another one, or --recover to resume the run in it, or "
            "--force to delete it"
        )
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot make the folder of the run ({error.strerror})") from error


def _has_only_first_files(folder: str) -> bool:
    """Whether a folder is empty, or holds only what a process wrote that was killed right at its start.

    Such a run has neither a vocabulary nor a checkpoint, and can be neither resumed nor of any worth. A folder with a
    config that can be read is left alone, though: somebody may have put it there.
    """
    names = os.listdir(folder)
    left_over = [name for name in names if name.startswith(".") and name.endswith(".tmp")]
    known = set(left_over) | set(_FIRST_FILES)
    return set(names) <= known and not _is_json(os.path.join(folder, CONFIG_NAME))


def _is_json(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            json.load(file)
    except (OSError, ValueError):
        return False
    return True


def _check_recoverable(params: Params, folder: str) -> None:
    if not os.path.isdir(folder):
        raise ConfigurationError(
            f"{folder}: --recover expects the folder of an earlier run, found nothing there"
        )
    path = os.path.join(folder, CONFIG_NAME)
    if not os.path.isfile(path):
        if os.listdir(folder) and _has_only_first_files(folder):
            logger.warning("%s: the earlier run was ended before it wrote its config; it starts anew", folder)
            return
        raise ConfigurationError(
            f"{folder}: --recover expects a run in this folder, but there is no {CONFIG_NAME}"
        )
    try:
        old = Params.from_file(path).as_flat_dict()
    except (RuntimeError, ValueError, OSError) as error:  # of Jsonnet, of text that is no UTF-8, of the disk
        raise ConfigurationError(
            f"{path}: cannot be read ({error}), so that this cannot be compared with the config of the run in the "
            "folder; put the config of that run in its place"
        ) from error
    new = params.as_flat_dict()
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
