"""`nlpreg check --data`: build an experiment on a few instances and run its first batches."""

import copy
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from nlpreg.commands.check.checking import Checked
from nlpreg.commands.check.first_batch import Findings, try_first_batches
from nlpreg.commands.console import quiet
from nlpreg.commands.failures import lines_about_users_code
from nlpreg.commands.train.experiment import TrainModel
from nlpreg.commands.train.process import take_command_keys
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.nodes import Call
from nlpreg.common.config.problems import ConfigurationProblems, Problem
from nlpreg.common.params import Params
from nlpreg.common.runtime.environment import prepare_environment

_NUM_INSTANCES = 100
"""Number of instances read from each data set."""


def data_findings(checked: Checked) -> Findings:
    """Build an experiment on a few instances of each data set, and try its first batches.

    The vocabulary is built from these instances only, unless the config reads it from files. A model that needs a certain
    entry may therefore fail here but work in the run.

    Args:
        checked: the result of the check of a config, without problems.
    """
    assert checked.config is not None
    config = _on_few_instances(checked)
    model = config.get("model")
    label_encoding = model.get("label_encoding") if isinstance(model, Mapping) else None
    params = Params(config)
    take_command_keys(params)
    prepare_environment(params)
    try:
        with tempfile.TemporaryDirectory() as folder, quiet():
            experiment = TrainModel.from_params(
                params=params, serialization_dir=folder, local_rank=0, ddp_accelerator=None
            )
            return try_first_batches(experiment, label_encoding)
    except ConfigurationProblems as error:
        return Findings(error.problems)
    except ConfigurationError as error:
        path = getattr(error, "config_path", "")
        is_about_data = path.endswith("data_loader")  # the message has file and line of the data
        lines = [str(error), *lines_about_users_code(error)[1:]]
        return Findings([Problem("" if is_about_data else path, "\n      ".join(lines))])
    except Exception as error:
        return Findings([Problem("", "\n      ".join(lines_about_users_code(error)))])


def _on_few_instances(checked: Checked) -> dict[str, Any]:
    """The config with `max_instances` of its readers set, where they take it, and the vocabulary built from all data sets."""
    config = copy.deepcopy(checked.config)
    assert config is not None and isinstance(checked.node, Call)
    for key in ("dataset_reader", "validation_dataset_reader"):
        for section in _sections(config.get(key), checked.node.arguments.get(key)):
            given = section.get("max_instances")
            section["max_instances"] = (
                min(given, _NUM_INSTANCES) if isinstance(given, int) else _NUM_INSTANCES
            )
    config.pop("datasets_for_vocab_creation", None)  # a few training instances may lack some labels
    return config


def _sections(section: Any, node: Any) -> Iterator[dict[str, Any]]:
    """The section of a reader, or those of the readers that it wraps, if they take `max_instances`."""
    if not isinstance(section, dict) or not isinstance(node, Call):
        return
    inner = [(section.get(name), argument) for name, argument in node.arguments.items()]
    if any(isinstance(argument, Call) and _is_reader(argument) for _, argument in inner):
        for value, argument in inner:
            if isinstance(argument, Call) and _is_reader(argument):
                yield from _sections(value, argument)
    elif "max_instances" in {**node.arguments, **node.defaults}:
        yield section


def _is_reader(call: Call) -> bool:
    from nlpreg.data.dataset_readers import DatasetReader

    return isinstance(call.cls, type) and issubclass(call.cls, DatasetReader)
