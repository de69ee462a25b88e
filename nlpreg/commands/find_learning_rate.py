"""`nlpreg find-lr`: the loss at growing learning rates, to choose one by eye."""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nlpreg.commands import options as command_options
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError

if TYPE_CHECKING:
    from nlpreg.commands.train.process import RunOptions
    from nlpreg.common.params import Params
    from nlpreg.training.gradient_descent_trainer import GradientDescentTrainer
    from nlpreg.training.protocols import BatchLoader, TensorDict

logger = logging.getLogger(__name__)

_SMOOTHED_SHARE = 0.08
"""The part of all losses that each smoothed one is the mean of."""
_STEPS_BEFORE_BEST = 10
"""The first losses are those of an untrained model, which do not count for the best one."""


@Subcommand.register("find-lr")
class FindLearningRate(Subcommand):
    """Train for some batches while the learning rate grows from --start-lr to --end-lr, and plot the loss against it.

    The plot is lr-losses.png, its figures are in lr-losses.json. A good rate is where the loss falls fastest.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        command_options.add_config_argument(parser)
        command_options.add_serialization_dir_option(parser, "folder for the plot and the figures")
        command_options.add_overrides_option(parser)
        parser.add_argument("--start-lr", type=float, default=1e-5, metavar="LR", help="first learning rate")
        parser.add_argument("--end-lr", type=float, default=10.0, metavar="LR", help="last learning rate")
        parser.add_argument("--num-batches", type=int, default=100, metavar="N", help="number of steps")
        parser.add_argument(
            "--stopping-factor",
            type=float,
            metavar="F",
            help="stop when the loss is above F times the best one",
        )
        parser.add_argument("--linear", action="store_true", help="grow linearly instead of exponentially")
        parser.add_argument("-f", "--force", action="store_true", help="delete DIR first if it exists")
        command_options.add_file_friendly_option(parser)
        parser.set_defaults(func=find_learning_rate_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Find wrong options before anything slow is imported."""
        command_options.check_file(args.param_path, "CONFIG")
        _check_steps(args.num_batches, args.start_lr, args.end_lr, args.linear)
        folder = args.serialization_dir
        if not args.force and os.path.isdir(folder) and os.listdir(folder):
            raise ConfigurationError(
                f"--serialization-dir: {folder} is not empty; give another one, or -f to delete it"
            )


def find_learning_rate_from_args(args: argparse.Namespace) -> None:
    """Run the command with parsed arguments."""
    from nlpreg.commands.check.checking import check_file, raise_problems
    from nlpreg.common import logging as common_logging
    from nlpreg.common.params import Params

    common_logging.FILE_FRIENDLY_LOGGING = args.file_friendly_logging
    checked = check_file(args.param_path, args.overrides)
    raise_problems(checked, args.param_path)
    assert checked.config is not None
    given = command_options.arguments_for(find_learning_rate_model, args)
    find_learning_rate_model(Params(checked.config), linear_steps=args.linear, **given)


def find_learning_rate_model(
    params: Params,
    serialization_dir: str | os.PathLike[str],
    start_lr: float = 1e-5,
    end_lr: float = 10,
    num_batches: int = 100,
    linear_steps: bool = False,
    stopping_factor: float | None = None,
    force: bool = False,
) -> None:
    """Try learning rates with the model and data of a config, and plot the losses.

    Args:
        params: the whole config; its keys are used up.
        serialization_dir: folder for the plot.
        start_lr: first learning rate.
        end_lr: last learning rate.
        num_batches: number of steps between them.
        linear_steps: whether the rate grows linearly instead of exponentially.
        stopping_factor: stop when the loss is above this times the best one.
        force: delete the folder first.

    Raises:
        ConfigurationError: the trainer is not `gradient_descent`, there are too few batches, or `distributed` is set.
    """
    from nlpreg.commands.train.process import RunOptions
    from nlpreg.training.serialization_dir import discard_replaced, replacing_run

    _check_steps(num_batches, start_lr, end_lr, linear_steps)
    if params.get("distributed", None):
        raise _IsDistributed(
            "distributed: find-lr tries learning rates in one process; leave this out, "
            """by -o '{"distributed": null}'"""
        )
    options = RunOptions(os.fspath(serialization_dir), force=force)
    # if the trainer cannot be built, the run that `force` replaces is restored
    with replacing_run(options.serialization_dir):
        trainer = _build_trainer(params, options)
        discard_replaced(options.serialization_dir)
    rates, losses = search_learning_rate(
        trainer, start_lr, end_lr, num_batches, linear_steps, stopping_factor
    )
    _report(rates, losses, options.serialization_dir)


def _build_trainer(params: Params, options: RunOptions) -> GradientDescentTrainer:
    """The trainer of a config, after its first batches were tried, in a new folder that holds the config."""
    from nlpreg.commands.check.first_batch import try_first_batches
    from nlpreg.commands.train.experiment import TrainModel
    from nlpreg.commands.train.process import take_command_keys
    from nlpreg.common.config.problems import problems_error
    from nlpreg.common.runtime.environment import prepare_environment
    from nlpreg.training.gradient_descent_trainer import GradientDescentTrainer
    from nlpreg.training.serialization_dir import CONFIG_NAME, create_serialization_dir

    folder = options.serialization_dir
    create_serialization_dir(params, folder, recover=False, force=options.force, sets_aside=True)
    params.to_file(os.path.join(folder, CONFIG_NAME))
    take_command_keys(params)
    prepare_environment(params)
    experiment = TrainModel.from_params(
        params=params, serialization_dir=folder, local_rank=0, ddp_accelerator=None
    )
    trainer = experiment.trainer
    if not isinstance(trainer, GradientDescentTrainer):
        raise ConfigurationError(
            f"trainer.type: find-lr needs 'gradient_descent', got {type(trainer).__name__}"
        )
    if problems := try_first_batches(experiment).problems:
        raise problems_error(problems)
    return trainer


def _report(rates: list[float], losses: list[float], folder: str) -> None:
    """Write the losses and their plot into `folder`, and log the suggested learning rate."""
    smoothed = _smooth(losses)
    with open(os.path.join(folder, "lr-losses.json"), "w", encoding="utf-8") as file:
        json.dump(
            [{"lr": r, "loss": x, "smoothed": y} for r, x, y in zip(rates, losses, smoothed, strict=True)],
            file,
        )
    try:
        plot = os.path.join(folder, "lr-losses.png")
        _save_plot(rates, smoothed, plot)
        logger.info("losses at %d learning rates: %s", len(rates), plot)
    except ImportError as error:
        logger.info("losses at %d learning rates: %s (no plot: %s)", len(rates), file.name, error)
    suggestion = suggested_rate(rates, smoothed)
    if suggestion is None:
        logger.info("no learning rate to suggest: the loss falls at none of them")
    else:
        logger.info("suggested learning rate: %.2g, where the loss falls fastest", suggestion)


def suggested_rate(rates: list[float], losses: list[float]) -> float | None:
    """The learning rate at which the loss falls fastest over the logarithm of the rate; None if it never falls.

    Args:
        rates: that grow.
        losses: one for each, smoothed.
    """
    lowest = min(range(len(losses)), key=losses.__getitem__, default=0)
    slopes = {
        index: (losses[index + 1] - losses[index - 1]) / math.log(rates[index + 1] / rates[index - 1])
        for index in range(1, lowest)
        if rates[index - 1] > 0
    }
    steepest = min(slopes, key=slopes.__getitem__, default=None)
    return None if steepest is None or not slopes[steepest] < 0 else rates[steepest]


def search_learning_rate(
    trainer: GradientDescentTrainer,
    start_lr: float = 1e-5,
    end_lr: float = 10,
    num_batches: int = 100,
    linear_steps: bool = False,
    stopping_factor: float | None = None,
) -> tuple[list[float], list[float]]:
    """Train step by step with a growing learning rate; the arguments are those of `find_learning_rate_model`.

    Args:
        trainer: with model, optimizer and data.
        start_lr: first learning rate.
        end_lr: last learning rate.
        num_batches: number of steps between them; the data is read again if there is not enough.
        linear_steps: whether the rate grows linearly.
        stopping_factor: stop when the loss is above this times the best one.

    Returns:
        The learning rates, and the loss before each one's step.
    """
    from nlpreg.common.tqdm import Tqdm

    _check_steps(num_batches, start_lr, end_lr, linear_steps)
    trainer.model.train()
    batches = _endless(trainer.data_loader)
    rates: list[float] = []
    losses: list[float] = []
    best = 1e9
    for step in Tqdm.tqdm(range(num_batches + 1), desc="learning rates"):
        share = step / num_batches
        rate = (
            start_lr + (end_lr - start_lr) * share
            if linear_steps
            else start_lr * (end_lr / start_lr) ** share
        )
        for group in trainer.optimizer.param_groups:
            group["lr"] = rate
        trainer.optimizer.zero_grad(set_to_none=True)
        batch = next(batches)
        with trainer.run.precision.autocast():
            loss = trainer.batch_outputs(batch, for_training=True)["loss"]
        trainer.run.precision.backward(loss)
        value = float(loss.detach())
        if stopping_factor is not None and (math.isnan(value) or value > stopping_factor * best):
            logger.info("stopped at learning rate %g: the loss is %g, the best was %g", rate, value, best)
            break
        trainer.rescale_gradients()
        trainer.run.precision.step(trainer.optimizer)
        rates.append(rate)
        losses.append(value)
        if step > _STEPS_BEFORE_BEST:
            best = min(best, value)
    return rates, losses


class _IsDistributed(ConfigurationError, AssertionError):
    """The config has the section `distributed`; also an `AssertionError`, as in AllenNLP."""


def _check_steps(number: int, start_lr: float, end_lr: float, linear: bool) -> None:
    if number <= 10:
        raise ConfigurationError(f"--num-batches: expected more than 10, got {number}")
    if not (0 <= start_lr < end_lr) or (start_lr == 0 and not linear):
        raise ConfigurationError(
            f"--start-lr, --end-lr: expected rates that grow, from one above 0 unless --linear, got {start_lr:g} to "
            f"{end_lr:g}"
        )


def _endless(loader: BatchLoader) -> Iterator[TensorDict]:
    """The batches of a loader, repeated without end."""
    while True:
        batch = None
        for batch in loader:
            yield batch
        if batch is None:
            raise ConfigurationError(
                "train_data_path: there is no batch in the training data, so there is nothing to train on. Is the "
                "file empty, or shorter than one batch of a loader that drops the last one?"
            )


def _smooth(values: list[float]) -> list[float]:
    """The mean of each value and its neighbours; an average of earlier values alone would lag."""
    reach = max(1, round(len(values) * _SMOOTHED_SHARE / 2))
    windows = [values[max(0, index - reach) : index + reach + 1] for index in range(len(values))]
    return [sum(window) / len(window) for window in windows]


def _save_plot(rates: list[float], losses: list[float], path: str) -> None:
    from nlpreg.common.imports import optional

    optional("matplotlib", extra="plot").use("Agg")  # a file, no window
    pyplot = optional("matplotlib.pyplot", extra="plot")
    figure, axes = pyplot.subplots()
    axes.plot(rates, losses)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss, smoothed")
    figure.savefig(path)
    pyplot.close(figure)
