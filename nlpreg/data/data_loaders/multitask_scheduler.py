"""The order of the instances of several tasks, and how they are batched."""

from collections.abc import Iterable, Mapping
from typing import Any

from nlpreg.common.iteration import groups_of, in_turn, num_groups
from nlpreg.common.registrable import Registrable
from nlpreg.data.instance import Instance


class MultiTaskScheduler(Registrable):
    """Batches the instances that each task has for an epoch."""

    default_implementation = "homogeneous_roundrobin"

    def batch_instances(self, epoch_instances: dict[str, Iterable[Instance]]) -> Iterable[list[Instance]]:
        """The instances of each batch; subclasses must implement this.

        Args:
            epoch_instances: the instances by task.
        """
        raise NotImplementedError(f"{type(self).__name__} has no batch_instances")

    def count_batches(self, dataset_counts: dict[str, int]) -> int:
        """The number of batches for a number of instances of each task; subclasses must implement this."""
        raise NotImplementedError(f"{type(self).__name__} has no count_batches")

    def update_from_epoch_metrics(self, epoch_metrics: dict[str, Any]) -> None:
        """Called with the metrics after each epoch; does nothing by default."""


@MultiTaskScheduler.register("roundrobin")
class RoundRobinScheduler(MultiTaskScheduler):
    """Takes an instance of each task in turn until all are exhausted; batches mix the tasks.

    Args:
        batch_size: number of instances in a batch.
        drop_last: whether to drop the last batch if it is smaller.
    """

    def __init__(self, batch_size: int, drop_last: bool = False) -> None:
        self.batch_size = batch_size
        self.drop_last = drop_last

    def batch_instances(self, epoch_instances: dict[str, Iterable[Instance]]) -> Iterable[list[Instance]]:
        """Batches of mixed tasks."""
        return groups_of(in_turn(epoch_instances.values()), self.batch_size, self.drop_last)

    def count_batches(self, dataset_counts: dict[str, int]) -> int:
        """The number of all instances divided by the batch size."""
        return num_groups(sum(dataset_counts.values()), self.batch_size, self.drop_last)


@MultiTaskScheduler.register("homogeneous_roundrobin")
class HomogeneousRoundRobinScheduler(MultiTaskScheduler):
    """Takes a batch of each task in turn until all are exhausted; every batch has a single task.

    Args:
        batch_size: number of instances in a batch, for all tasks or by task.
        drop_last: whether to drop the last batch of each task if it is smaller.
    """

    def __init__(self, batch_size: int | dict[str, int], drop_last: bool = False) -> None:
        self.batch_size = batch_size
        self.drop_last = drop_last

    def batch_instances(self, epoch_instances: dict[str, Iterable[Instance]]) -> Iterable[list[Instance]]:
        """Batches of one task each."""
        return in_turn(
            groups_of(instances, self._size_for(task), self.drop_last)
            for task, instances in epoch_instances.items()
        )

    def count_batches(self, dataset_counts: dict[str, int]) -> int:
        """The sum of the numbers of batches of the tasks."""
        return sum(
            num_groups(count, self._size_for(task), self.drop_last) for task, count in dataset_counts.items()
        )

    def _size_for(self, task: str) -> int:
        return self.batch_size[task] if isinstance(self.batch_size, Mapping) else self.batch_size
