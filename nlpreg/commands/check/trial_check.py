"""Trial construction of the parts of a trainer, with a single parameter in place of a model.

This finds errors that only constructors detect, before any data is read: a negative learning rate, Nesterov momentum without
momentum, a package that is not installed.
"""

import inspect
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from nlpreg.commands.console import quiet
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.nodes import Call, Container, Node, call_in, is_built_in, value_of
from nlpreg.common.config.problems import Problem, refusal

_PARTS = (
    "optimizer",
    "learning_rate_scheduler",
    "momentum_scheduler",
    "moving_average",
    "checkpointer",
    "callbacks",
)
_NEED_THE_MODEL = ("multi",)
_REFUSALS = (ConfigurationError, ValueError, AssertionError, KeyError, ImportError)


def trial_problems(experiment: Call, known: Collection[Problem]) -> Iterator[Problem]:
    """Find errors that the constructors of the parts of a built-in trainer raise, and models that cannot be trained.

    Args:
        experiment: the resolved experiment.
        known: problems that were already found; parts that have any are skipped.
    """
    yield from _untrainable_model(experiment.arguments.get("model"))
    trainer = _built_in_call(experiment.arguments.get("trainer"))
    if trainer is None:
        return
    with quiet(), tempfile.TemporaryDirectory() as folder:  # the run itself will show warnings
        yield from _problems_of_parts(trainer, os.path.join(folder, "run"), {p.path for p in known})


def _untrainable_model(node: Node | None) -> Iterator[Problem]:
    """Report a model of a class that is never trained, whatever its arguments."""
    model = call_in(node)
    hook = "check_before_training"
    if model is not None and isinstance(inspect.getattr_static(model.cls, hook, None), staticmethod):
        try:
            getattr(model.cls, hook)()
        except ConfigurationError as error:
            yield refusal(model.path, (), error)


def _problems_of_parts(trainer: Call, folder: str, known: set[str]) -> Iterator[Problem]:
    import torch

    parameters = [("parameter", torch.nn.Parameter(torch.zeros(1)))]
    extras: dict[str, Any] = {
        "model_parameters": parameters,
        "parameters": parameters,
        "serialization_dir": folder,
        "num_steps_per_epoch": 1000,
        # without `max_steps`, more than any number of warm-up steps
        "num_training_steps": value_of(trainer, "max_steps") or 1_000_000,
        **{name: value_of(trainer, name) for name in ("num_epochs", "validation_metric")},
    }
    if "optimizer" not in trainer.arguments:
        extras["optimizer"] = torch.optim.Adam([parameters[0][1]])
    for name in _PARTS:
        argument = trainer.arguments.get(name)
        nodes: Iterable[Node | None] = [argument]
        if isinstance(argument, Container) and isinstance(argument.items, list):
            nodes = argument.items
        for node in nodes:
            part = _built_in_call(node)
            if (
                part is None
                or part.type_name in _NEED_THE_MODEL
                or any(f"{path}.".startswith(f"{part.path}.") for path in known)
            ):
                continue
            try:
                extras[name] = part.build(extras)
            except _REFUSALS as error:
                yield refusal(
                    getattr(error, "config_path", part.path), {**part.arguments, **part.defaults}, error
                )
            except Exception:  # the part needs a model or another part, which exist only in the run
                pass
            else:
                if name == "optimizer":
                    # The pattern of no group matches the parameter's name, but schedulers need the groups to have parameters.
                    groups = extras[name].param_groups
                    groups[0]["params"], groups[-1]["params"] = groups[-1]["params"], groups[0]["params"]


def _built_in_call(node: Node | None) -> Call | None:
    """The constructor call of a built-in class; other constructors may have side effects."""
    call = call_in(node)
    return call if call is not None and is_built_in(call) else None
