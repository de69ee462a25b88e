"""A single process of a training run: building the experiment, training it, and writing the results."""

import contextlib
import copy
import logging
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from nlpreg.commands.check.checking import check_config, raise_problems, report
from nlpreg.commands.check.first_batch import try_first_batches
from nlpreg.commands.console import metrics_block
from nlpreg.commands.report.run_record import read_run_json
from nlpreg.commands.train.experiment import METRICS_NAME, TrainModel
from nlpreg.common.config.problems import ConfigurationProblems
from nlpreg.common.config.resolve import plain
from nlpreg.common.digests import damages_in, forget_digests, record_digests
from nlpreg.common.meta import META_NAME, record_run
from nlpreg.common.params import Params
from nlpreg.common.runtime.environment import SEED_DEFAULTS
from nlpreg.common.runtime.process import SigTermReceived
from nlpreg.common.util import is_global_primary, prepare_environment
from nlpreg.models.archival import CONFIG_NAME, archive_model
from nlpreg.models.model import DEFAULT_WEIGHTS
from nlpreg.nn.parallel import DdpAccelerator
from nlpreg.training.checkpointer import remove_temporary_files
from nlpreg.training.interruption import TrainingInterrupted
from nlpreg.training.metrics_log import METRICS_LOG_NAME
from nlpreg.training.serialization_dir import create_serialization_dir, discard_replaced

logger = logging.getLogger(__name__)

_PREFIXES = {"training": "training_", "validation": "best_validation_", "test": "test_"}
_RESOLVED_CONFIG_NAME = "config.resolved.json"


@dataclass(frozen=True)
class RunOptions:
    """Options of a run besides the config; passed to every process.

    Args:
        serialization_dir: the run's folder.
        recover: whether to resume an earlier run.
        force: whether to replace the run in the folder.
        dry_run: whether to stop before training.
        include_package: packages to import, because they register classes.
        include_in_archive: glob patterns of further files for the archive.
        file_friendly_logging: whether progress is written as complete lines.
        detect_anomaly: whether to stop at the operation that made a gradient NaN.
        config_file: file of the config, if it is from a file.
        callbacks: further callbacks of the trainer, in the form of a config.
    """

    serialization_dir: str
    recover: bool = False
    force: bool = False
    dry_run: bool = False
    include_package: Sequence[str] = ()
    include_in_archive: tuple[str, ...] = ()
    file_friendly_logging: bool = False
    detect_anomaly: bool = False
    config_file: str | None = None
    callbacks: Sequence[Any] = ()


def prepare_folder(params: Params, options: RunOptions, resolved: dict[str, Any] | None) -> None:
    """Create the run's folder, and write the config and the metadata of the run into it.

    Args:
        params: the whole config.
        options: options of the run.
        resolved: the config with every default filled in, if it could be resolved.

    Raises:
        ConfigurationError: the folder is in use, or has no run to resume, or a run of another config.
    """
    folder = options.serialization_dir
    create_serialization_dir(
        params, folder, options.recover, options.force, options.config_file, sets_aside=True
    )
    # files left by a killed process; because of the lock, no other process is writing here
    remove_temporary_files(folder)
    forget_digests(folder, CONFIG_NAME, _RESOLVED_CONFIG_NAME)
    params.to_file(os.path.join(folder, CONFIG_NAME))
    if resolved is not None:
        Params(resolved).to_file(os.path.join(folder, _RESOLVED_CONFIG_NAME))
    meta_file = os.path.join(folder, META_NAME)
    damages = damages_in(folder, [META_NAME])
    if damages:
        logger.warning("%s; it is rewritten for this process", damages[0])
    if damages or not (options.recover and os.path.exists(meta_file)):
        seeds = {name: params.get(name, default) for name, default in SEED_DEFAULTS.items()}
        forget_digests(folder, META_NAME)
        record_run(seeds=seeds).to_file(meta_file)
    # all of them, because the resumed run may have been killed before it recorded any
    record_digests(folder, [CONFIG_NAME, _RESOLVED_CONFIG_NAME, META_NAME])


def take_command_keys(params: Params) -> Params | None:
    """Remove the keys that commands use themselves from a config.

    Returns:
        The section `distributed`, if there is one.
    """
    params.pop("evaluation", None)  # used by `nlpreg evaluate`, from the config in the archive
    params.pop("include_in_archive", None)
    distributed: Params | None = params.pop("distributed", None)
    return distributed


def trainer_section(params: Params) -> dict[str, Any]:
    """The section `trainer` of a config, for changes in place."""
    section = params.params.get("trainer")
    if not isinstance(section, dict):  # a bare name, or a missing section, which is reported elsewhere
        section = {"type": section} if isinstance(section, str) else {}
        params.params["trainer"] = section
    return section


def check_callbacks(config: Mapping[str, Any], callbacks: Sequence[Any]) -> None:
    """Check a config with the callbacks of the command line added to it.

    Raises:
        ConfigurationProblems: they do not fit.
    """
    if callbacks:
        params = Params(copy.deepcopy(dict(config)))
        add_callbacks(params, callbacks)
        raise_problems(check_config(plain(params)), "--callback")


def add_callbacks(params: Params, callbacks: Sequence[Any]) -> None:
    """Add callbacks, in the form of a config, to those of the trainer."""
    section = trainer_section(params)
    section["callbacks"] = [*(section.get("callbacks") or []), *callbacks]


def run_process(
    params: Params, options: RunOptions, local_rank: int = 0, ddp_accelerator: DdpAccelerator | None = None
) -> TrainModel:
    """Build an experiment and train it.

    Args:
        params: the config without the top-level keys that commands use, see `take_command_keys`; its keys are removed.
        options: options of the run.
        local_rank: number of this process on its machine.
        ddp_accelerator: wraps the model in a distributed run.

    Returns:
        The experiment, trained unless this is a dry run.
    """
    is_primary = is_global_primary()
    prepare_environment(params)
    # These options are not overrides, so that the saved config does not depend on them when a run is resumed.
    if options.detect_anomaly:
        trainer_section(params)["detect_anomaly"] = True
    if options.callbacks:
        add_callbacks(params, options.callbacks)
    model_section = params.params.get("model")
    label_encoding = model_section.get("label_encoding") if isinstance(model_section, dict) else None
    train_loop = TrainModel.from_params(
        params=params,
        serialization_dir=options.serialization_dir,
        local_rank=local_rank,
        ddp_accelerator=ddp_accelerator,
    )
    if not options.recover:  # the first batch of a resumed run was tried before
        _try_first_batches(train_loop, label_encoding, options)
    if is_primary:
        discard_replaced(options.serialization_dir)
    if options.dry_run:
        return train_loop
    if is_primary:
        # training changes these files
        forget_digests(options.serialization_dir, METRICS_NAME, METRICS_LOG_NAME)
    with _archived_when_interrupted(options, is_primary):
        metrics = train_loop.run()
        train_loop.test()  # called by every process
    if is_primary:
        train_loop.finish(metrics)
    return train_loop


def _try_first_batches(train_loop: TrainModel, label_encoding: Any, options: RunOptions) -> None:
    """Run first batches, to stop a run that would fail there or give meaningless results.

    Raises:
        ConfigurationProblems: data, model and trainer do not fit together.
    """
    findings = try_first_batches(train_loop, label_encoding)
    for warning in findings.warnings:
        logger.warning("%s: %s", warning.path, warning.message)
    if findings.problems:
        source = options.config_file or "the config"
        raise ConfigurationProblems(findings.problems, report(source, findings.problems))


def pack_and_report(options: RunOptions, seconds: float) -> None:
    """Write the archive, and show the metrics and the paths of the results.

    Args:
        options: options of the run.
        seconds: duration of the run.
    """
    archive = archive_model(options.serialization_dir, include_in_archive=options.include_in_archive)
    if metrics := read_run_json(options.serialization_dir, METRICS_NAME):
        logger.info("\n%s\n", _summary(metrics))
    logger.info("model: %s", archive)
    logger.info(
        "time %s; metrics, log and checkpoints: %s%s",
        timedelta(seconds=round(seconds)),
        os.path.normpath(options.serialization_dir),
        os.sep,
    )


def _summary(metrics: dict[str, Any]) -> str:
    """Format the metrics of a finished run as a table: last training epoch, best validation, test."""
    sets = {
        heading: {
            name.removeprefix(prefix): value
            for name, value in metrics.items()
            if name.startswith(prefix) and isinstance(value, (int, float)) and not name.endswith("_memory_MB")
        }
        for heading, prefix in _PREFIXES.items()
    }
    title = "metrics"
    if sets["validation"] and isinstance(metrics.get("best_epoch"), int):
        title += f" (validation and the archived weights: epoch {metrics['best_epoch'] + 1}, the best one)"
    return metrics_block(title, sets)


@contextlib.contextmanager
def resumable(options: RunOptions) -> Iterator[None]:
    """Add a hint on resuming the run, if it can be resumed, to the exception of Ctrl-C or SIGTERM that ends the block."""
    try:
        yield
    except (KeyboardInterrupt, SigTermReceived, TrainingInterrupted) as error:
        if not getattr(error, "how_to_continue", ""):
            error.how_to_continue = _how_to_continue(options, error)  # type: ignore[union-attr]  # read by nlpreg.commands.failures
        raise


def _how_to_continue(options: RunOptions, error: BaseException) -> str:
    folder = options.serialization_dir
    is_saved = getattr(error, "is_saved", False)  # the checkpoint may be on another machine
    names = os.listdir(folder) if os.path.isdir(folder) else []
    if not is_saved and not any(name.startswith("training_state_") for name in names):
        return ""
    config = shlex.quote(os.path.join(folder, CONFIG_NAME))
    return f"resume with: nlpreg train {config} -s {shlex.quote(folder)} -r"


@contextlib.contextmanager
def _archived_when_interrupted(options: RunOptions, is_primary: bool) -> Iterator[None]:
    """If Ctrl-C or SIGTERM ends the block, write an archive with the best weights so far."""
    try:
        yield
    except (KeyboardInterrupt, SigTermReceived, TrainingInterrupted):
        folder = options.serialization_dir
        if is_primary and os.path.exists(os.path.join(folder, DEFAULT_WEIGHTS)):
            archive_model(folder, include_in_archive=options.include_in_archive)
        raise
