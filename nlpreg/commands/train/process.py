"""One process of a training run: it builds what the config describes, trains it, and keeps what came of it."""

import contextlib
import json
import logging
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from nlpreg.commands.check.checking import report
from nlpreg.commands.check.first_batch import try_first_batches
from nlpreg.commands.console import metrics_block
from nlpreg.commands.train.experiment import METRICS_NAME, TrainModel
from nlpreg.common.config.problems import ConfigurationProblems
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

_RESOLVED_CONFIG_NAME = "config.resolved.json"


@dataclass(frozen=True)
class RunOptions:
    """What every process of a run must know beside the config.

    Args:
        serialization_dir: the run's folder.
        recover: whether this resumes an earlier run.
        force: whether to delete the folder first.
        dry_run: whether to stop before training.
        include_package: packages to import, so that what they register is known.
        include_in_archive: globs of more files for the archive.
        file_friendly_logging: whether progress is written as whole lines.
        detect_anomaly: whether to stop at the operation that made a gradient NaN.
        config_file: where the config came from, if from a file.
        callbacks: callbacks of the trainer beside those of the config, as in a config.
    """

    serialization_dir: str
    recover: bool = False
    force: bool = False
    dry_run: bool = False
    include_package: tuple[str, ...] = ()
    include_in_archive: tuple[str, ...] = ()
    file_friendly_logging: bool = False
    detect_anomaly: bool = False
    config_file: str | None = None
    callbacks: tuple[Any, ...] = ()


def prepare_folder(params: Params, options: RunOptions, resolved: dict[str, Any] | None) -> None:
    """Make the run's folder and write the config and the record of the run into it.

    Args:
        params: the whole config.
        options: of the run.
        resolved: the config with every default filled in, where it could be.

    Raises:
        ConfigurationError: the folder is in use, or holds no run to resume, or that of another config.
    """
    folder = options.serialization_dir
    create_serialization_dir(
        params, folder, options.recover, options.force, options.config_file, sets_aside=True
    )
    remove_temporary_files(folder)  # of a killed process; the lock is held, so no other one writes here
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
    # that of the record, too: the run that is resumed may have been killed before it had one
    record_digests(folder, [CONFIG_NAME, _RESOLVED_CONFIG_NAME, META_NAME])


def take_command_keys(params: Params) -> Params | None:
    """Take out of a config what is not for `TrainModel` or the seeding.

    Returns:
        The section `distributed`, if there is one.
    """
    params.pop("evaluation", None)  # for the command evaluate, which finds it in the archive
    params.pop("include_in_archive", None)
    distributed: Params | None = params.pop("distributed", None)
    return distributed


def trainer_section(params: Params) -> dict[str, Any]:
    """The section `trainer` of a config, itself, to be changed."""
    section = params.params.get("trainer")
    if not isinstance(section, dict):  # a bare name, or nothing, which is an error for others to report
        section = {"type": section} if isinstance(section, str) else {}
        params.params["trainer"] = section
    return section


def add_callbacks(params: Params, callbacks: Sequence[Any]) -> None:
    """Add callbacks, each as it would stand there, to those of the trainer of a config."""
    section = trainer_section(params)
    section["callbacks"] = [*(section.get("callbacks") or []), *callbacks]


def run_process(
    params: Params, options: RunOptions, local_rank: int = 0, ddp_accelerator: DdpAccelerator | None = None
) -> TrainModel:
    """Build and train.

    Args:
        params: the config without those top-level keys that the command itself uses; its keys are used up.
        options: of the run.
        local_rank: number of this process on its machine.
        ddp_accelerator: of a distributed run.

    Returns:
        The run, trained unless this is a dry run.
    """
    is_primary = is_global_primary()
    prepare_environment(params)
    if options.detect_anomaly:  # not by an override, so that a failed run can be resumed with it
        trainer_section(params)["detect_anomaly"] = True
    if options.callbacks:  # likewise: the config that is kept does not depend on how the run was watched
        add_callbacks(params, options.callbacks)
    model_section = params.params.get("model")
    label_encoding = model_section.get("label_encoding") if isinstance(model_section, dict) else None
    train_loop = TrainModel.from_params(
        params=params,
        serialization_dir=options.serialization_dir,
        local_rank=local_rank,
        ddp_accelerator=ddp_accelerator,
    )
    if not options.recover:  # a run that is resumed had its first batch
        _try_first_batches(train_loop, label_encoding, options)
    if is_primary:
        discard_replaced(options.serialization_dir)
    if options.dry_run:
        return train_loop
    if is_primary:
        forget_digests(options.serialization_dir, METRICS_NAME, METRICS_LOG_NAME)  # which grow from here on
    with _packed_when_interrupted(options, is_primary):
        metrics = train_loop.run()
        train_loop.test()  # by every process
    if is_primary:
        train_loop.finish(metrics)
    return train_loop


def _try_first_batches(train_loop: TrainModel, label_encoding: Any, options: RunOptions) -> None:
    """Stop a run here that would fail at its first batch, or whose outcome would be worth nothing.

    Raises:
        ConfigurationProblems: data, model and trainer do not fit each other.
    """
    findings = try_first_batches(train_loop, label_encoding)
    for warning in findings.warnings:
        logger.warning("%s: %s", warning.path, warning.message)
    if findings.problems:
        source = options.config_file or "the config"
        raise ConfigurationProblems(findings.problems, report(source, findings.problems))


def pack_and_report(options: RunOptions, seconds: float) -> None:
    """Make the archive, and show the metrics and where everything is.

    Args:
        options: of the run.
        seconds: what the whole run has taken.
    """
    archive = archive_model(options.serialization_dir, include_in_archive=options.include_in_archive)
    metrics_file = os.path.join(options.serialization_dir, METRICS_NAME)
    if os.path.exists(metrics_file):
        with open(metrics_file, encoding="utf-8") as file:
            logger.info("\n%s\n", _summary(json.load(file)))
    logger.info("model: %s", archive)
    logger.info(
        "time %s; metrics, log and checkpoints: %s%s",
        timedelta(seconds=round(seconds)),
        os.path.normpath(options.serialization_dir),
        os.sep,
    )


def _summary(metrics: dict[str, Any]) -> str:
    """The metrics of a finished run as a table: last training epoch, best validation, test."""
    sets: dict[str, dict[str, Any]] = {"training": {}, "validation": {}, "test": {}}
    prefixes = {"training_": "training", "best_validation_": "validation", "test_": "test"}
    for name, value in metrics.items():
        for prefix, heading in prefixes.items():
            short = name[len(prefix) :]
            if (
                name.startswith(prefix)
                and isinstance(value, (int, float))
                and not short.endswith("_memory_MB")
            ):
                sets[heading][short] = value
    title = "metrics"
    if sets["validation"] and isinstance(metrics.get("best_epoch"), int):
        title += f" (validation and the archived weights: epoch {metrics['best_epoch'] + 1}, the best one)"
    return metrics_block(title, sets)


@contextlib.contextmanager
def resumable(options: RunOptions) -> Iterator[None]:
    """Add to the Ctrl-C or SIGTERM that ends the block how to resume the run, if it can be resumed."""
    try:
        yield
    except (KeyboardInterrupt, SigTermReceived, TrainingInterrupted) as error:
        if not getattr(error, "how_to_continue", ""):
            error.how_to_continue = _how_to_continue(options, error)  # type: ignore[union-attr]  # read by nlpreg.commands.failures
        raise


def _how_to_continue(options: RunOptions, error: BaseException) -> str:
    folder = options.serialization_dir
    is_saved = getattr(error, "is_saved", False)  # perhaps on another machine
    names = os.listdir(folder) if os.path.isdir(folder) else []
    if not is_saved and not any(name.startswith("training_state_") for name in names):
        return ""
    config = shlex.quote(os.path.join(folder, CONFIG_NAME))
    return f"resume with: nlpreg train {config} -s {shlex.quote(folder)} -r"


@contextlib.contextmanager
def _packed_when_interrupted(options: RunOptions, is_primary: bool) -> Iterator[None]:
    """After Ctrl-C or SIGTERM, pack the best weights so far."""
    try:
        yield
    except (KeyboardInterrupt, SigTermReceived, TrainingInterrupted):
        folder = options.serialization_dir
        if is_primary and os.path.exists(os.path.join(folder, DEFAULT_WEIGHTS)):
            archive_model(folder, include_in_archive=options.include_in_archive)
        raise
