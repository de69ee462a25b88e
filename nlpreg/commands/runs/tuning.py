"""`nlpreg tune`: hyperparameter search with Optuna."""

import argparse
import contextlib
import json
import logging
import os
import re
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import filelock

from nlpreg.commands.check.checking import Checked, check_config, raise_problems
from nlpreg.commands.report.run_record import read_run_json
from nlpreg.commands.runs import training
from nlpreg.commands.runs.group import DONE, FAILED, GROUP_NAME, PRUNED, TABLE_NAME, WAITING, RunGroup, SubRun
from nlpreg.commands.runs.plan import with_changes
from nlpreg.commands.runs.processes import FOLDER, POLL_SECONDS, Ended, Processes
from nlpreg.commands.runs.space import Dimension, read_space
from nlpreg.commands.train.experiment import METRICS_NAME
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.imports import optional
from nlpreg.training.callbacks.pruning import PRUNED_AT

logger = logging.getLogger(__name__)

_STUDY_FILE = "study.db"
_TRIAL = re.compile(r"trial_\d+")
_STUDY_NAME = "nlpreg"
LOCATION, CONFIG, SPACE, METRIC = "nlpreg_place", "nlpreg_config", "nlpreg_space", "nlpreg_metric"
"""Attributes of a trial (the machine and folder that train it) and of a study (which must be equal in all processes)."""


@dataclass(frozen=True)
class Search:
    """A hyperparameter search.

    Args:
        config: the config that the trials are variants of.
        space: the search space.
        metric: validation metric with a leading `+` or `-`.
        folder: folder of the trials of this machine.
        storage: URL of the study.
        study: name of the study.
        pruner: name of a class in `optuna.pruners`; None for no pruning.
        seed: seed of the sampler.
    """

    config: dict[str, Any]
    space: list[Dimension]
    metric: str
    folder: str
    storage: str
    study: str = _STUDY_NAME
    pruner: str | None = "MedianPruner"
    seed: int = 0

    @property
    def location(self) -> str:
        """Machine and folder of the trials."""
        return f"{socket.gethostname()}:{os.path.abspath(self.folder)}"

    @property
    def key(self) -> str:
        """The metric in `metrics.json`."""
        return f"best_validation_{self.metric[1:]}"


def tune_from_args(args: argparse.Namespace) -> None:
    """Run the command with parsed arguments: search, and print the table of the trials."""
    checked, config = training.checked_config(args)
    space = read_space(args.space)
    _check_space(config, space, args.space)
    folder = args.serialization_dir
    storage = args.storage or f"sqlite:///{os.path.join(os.path.abspath(folder), _STUDY_FILE)}"
    metric = args.metric or training.validation_metric(checked.resolved_config())
    if metric[:1] not in "+-":
        raise ConfigurationError(
            f"--metric: expected + or - before the name, to say which way is better, got {metric!r}"
        )
    pruner = None if args.no_pruning or not _takes_callbacks(checked) else "MedianPruner"
    search = Search(config, space, metric, folder, storage, args.study, pruner, args.seed)
    _prepare(search, args.recover, args.force, args.param_path)
    try:
        group = tune(search, args.trials, args.parallel, training.options_of_runs(args))
    except BaseException as error:
        error.how_to_continue = "the same command resumes the study"  # type: ignore[attr-defined]  # a note for the report of the error
        raise
    print("\n".join(group.lines()))
    print(f"\nall trials: {os.path.join(folder, TABLE_NAME)}")
    best = next((point.runs[0] for point in group.points() if point.runs[0].status == DONE), None)
    if best is None:
        print("nlpreg: no trial has finished; their logs are in the folders above", file=sys.stderr)
        raise SystemExit(1)
    print(f"best: {os.path.join(folder, best.name)}, with {json.dumps(best.changes)}")


def _prepare(search: Search, recover: bool, force: bool, config_file: str) -> None:
    """Prepare the folder and the storage.

    Args:
        search: the search.
        recover: whether a study must exist.
        force: delete the study, and the trials in the folder.
        config_file: file of the config, which is not deleted.

    Raises:
        ConfigurationError: there is no study, or the folder contains files that are not trials.
    """
    os.makedirs(search.folder, exist_ok=True)
    if not (recover or force):
        return
    optuna = _optuna()
    file = search.storage.removeprefix("sqlite:///")  # which optuna would create
    with _storage_errors(search):
        exists = (file == search.storage or os.path.isfile(file)) and search.study in (
            optuna.study.get_all_study_names(search.storage)
        )
    if recover and not exists:
        raise ConfigurationError(
            f"{search.storage}: --recover expects a study {search.study!r}, but there is none; leave --recover out to begin one"
        )
    if force:
        trials = [entry.path for entry in os.scandir(search.folder) if _TRIAL.fullmatch(entry.name)]
        training.delete_runs(trials, search.folder, search.config, config_file)
        if exists:
            optuna.delete_study(study_name=search.study, storage=search.storage)
        for name in (GROUP_NAME, TABLE_NAME):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(search.folder, name))


def tune(search: Search, num_trials: int, parallel: int = 1, options: Sequence[str] = ()) -> RunGroup:
    """Train trials until a study has enough of them.

    Several processes, also on several machines, may work on the same study. A trial whose process was killed is resumed.

    Args:
        search: the search.
        num_trials: number of trials of the study, including those of earlier processes.
        parallel: number of trials that this process trains concurrently.
        options: options for the command line of each run.

    Returns:
        The trials of the study.

    Raises:
        ConfigurationError: the study belongs to another config or space.
    """
    # held while a study or a trial is created, which two processes must not do at the same time
    lock = filelock.FileLock(os.path.join(search.folder, f"{FOLDER}.lock"))
    with lock:
        study = _Study(search)
    mine: dict[str, int] = {}
    with Processes(search.folder, parallel) as processes:
        while True:
            while not processes.is_full:
                with lock:
                    number = study.start_next(num_trials, processes, options, set(mine.values()))
                if number is None:
                    break
                mine[f"trial_{number}"] = number
            if not len(processes) and not study.unfinished():
                break
            time.sleep(POLL_SECONDS)
            with lock:  # otherwise another process might resume a trial that has just ended
                for ended in processes.ended():
                    study.report_result(mine.pop(ended.name), ended)
                    study.group().write(search.folder)
    group = study.group()
    group.write(search.folder)
    return group


class _Study:
    """The Optuna study of a search, which is loaded, or created.

    Args:
        search: the search.

    Raises:
        ConfigurationError: the study belongs to another config, space or metric, or the storage cannot be used.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._optuna = optuna = _optuna()
        self._seconds: dict[int, float] = {}
        """Durations of the trials that this process has trained, by number."""
        with _storage_errors(search):
            self._study = optuna.create_study(
                study_name=search.study,
                storage=search.storage,
                direction="maximize" if search.metric.startswith("+") else "minimize",
                pruner=getattr(optuna.pruners, search.pruner or "NopPruner")(),
                load_if_exists=True,
            )
        shared = {
            CONFIG: json.dumps(search.config, sort_keys=True),
            SPACE: repr(search.space),
            METRIC: search.metric,
        }
        known = self._study.user_attrs
        for name, value in shared.items():
            if name not in known:
                self._study.set_user_attr(name, value)
            elif known[name] != value:
                what = {CONFIG: "config", SPACE: "space", METRIC: "metric"}[name]
                raise ConfigurationError(
                    f"{search.storage}: the study {search.study!r} belongs to another {what}; restore that to resume it, or give "
                    "another folder, or another name with --study"
                )

    def group(self) -> RunGroup:
        """The trials as a group of runs."""
        search, states = self._search, self._optuna.trial.TrialState
        statuses = {states.COMPLETE: DONE, states.PRUNED: PRUNED, states.FAIL: FAILED}
        runs = []
        for trial in self._study.get_trials(deepcopy=False):
            changes = _changes(search.space, trial)
            run = SubRun(f"trial_{trial.number}", changes, status=statuses.get(trial.state, WAITING))
            if run.status == DONE:
                # for a trial of another machine, only the reported value is known
                with contextlib.suppress(ConfigurationError):
                    run.metrics = read_run_json(os.path.join(search.folder, run.name), METRICS_NAME)
                run.metrics = run.metrics or {search.key: trial.value}
            elif run.status == PRUNED and trial.intermediate_values:
                run.metrics = {search.key: trial.intermediate_values[max(trial.intermediate_values)]}
            run.error = str(trial.user_attrs.get("error", ""))
            if trial.duration is not None:
                run.seconds = round(self._seconds.get(trial.number, trial.duration.total_seconds()), 1)
            runs.append(run)
        return RunGroup(search.metric, search.config, runs)

    def unfinished(self) -> list[Any]:
        """The trials of this folder that are running, or were running when their process was killed."""
        location = self._search.location
        trials = self._study.get_trials(deepcopy=False, states=(self._optuna.trial.TrialState.RUNNING,))
        return [trial for trial in trials if trial.user_attrs.get(LOCATION, location) == location]

    def start_next(
        self, num_trials: int, processes: Processes, options: Sequence[str], mine: set[int]
    ) -> int | None:
        """Start an unfinished trial of a killed process, otherwise a new one; None if there is none to start."""
        search = self._search
        for trial in self.unfinished():
            if trial.number not in mine and self._started(trial, processes, options):
                logger.info("trial_%d: resumes", trial.number)
                return int(trial.number)
        existing = len(self._study.get_trials(deepcopy=False))
        if existing >= num_trials:
            return None
        # A new sampler for each trial: its values depend on the earlier trials and the seed, but not on interruptions of the
        # search.
        self._study.sampler = self._optuna.samplers.TPESampler(seed=search.seed + existing)
        trial = self._study.ask({dimension.key: dimension.distribution() for dimension in search.space})
        trial.set_user_attr(LOCATION, search.location)
        self._started(trial, processes, options)
        logger.info("trial_%d: started with %s", trial.number, json.dumps(_changes(search.space, trial)))
        return int(trial.number)

    def _started(self, trial: Any, processes: Processes, options: Sequence[str]) -> bool:
        search = self._search
        config = with_changes(search.config, _changes(search.space, trial), "the space")
        callback = {
            "type": "optuna_pruning",
            "storage": search.storage,
            "study": search.study,
            "trial": trial.number,
            "metric": f"validation_{search.metric[1:]}",
            "pruner": search.pruner,
        }
        pruning = ["--callback", json.dumps(callback)] if search.pruner else []
        return processes.start(f"trial_{trial.number}", config, [*options, *pruning])

    def report_result(self, number: int, ended: Ended) -> None:
        """Report the result of a trial to the study."""
        self._seconds[number] = ended.seconds
        search, states = self._search, self._optuna.trial.TrialState
        run = SubRun(ended.name)
        training.record_end(run, ended, os.path.join(search.folder, ended.name))
        trials = self._study.get_trials(deepcopy=False)
        attributes = next(trial.user_attrs for trial in trials if trial.number == number)
        value = run.metrics.get(search.key)
        if run.status == DONE and isinstance(value, (int, float)):
            self._study.tell(number, float(value))
            logger.info("%s: %s %.4f", run.name, search.metric[1:], value)
        elif run.status != DONE and PRUNED_AT in attributes:
            self._study.tell(number, state=states.PRUNED)
            logger.info("%s: pruned after epoch %d", run.name, attributes[PRUNED_AT])
        else:
            error = run.error or f"its metrics have no {search.key}"
            with contextlib.suppress(NotImplementedError):
                self._optuna.trial.Trial(self._study, self._identifier(number)).set_user_attr("error", error)
            self._study.tell(number, state=states.FAIL)
            logger.error("%s: failed: %s", run.name, error)

    def _identifier(self, number: int) -> int:
        """The id of a trial in the storage."""
        storage = self._optuna.storages.get_storage(self._search.storage)
        study = storage.get_study_id_from_name(self._search.study)
        return int(storage.get_trial_id_from_study_id_trial_number(study, number))


def _optuna() -> Any:
    """The package optuna, without its messages about single trials."""
    optuna = optional("optuna", extra="optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


@contextlib.contextmanager
def _storage_errors(search: Search) -> Iterator[None]:
    """Context manager that names the option in errors of the storage."""
    try:
        yield
    except Exception as error:  # of whichever database the URL leads to
        raise ConfigurationError(f"--storage: {search.storage}: cannot be used ({error})") from error


def _changes(space: Sequence[Dimension], trial: Any) -> dict[str, Any]:
    """The changes of the config for a trial."""
    return {d.key: d.value(trial.params[d.key]) for d in space if d.key in trial.params}


def _check_space(config: Mapping[str, Any], space: Sequence[Dimension], file: str) -> None:
    """Check the config with extreme values of the space.

    Raises:
        ConfigurationError: the config has problems with some of them.
    """
    for changes in _edges(space):
        raise_problems(
            check_config(with_changes(config, changes, file)), f"{file}, with {json.dumps(changes)}"
        )


def _edges(space: Sequence[Dimension]) -> Iterator[dict[str, Any]]:
    """The first value of all dimensions together, then each other extreme value of a single dimension."""
    first = {dimension.key: dimension.ends()[0] for dimension in space}
    yield first
    for dimension in space:
        for value in dimension.ends()[1:]:
            yield {**first, dimension.key: value}


def _takes_callbacks(checked: Checked) -> bool:
    """Whether the trainer of a config has callbacks, by which trials are pruned."""
    trainer = checked.resolved_config().get("trainer")
    return isinstance(trainer, Mapping) and "callbacks" in trainer
