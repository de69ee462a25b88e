"""The base class of data loaders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Dict, Union  # noqa: UP035 - an alias that plugins import

import torch

from nlpreg.common.registrable import Registrable
from nlpreg.data.instance import Instance
from nlpreg.data.vocabulary import Vocabulary

TensorDict = Dict[str, Union[torch.Tensor, Dict[str, torch.Tensor]]]  # noqa: UP006


class DataLoader(Registrable):
    """Gives batches of tensors, epoch by epoch.

    Its life: construct, `iter_instances` for the vocabulary, `index_with` that vocabulary,
    `set_target_device`, then iterate once for each epoch. In a config it is given neither `reader` nor
    `data_path`: those come from elsewhere in the config.
    """

    constructor_extras = frozenset(["data_path", "reader"])

    default_implementation = "multiprocess"

    def __len__(self) -> int:
        """The number of batches of an epoch.

        Raises:
            TypeError: it is not known before the data have been read.
        """
        raise TypeError(f"{type(self).__name__} has no length")

    def __iter__(self) -> Iterator[TensorDict]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__")

    def iter_instances(self) -> Iterator[Instance]:
        """The instances one by one; before `index_with`, not indexed."""
        raise NotImplementedError(f"{type(self).__name__} has no iter_instances")

    def index_with(self, vocab: Vocabulary) -> None:
        """Index the instances with this vocabulary, now or as they are read."""
        raise NotImplementedError(f"{type(self).__name__} has no index_with")

    def set_target_device(self, device: torch.device) -> None:
        """Put batches on this device from now on."""
        raise NotImplementedError(f"{type(self).__name__} has no set_target_device")

    def state_dict(self) -> dict[str, Any]:
        """Where in the data the loader is, as plain values; nothing for a loader that does not know."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration start where `state_dict` was taken."""
