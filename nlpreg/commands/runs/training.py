"""`nlpreg train` with `--sweep`, `--seeds` or `--folds`: train a group of runs and print their table."""

import argparse
import contextlib
import logging
import os
import re
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from nlpreg.commands.check.checking import Checked, check_config, check_file, raise_problems
from nlpreg.commands.options import name_or_json
from nlpreg.commands.report.run_record import read_run_json
from nlpreg.commands.runs import group as run_group
from nlpreg.commands.runs.plan import PlannedRun, planned_runs, seeds_of, sweep_axis
from nlpreg.commands.runs.processes import POLL_SECONDS, Ended, Processes
from nlpreg.commands.train.experiment import METRICS_NAME
from nlpreg.commands.train.process import check_callbacks
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.resolve import plain
from nlpreg.common.params import Params
from nlpreg.training.serialization_dir import check_deletable, create_serialization_dir, locked

logger = logging.getLogger(__name__)

_LONGEST_ERROR = 400


def train_group_from_args(args: argparse.Namespace) -> None:
    """Train the runs of a command line, and print their table.

    Raises:
        ConfigurationError: an option or the config is wrong, or the folder is in use; nothing was changed.
        SystemExit: some runs failed (1).
    """
    folder = args.serialization_dir
    checked, config = checked_config(args)
    planned = planned_runs(
        config,
        [sweep_axis(text) for text in args.sweep],
        seeds_of(args.seeds) if args.seeds else (),
        args.folds or 0,
    )
    for plan in planned:
        raise_problems(check_config(plan.config), f"{args.param_path}, run {plan.run.name}")
    group = run_group.RunGroup(
        validation_metric(checked.resolved_config()), config, [plan.run for plan in planned]
    )
    options = options_of_runs(args) + (["--detect-anomaly"] if args.detect_anomaly else [])
    with locked(folder):
        group = _prepare_group(group, folder, args.recover, args.force, args.param_path)
        try:
            _train_group(group, planned, folder, options, args.parallel)
        except BaseException as error:
            error.how_to_continue = f"resume with: {_resuming(sys.argv)}"  # type: ignore[attr-defined]  # see failures
            raise
    print("\n".join(group.lines()))
    print(f"\nall metrics: {os.path.join(folder, run_group.TABLE_NAME)}")
    failed = [run for run in group.runs if run.status == run_group.FAILED]
    if failed:
        print(
            f"nlpreg: {len(failed)} of {len(group.runs)} runs failed; to try them once more: {_resuming(sys.argv)}",
            file=sys.stderr,
        )
        raise SystemExit(1)


def checked_config(args: argparse.Namespace) -> tuple[Checked, dict[str, Any]]:
    """The check of the config of a command line, and the config.

    Raises:
        ConfigurationProblems: the config, alone or with the callbacks of the command line, has problems.
    """
    checked = check_file(args.param_path, args.overrides)
    raise_problems(checked, args.param_path)
    config = plain(Params(checked.config or {}))
    check_callbacks(config, [name_or_json("--callback", text) for text in args.callback])
    return checked, config


def options_of_runs(args: argparse.Namespace) -> list[str]:
    """The options of a command line that go on to each of its runs."""
    options = [word for package in args.include_package for word in ("--include-package", package)]
    options += ["--no-cache"] if args.no_cache else []
    options += ["--allow-remote"] if args.allow_remote else []
    return options + [word for callback in args.callback for word in ("--callback", callback)]


def validation_metric(resolved: Mapping[str, Any]) -> str:
    """The validation metric of the trainer of a resolved config, with a leading `+` or `-`."""
    trainer = resolved.get("trainer")
    metric = trainer.get("validation_metric", "-loss") if isinstance(trainer, Mapping) else "-loss"
    if isinstance(metric, list):
        metric = metric[0] if metric else "-loss"
    return str(metric)


def _prepare_group(
    group: run_group.RunGroup, folder: str, recover: bool, force: bool, config_file: str | None = None
) -> run_group.RunGroup:
    """Prepare the folder of a group, and add the results of an earlier process to the group.

    Args:
        group: the group to train.
        folder: folder of the group.
        recover: resume the group in the folder, to which runs may be added.
        force: delete the runs in the folder first.
        config_file: file of the config, which `force` must not delete.

    Returns:
        The group with the results of finished runs.

    Raises:
        ConfigurationError: the folder contains other files, or a group of another config.
    """
    earlier = run_group.read_group(folder)
    if recover:
        if earlier is None:
            raise ConfigurationError(
                f"{folder}: --recover expects a group of runs in this folder, but there is no {run_group.GROUP_NAME}"
            )
        return _with_earlier_results(group, earlier, folder)
    if earlier is not None and not force:
        raise ConfigurationError(
            f"{folder}: holds a group of runs already; give another folder, or --recover to resume it, or --force to "
            "delete it"
        )
    names = [run.name for run in (earlier.runs if earlier else [])]
    if earlier is None:
        create_serialization_dir(Params(dict(group.config)), folder, False, force, config_file)
        names = [run.name for run in group.runs if os.path.isdir(os.path.join(folder, run.name))]
    paths = [path for path in (os.path.join(folder, name) for name in names) if os.path.isdir(path)]
    if force:
        delete_runs(paths, folder, group.config, config_file)
    os.makedirs(folder, exist_ok=True)
    group.write(folder)
    return group


def delete_runs(
    paths: Sequence[str], folder: str, config: Mapping[str, Any], config_file: str | None = None
) -> None:
    """Delete runs in the folder of a group, but no files that they did not write.

    Args:
        paths: the folders of the runs.
        folder: folder of the group, which is not deleted.
        config: the config of the new runs.
        config_file: file of the config.

    Raises:
        ConfigurationError: a folder is not a run (nothing was deleted), is in use, or contains files that the new runs need.
    """
    params = Params(dict(config))
    for path in paths:
        check_deletable(params, path, config_file)
    for path in paths:
        create_serialization_dir(params, path, recover=False, force=True, config_file=config_file)
        for emptied in (path, os.path.dirname(path)):
            with contextlib.suppress(OSError):  # not empty, because of files that no run wrote
                if not os.path.samefile(emptied, folder):
                    os.rmdir(emptied)


def _train_group(
    group: run_group.RunGroup,
    planned: Sequence[PlannedRun],
    folder: str,
    options: Sequence[str],
    parallel: int = 1,
) -> None:
    """Train the unfinished runs of a group, each in a separate process; if one fails, the others continue.

    Args:
        group: the group, which is updated and saved after each run.
        planned: the configs of the runs.
        folder: folder of the group.
        options: options for the command line of each run.
        parallel: number of concurrent processes.
    """
    records = {run.name: run for run in group.runs}
    configs = {plan.run.name: plan.config for plan in planned}
    waiting = [name for name in configs if records[name].status != run_group.DONE]
    for name in waiting:
        records[name].status = run_group.WAITING
    with Processes(folder, parallel) as processes:
        while waiting or len(processes):
            for name in list(waiting):
                if processes.is_full:
                    break
                if processes.start(name, configs[name], options):
                    waiting.remove(name)
                    logger.info("%s: started", name)
            time.sleep(POLL_SECONDS)
            for ended in processes.ended():
                record_end(records[ended.name], ended, os.path.join(folder, ended.name))
                group.write(folder)
                _report(group, records[ended.name])


def record_end(run: run_group.SubRun, ended: Ended, folder: str) -> None:
    """Record the result of a process in its run.

    Args:
        run: the record of the run.
        ended: the process that has ended.
        folder: folder of the run.
    """
    run.seconds = round((run.seconds or 0.0) + ended.seconds, 1)
    reason = ""
    if ended.status < 0:
        reason = f"its process was killed by signal {-ended.status}"
    elif ended.status:
        reason = (
            ended.error.rpartition("nlpreg: error: ")[2]
            or f"its process ended with exit status {ended.status}"
        )
    else:
        try:
            run.metrics = read_run_json(folder, METRICS_NAME)
        except ConfigurationError as error:
            reason = str(error)
        # without validation data there may be no metric, and the file holds an empty object
        if not os.path.isfile(os.path.join(folder, METRICS_NAME)):
            reason = f"{os.path.join(folder, METRICS_NAME)}: there are no metrics, although its process has finished"
    run.status, run.error = (
        run_group.FAILED if reason else run_group.DONE,
        _on_one_line(reason)[:_LONGEST_ERROR],
    )


def _on_one_line(message: str) -> str:
    """A message with its lines joined; a semicolon separates an indented line, which is a remark of its own."""
    return " ".join(re.sub(r"[;:]?\n +", "; ", message.strip()).split())


def _with_earlier_results(
    group: run_group.RunGroup, earlier: run_group.RunGroup, folder: str
) -> run_group.RunGroup:
    """A group with the results of an earlier process, and with the runs that only the earlier one had."""
    old, new = Params(earlier.config).as_flat_dict(), Params(dict(group.config)).as_flat_dict()
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            raise ConfigurationError(
                f"{folder}: --recover expects the config of the runs in this folder, but they differ at {key}: "
                f"{old.get(key, '(absent)')!r} in the folder, {new.get(key, '(absent)')!r} now; restore the config, or start "
                "again in another folder"
            )
    outcomes = {run.name: run for run in earlier.runs}
    for run in group.runs:
        past = outcomes.pop(run.name, None)
        if past is not None and past.changes != run.changes:
            raise ConfigurationError(
                f"{folder}: {run.name} was planned with {past.changes} and is now planned with {run.changes}; start again in another "
                "folder"
            )
        if past is not None:
            run.status, run.error = past.status, past.error
            run.seconds, run.metrics = past.seconds, past.metrics
    # runs of an earlier command line remain in the table; only those planned now are trained
    group.runs += [run for run in outcomes.values() if run.status == run_group.DONE]
    return group


def _report(group: run_group.RunGroup, run: run_group.SubRun) -> None:
    done = sum(other.status == run_group.DONE for other in group.runs)
    value = run.metrics.get(group.key)
    outcome = f"{group.key} {value:.4f}" if isinstance(value, float) else run.status
    minutes, seconds = divmod(round(run.seconds or 0), 60)
    if run.status == run_group.FAILED:
        logger.error("%s: failed after %d:%02d: %s", run.name, minutes, seconds, run.error)
    else:
        logger.info(
            "%s: %s in %d:%02d (%d of %d done)", run.name, outcome, minutes, seconds, done, len(group.runs)
        )


def _resuming(words: Sequence[str]) -> str:
    """The command line that resumes the group of the given one."""
    kept = [word for word in words[1:] if word not in ("-f", "--force", "-r", "--recover")]
    return f"nlpreg {shlex.join(kept)} -r"
