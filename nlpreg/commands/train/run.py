"""The steps of `nlpreg train`: check the config, prepare the folder, train in one or several processes, write the archive."""

import argparse
import contextlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from nlpreg.commands.check.checking import Checked, check_config, check_file, raise_problems, report
from nlpreg.commands.console import prepare_run_logging
from nlpreg.commands.options import arguments_for, name_or_json
from nlpreg.commands.train import distributed, process
from nlpreg.commands.train.experiment import TrainModel
from nlpreg.common import logging as common_logging
from nlpreg.common.config.problems import ConfigurationProblems
from nlpreg.common.config.resolve import plain
from nlpreg.common.logging import release_global_logging
from nlpreg.common.params import Params
from nlpreg.models.archival import load_archive, verify_include_in_archive
from nlpreg.models.model import Model
from nlpreg.training.serialization_dir import CONFIG_NAME, flat_config_of, locked, replacing_run

logger = logging.getLogger(__name__)


def train_model_from_args(args: argparse.Namespace) -> None:
    """Train with the arguments of the command line."""
    callbacks = [name_or_json("--callback", text) for text in getattr(args, "callback", ())]
    given = arguments_for(train_model_from_file, args)
    train_model_from_file(args.param_path, return_model=False, callbacks=callbacks, **given)


def train_model_from_file(
    parameter_filename: str | os.PathLike[str],
    serialization_dir: str | os.PathLike[str],
    overrides: str | dict[str, Any] = "",
    recover: bool = False,
    force: bool = False,
    node_rank: int = 0,
    include_package: Sequence[str] | None = None,
    dry_run: bool = False,
    file_friendly_logging: bool = False,
    return_model: bool | None = None,
    detect_anomaly: bool = False,
    callbacks: Sequence[str | dict[str, Any]] = (),
) -> Model | None:
    """Read a config and train; the other arguments and the result are those of `train_model`.

    Args:
        parameter_filename: the config, a path or URL.
        overrides: changes to the config: a Jsonnet text, or dotted path -> value.
        callbacks: further callbacks of the trainer, in the form of a config; they are not saved with the config of the run.

    Raises:
        ConfigurationError: the config, or an override, is wrong.
    """
    options = process.RunOptions(
        os.fspath(serialization_dir),
        recover,
        force,
        dry_run,
        include_package or (),
        file_friendly_logging=file_friendly_logging,
        detect_anomaly=detect_anomaly,
        config_file=os.fspath(parameter_filename),
        callbacks=callbacks,
    )
    checked = check_file(parameter_filename, overrides)
    if checked.config is not None and not checked.problems:
        process.check_callbacks(checked.config, callbacks)
    return _train(checked, os.fspath(parameter_filename), options, node_rank, return_model)


def train_model(
    params: Params,
    serialization_dir: str | os.PathLike[str],
    recover: bool = False,
    force: bool = False,
    node_rank: int = 0,
    include_package: Sequence[str] | None = None,
    dry_run: bool = False,
    file_friendly_logging: bool = False,
    return_model: bool | None = None,
    detect_anomaly: bool = False,
) -> Model | None:
    """Train the model of a config, and write its archive.

    Args:
        params: the whole config; its keys are removed.
        serialization_dir: folder for all files of the run.
        recover: resume the run in that folder.
        force: replace the run in that folder.
        node_rank: number of this machine in a run on several machines.
        include_package: packages that the processes of a distributed run import.
        dry_run: stop before training.
        file_friendly_logging: write progress as complete lines.
        return_model: whether to return the trained model; by default only if it was trained in this process.
        detect_anomaly: stop at the operation that made a gradient NaN.

    Returns:
        The model with its best weights, or None without `return_model`.

    Raises:
        ConfigurationError: the config is wrong, or the folder is in use.
    """
    options = process.RunOptions(
        os.fspath(serialization_dir),
        recover,
        force,
        dry_run,
        include_package or (),
        file_friendly_logging=file_friendly_logging,
        detect_anomaly=detect_anomaly,
    )
    return _train(check_config(plain(params)), "the config", options, node_rank, return_model)


def _train(
    checked: Checked, source: str, options: process.RunOptions, node_rank: int, return_model: bool | None
) -> Model | None:
    """Train the config of a check without problems; before that, nothing is read, written or deleted."""
    started = time.monotonic()
    raise_problems(checked, source)
    if options.recover:
        checked = _as_before(checked, options.serialization_dir)
    for warning in checked.warnings:
        logger.warning("%s: %s", warning.path, warning.message)
    assert checked.config is not None
    params = Params(checked.config)
    extra_files = tuple(params.get("include_in_archive", None) or ())
    verify_include_in_archive(extra_files)
    options = replace(options, include_in_archive=extra_files)
    common_logging.FILE_FRIENDLY_LOGGING = options.file_friendly_logging
    resolved = checked.resolved_config()
    rank = distributed.rank_under_torchrun(params)
    is_first = (node_rank if rank is None else rank.rank) == 0
    train_loop: TrainModel | None = None
    lock = locked(options.serialization_dir) if _needs_lock(options, is_first) else contextlib.nullcontext()
    replacing = replacing_run(options.serialization_dir) if is_first else contextlib.nullcontext()
    with lock, process.resumable(options), replacing, _located(checked, source):
        if rank is not None:
            train_loop = distributed.run_rank(params, options, rank, resolved)
        elif params.get("distributed", None) is not None:
            distributed.launch(params, options, node_rank, resolved)
        else:
            process.prepare_folder(params, options, resolved)
            prepare_run_logging(options.serialization_dir)
            process.take_command_keys(params)
            train_loop = process.run_process(params, options)
        if options.dry_run:
            logger.info("dry run: everything could be built; nothing was trained")
        elif is_first:
            process.pack_and_report(options, time.monotonic() - started)
        release_global_logging()  # not after an error, whose traceback still goes to the log
    if options.dry_run or return_model is False:
        return None
    if train_loop is not None:
        return train_loop.model
    return load_archive(options.serialization_dir, trusted=True).model if return_model else None


@contextlib.contextmanager
def _located(checked: Checked, source: str) -> Iterator[None]:
    """Add file and line of the config to the problems that the block raises."""
    try:
        yield
    except ConfigurationProblems as error:
        if checked.file is None:
            raise
        problems = [checked.file.located(problem) for problem in error.problems]
        raise ConfigurationProblems(problems, report(source, problems)) from error


def _as_before(checked: Checked, folder: str) -> Checked:
    """The check for resuming a run. A run from before namespaces were filled in keeps its config, and so its embeddings."""
    if checked.config == checked.given or not os.path.isfile(os.path.join(folder, CONFIG_NAME)):
        return checked
    config, given = (
        Params(dict(section)).as_flat_dict() for section in (checked.config or {}, checked.given)
    )
    if (config.keys() - given.keys()) & flat_config_of(folder).keys():
        return checked
    return replace(check_config(checked.given, fills_namespaces=False), file=checked.file)


def _needs_lock(options: process.RunOptions, is_first: bool) -> bool:
    """Whether this process locks the run's folder: the first process does so for all processes of the run."""
    return is_first and (not options.recover or os.path.isdir(options.serialization_dir))
