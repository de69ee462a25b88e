"""Trial construction of the parts of a trainer, with a single parameter instead of a model.

It finds errors that only constructors detect before data is read: a negative learning rate, Nesterov momentum without momentum,
a package that is not installed.
"""

import logging
import os
import tempfile
import warnings
from collections.abc import Collection, Iterator
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.nodes import Call, Container, LazyCall
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
    """Find errors that the constructors of the parts of a built-in trainer raise.

    Args:
        experiment: the resolved experiment.
        known: problems reported already; a part that has any is left out.
    """
    trainer = _call_in(experiment.arguments.get("trainer"))
    if trainer is None:
        return
    disabled_before = logging.root.manager.disable
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # the run itself will say it
        logging.disable(logging.CRITICAL)
        try:
            yield from _problems_of_parts(trainer, os.path.join(folder, "run"), {p.path for p in known})
        finally:
            logging.disable(disabled_before)


def _problems_of_parts(trainer: Call, folder: str, known: set[str]) -> Iterator[Problem]:
    import torch

    parameters = [("parameter", torch.nn.Parameter(torch.zeros(1)))]
    extras: dict[str, Any] = {
        "model_parameters": parameters,
        "parameters": parameters,
        "serialization_dir": folder,
        "num_steps_per_epoch": 1000,
        # A number that no rise of a learning rate reaches, unless the run says how long it is.
        "num_training_steps": _value(trainer, "max_steps") or 1_000_000,
        **{name: _value(trainer, name) for name in ("num_epochs", "validation_metric")},
    }
    if "optimizer" not in trainer.arguments:
        extras["optimizer"] = torch.optim.Adam([parameters[0][1]])
    for name in _PARTS:
        argument = trainer.arguments.get(name)
        for node in argument.items if isinstance(argument, Container) else [argument]:
            part = _call_in(node)
            if (
                part is None
                or part.type_name in _NEED_THE_MODEL
                or any(path.startswith(part.path) for path in known)
            ):
                continue
            try:
                extras[name] = part.build(extras)
            except _REFUSALS as error:
                yield refusal(
                    getattr(error, "config_path", part.path), {**part.arguments, **part.defaults}, error
                )
            except Exception:  # for want of a model or of another part, which the run will have
                pass
            else:
                if name == "optimizer":
                    _give_to_first_group(extras[name])


def _give_to_first_group(optimizer: Any) -> None:
    """No pattern of a group matches the parameter's name, but schedulers want their groups filled."""
    groups = optimizer.param_groups
    groups[0]["params"], groups[-1]["params"] = groups[-1]["params"], groups[0]["params"]


def _value(call: Call, name: str) -> Any:
    return call.arguments[name].as_config() if name in call.arguments else call.defaults.get(name)


def _call_in(node: object) -> Call | None:
    """The constructor call of one of nlpreg's own classes; those of others may do more than look at arguments."""
    inner = node.inner if isinstance(node, LazyCall) else node
    is_ours = isinstance(inner, Call) and str(inner.cls.__module__).startswith("nlpreg.")
    return inner if is_ours else None  # type: ignore[return-value]  # mypy forgets what `is_ours` says
