"""`DataLoader`, the base class of data loaders, and `ResumableDataLoader`, the base of those that can start from any batch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Dict, Union  # noqa: UP035 - an alias that plugins import

import torch

from nlpreg.common.checks import ConfigurationError, check_at_least
from nlpreg.common.registrable import Registrable
from nlpreg.common.util import int_to_device
from nlpreg.data.instance import Instance
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.nn.util import move_to_device

SAMPLE_SIZE = 8
"""Maximum number of instances in the batch that `sample_batch` returns."""

TensorDict = Dict[str, Union[torch.Tensor, Dict[str, torch.Tensor]]]  # noqa: UP006


class DataLoader(Registrable):
    """Iterates over batches of tensors, one epoch per iteration.

    A loader is used in this order: the constructor, `iter_instances` for the vocabulary, `index_with` that vocabulary,
    `set_target_device`, then one iteration for each epoch. Its section of a config has neither `reader` nor
    `data_path`: these come from other keys of the config.
    """

    constructor_extras = frozenset(["data_path", "reader"])

    default_implementation = "multiprocess"

    def __len__(self) -> int:
        """The number of batches of an epoch.

        Raises:
            TypeError: the number is not known before the data have been read.
        """
        raise TypeError(f"{type(self).__name__} has no length")

    def __iter__(self) -> Iterator[TensorDict]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__")

    def iter_instances(self) -> Iterator[Instance]:
        """The instances one by one; before `index_with`, not indexed."""
        raise NotImplementedError(f"{type(self).__name__} has no iter_instances")

    def sample_instances(self, number: int) -> list[Instance]:
        """The first instances, at most `number`; the position in the data does not change.

        A loader that does not support this returns an empty list.
        """
        return []

    def sample_batch(self) -> TensorDict | None:
        """A small batch, made like the batches of an epoch; the position in the data does not change.

        Returns:
            The batch, on the CPU; None if the loader does not support this or has no data.
        """
        return None

    def index_with(self, vocab: Vocabulary) -> None:
        """Index the instances with this vocabulary, immediately or while they are read."""
        raise NotImplementedError(f"{type(self).__name__} has no index_with")

    def set_target_device(self, device: torch.device) -> None:
        """Put batches on this device from now on."""
        raise NotImplementedError(f"{type(self).__name__} has no set_target_device")

    def state_dict(self) -> dict[str, Any]:
        """The position in the data, as plain values; empty for a loader that does not track it."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Start the next iteration at the position of a `state_dict`."""


@dataclass
class Position:
    """A position in the sequence of all batches of a run.

    Args:
        epoch: number of finished epochs.
        batches: number of batches yielded in the current epoch.
        data_pass: number of finished passes over the data; differs from `epoch` if an epoch has a fixed number of
            batches.
        pass_batches: number of batches yielded in the current pass.
        places: further measures of the position, for loaders that need them.
    """

    epoch: int = 0
    batches: int = 0
    data_pass: int = 0
    pass_batches: int = 0
    places: tuple[Any, ...] = ()


class ResumableDataLoader(DataLoader):
    """A loader whose batches are a function of the run's seed and the position.

    One iteration yields one epoch: a pass over the data or, with `batches_per_epoch`, that many batches, which may
    take several passes; the rest of the last one belongs to the next epoch. After `load_state_dict` the next
    iteration yields the rest of the epoch. If an iteration is abandoned, the position does not change, and the next
    one starts that epoch again.

    Args:
        batches_per_epoch: number of batches of an epoch; None for one pass.
        cuda_device: device to put batches on; None to leave them where they are made.

    Raises:
        ValueError: `batches_per_epoch` below 1.
    """

    def __init__(
        self, batches_per_epoch: int | None = None, cuda_device: int | str | torch.device | None = None
    ) -> None:
        check_at_least(1, batches_per_epoch=batches_per_epoch)
        self.batches_per_epoch = batches_per_epoch
        self.cuda_device = None if cuda_device is None else int_to_device(cuda_device)
        self._position = Position()
        self._epoch_start = Position()
        self._is_resuming = False
        self._open_pass: Iterator[TensorDict] | None = None

    def _batches_of_pass(self, data_pass: int, start: int) -> Iterator[TensorDict]:
        """The batches of one pass over the data from number `start` on; subclasses must implement this."""
        raise NotImplementedError(f"{type(self).__name__} has no _batches_of_pass")

    def __iter__(self) -> Iterator[TensorDict]:
        self._begin_epoch()
        return self._rest_of_epoch()

    def _begin_epoch(self) -> None:
        """Move to the position where the next iteration starts."""
        # an iteration that ran to its end has set the number back to 0
        abandoned = self._position.batches > 0
        if self._is_resuming:
            self._close_pass()
            self._is_resuming = False
        elif abandoned:
            self._close_pass()
            self._position = replace(self._epoch_start)
        else:
            self._epoch_start = replace(self._position)

    def _rest_of_epoch(self) -> Iterator[TensorDict]:
        position = self._position
        try:
            while self.batches_per_epoch is None or position.batches < self.batches_per_epoch:
                if self._open_pass is None:
                    self._open_pass = self._batches_of_pass(position.data_pass, position.pass_batches)
                batch = next(self._open_pass, None)
                if batch is None:
                    self._end_pass(position)
                    if self.batches_per_epoch is None:
                        break
                    continue
                position.batches += 1
                position.pass_batches += 1
                yield batch if self.cuda_device is None else move_to_device(batch, self.cuda_device)
        except BaseException:  # also a GeneratorExit, raised when the caller stops iterating
            self._close_pass()
            raise
        position.epoch += 1
        position.batches = 0

    def _end_pass(self, position: Position) -> None:
        """Move to the next pass."""
        self._close_pass()
        # otherwise this loop would never end
        if self.batches_per_epoch is not None and position.pass_batches == 0:
            raise ConfigurationError(
                f"batches_per_epoch: expected data for at least one of the {self.batches_per_epoch} batches of an epoch, got none"
            )
        position.data_pass += 1
        position.pass_batches, position.places = 0, ()

    def _close_pass(self) -> None:
        """Close the iterator over the current pass."""
        close = getattr(self._open_pass, "close", None)
        self._open_pass = None
        if close is not None:
            close()

    def set_target_device(self, device: torch.device) -> None:
        """Put batches on this device from now on."""
        self.cuda_device = device

    def state_dict(self) -> dict[str, Any]:
        """The current `Position`."""
        position = self._position
        return {name: getattr(position, name) for name in ("epoch", "batches", "data_pass", "pass_batches")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume the epoch at the position of the state in the next iteration."""
        self._position = Position(
            int(state["epoch"]),
            int(state["batches"]),
            # a state without passes was written by a loader whose epochs are passes
            int(state.get("data_pass", state["epoch"])),
            int(state.get("pass_batches", state["batches"])),
        )
        self._is_resuming = True
