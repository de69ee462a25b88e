"""The base class of batch samplers."""

from collections.abc import Iterable, Sequence

import numpy as np

from nlpreg.common.registrable import Registrable
from nlpreg.data.instance import Instance
from nlpreg.data.order import order_generator


class BatchSampler(Registrable):
    """Decides which instances form a batch, and the order of the batches.

    A sampler draws random numbers from `self.generator`, which the data loader sets before each pass over the data, so
    that the order is a function of the run's seed and the epoch.
    """

    _generator: np.random.Generator | None = None
    _to_params = Registrable.all_arguments

    @property
    def generator(self) -> np.random.Generator:
        """The generator of random numbers."""
        if self._generator is None:
            self._generator = order_generator(0)
        return self._generator

    def set_generator(self, generator: np.random.Generator) -> None:
        """Draw from this generator from now on."""
        self._generator = generator

    def get_batch_indices(self, instances: Sequence[Instance]) -> Iterable[list[int]]:
        """The indices of the instances of each batch; subclasses must implement this."""
        raise NotImplementedError(f"{type(self).__name__} has no get_batch_indices")

    def get_num_batches(self, instances: Sequence[Instance]) -> int:
        """The number of batches of these instances; subclasses must implement this."""
        raise NotImplementedError(f"{type(self).__name__} has no get_num_batches")

    def get_batch_size(self) -> int | None:
        """The number of instances in a batch; None if it varies."""
        return None


def set_generator(sampler: BatchSampler, generator: np.random.Generator) -> None:
    """Let a sampler draw from this generator, unless it is one of a plugin that does not derive from ours."""
    if hasattr(sampler, "set_generator"):
        sampler.set_generator(generator)
