"""How an epoch is divided between several tasks."""

from collections.abc import Mapping
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.registrable import Registrable
from nlpreg.data.data_loaders.data_loader import DataLoader


class MultiTaskEpochSampler(Registrable):
    """Decides what share of an epoch's instances each task gets."""

    def get_task_proportions(self, data_loaders: Mapping[str, DataLoader]) -> dict[str, float]:
        """The share of each task, from 0 to 1; subclasses must implement this."""
        raise NotImplementedError(f"{type(self).__name__} has no get_task_proportions")

    def update_from_epoch_metrics(self, epoch_metrics: dict[str, Any]) -> None:
        """Called with the metrics after each epoch; does nothing by default."""


@MultiTaskEpochSampler.register("uniform")
class UniformSampler(MultiTaskEpochSampler):
    """The same share for every task."""

    def get_task_proportions(self, data_loaders: Mapping[str, DataLoader]) -> dict[str, float]:
        """One over the number of tasks."""
        return {task: 1 / len(data_loaders) for task in data_loaders}


@MultiTaskEpochSampler.register("weighted")
class WeightedSampler(MultiTaskEpochSampler):
    """Gives each task a fixed share.

    Args:
        weights: the weight of each task; they need not sum to 1.

    Raises:
        ConfigurationError: a weight is negative; or, when an epoch starts, a task has none, or all are 0.
    """

    def __init__(self, weights: dict[str, float]) -> None:
        if any(weight < 0 for weight in weights.values()):
            raise ConfigurationError(f"weights: expected no negative numbers, got {weights}")
        self.weights = weights

    def get_task_proportions(self, data_loaders: Mapping[str, DataLoader]) -> dict[str, float]:
        """The weights, over their sum."""
        missing = sorted(set(data_loaders) - set(self.weights))
        if missing:
            raise ConfigurationError(f"weights: expected a weight for every task, got none for {missing}")
        total = sum(self.weights[task] for task in data_loaders)
        if total == 0:
            raise ConfigurationError("weights: expected one above 0, or an epoch has no instances")
        return {task: self.weights[task] / total for task in data_loaders}


@MultiTaskEpochSampler.register("proportional")
class ProportionalSampler(MultiTaskEpochSampler):
    """Gives each task a share proportional to the length of its loader."""

    def get_task_proportions(self, data_loaders: Mapping[str, DataLoader]) -> dict[str, float]:
        """The lengths, over their sum.

        Raises:
            ValueError: a loader has no length.
            ConfigurationError: no task has any data.
        """
        try:
            sizes = {task: len(loader) for task, loader in data_loaders.items()}
        except TypeError as error:
            raise ValueError(
                'the "proportional" sampler needs loaders that know their length; leave out max_instances_in_memory, or use '
                '"weighted"'
            ) from error
        total = sum(sizes.values())
        if total == 0:
            raise ConfigurationError(f"the tasks {', '.join(sizes)} have no data")
        return {task: size / total for task, size in sizes.items()}
