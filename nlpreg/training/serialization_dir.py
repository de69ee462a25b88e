"""The folder of a run: made, emptied, or checked against the config of the run that is to go on in it."""

from __future__ import annotations

import logging
import os
import shutil

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError

logger = logging.getLogger(__name__)

CONFIG_NAME = "config.json"


def create_serialization_dir(
    params: Params, serialization_dir: str | os.PathLike[str], recover: bool, force: bool
) -> None:
    """Get the folder of a run ready.

    Args:
        params: the config of the run.
        serialization_dir: the folder.
        recover: go on in a folder that holds an interrupted run of the same config.
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
    if os.path.isdir(folder) and os.listdir(folder):
        raise ConfigurationError(
            f"{folder}: the folder is not empty; give another one, or --recover to go on with the run in it, or "
            "--force to delete it"
        )
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot make the folder of the run ({error.strerror})") from error


def _check_recoverable(params: Params, folder: str) -> None:
    if not os.path.isdir(folder):
        raise ConfigurationError(
            f"{folder}: --recover expects the folder of an earlier run, found nothing there"
        )
    path = os.path.join(folder, CONFIG_NAME)
    if not os.path.isfile(path):
        raise ConfigurationError(
            f"{folder}: --recover expects a run in this folder, but there is no {CONFIG_NAME}"
        )
    old = Params.from_file(path).as_flat_dict()
    new = params.as_flat_dict()
    differences = [
        f"{key}: {old.get(key, '(absent)')!r} in the folder, {new.get(key, '(absent)')!r} now"
        for key in sorted(old.keys() | new.keys())
        if (key in old) != (key in new) or old.get(key) != new.get(key)
    ]
    for difference in differences:
        logger.error("the config differs at %s", difference)
    if differences:
        raise ConfigurationError(
            f"{folder}: --recover expects the config of the run in this folder, but they differ at "
            + "; ".join(differences)
        )
