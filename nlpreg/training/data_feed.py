"""`DataFeed`: the batches of a run on the device of the model, and the position in the data."""

import glob
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from nlpreg.nn.util.devices import map_tensors
from nlpreg.training.protocols import BatchLoader, TensorDict

logger = logging.getLogger(__name__)


class DataFeed:
    """Yields the batches of a loader on the device of the model, and reports the position after the last one yielded.

    For a GPU one batch is prefetched: it is pinned and copied on a separate CUDA stream while the model computes the
    previous one. The loader is then one batch ahead, so the position is recorded with each batch.

    Args:
        loader: the data loader; None without data.
        device: the device of the model.
    """

    def __init__(self, loader: BatchLoader | None, device: torch.device) -> None:
        self._device = device
        self._prefetches = device.type == "cuda"
        self._position: dict[str, Any] | None = None  # None: the position is that of the loader
        self._num_to_skip = 0
        self._digest: str | None = None
        self._is_positioned = True
        self.is_exhausted = False
        """Whether all batches of the current epoch were yielded, so that the loader is positioned at the next epoch."""
        self.loader = loader

    @property
    def loader(self) -> BatchLoader | None:
        """The source of the batches; a callback may replace it between two epochs."""
        return self._loader

    @loader.setter
    def loader(self, loader: BatchLoader | None) -> None:
        self._loader = loader
        self._set_target_device(self._device)

    def _set_target_device(self, device: torch.device) -> None:
        # a plain list of batches also works as a loader, if its batches are on the device of the model
        set_target_device: Callable[[Any], None] | None = getattr(self._loader, "set_target_device", None)
        if set_target_device is not None:
            set_target_device(device)

    def __iter__(self) -> Iterator[TensorDict]:
        """The remaining batches of the epoch."""
        if self.loader is None or self.is_exhausted:
            return
        self._position = None
        if self._prefetches:
            self._set_target_device(torch.device("cpu"))
        try:
            batches = iter(self.loader)
            for _ in islice(batches, self._num_to_skip):
                pass
            self._num_to_skip = 0
            yield from self._prefetched(batches) if self._prefetches else batches
        finally:
            if self._prefetches:
                self._set_target_device(self._device)

    def start_epoch(self) -> None:
        """Begin a new epoch with the next batch."""
        self.is_exhausted = False
        self._position = None

    def position(self) -> dict[str, Any]:
        """The state of the loader after the batch yielded last; empty for a loader without `state_dict`."""
        if self._position is not None:
            return self._position
        state_dict: Callable[[], dict[str, Any]] | None = getattr(self.loader, "state_dict", None)
        return {} if state_dict is None else dict(state_dict())

    def hold(self, position: dict[str, Any]) -> None:
        """Report this position until the next batch; the batches fetched since then were not used."""
        self._position = position

    def state_dict(self) -> dict[str, Any]:
        """The position in the data, and a digest of the data files."""
        if self._digest is None:
            self._digest = digest_of_data(self._data_path())
        return {"position": self.position(), "is_exhausted": self.is_exhausted, "digest": self._digest}

    def _data_path(self) -> Any:
        return getattr(self.loader, "data_path", None)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a `state_dict`; warn if the data files have changed since it was saved."""
        saved, found = state.get("digest"), digest_of_data(self._data_path())
        if saved and found and saved != found:
            logger.warning(
                "%s: the data have changed since the checkpoint; the run is resumed with the changed data",
                self._data_path(),
            )
        self.is_exhausted = state["is_exhausted"]
        self._position = None
        load: Callable[[dict[str, Any]], None] | None = getattr(self.loader, "load_state_dict", None)
        self._is_positioned = load is not None and bool(state["position"])
        if load is not None and self._is_positioned:
            load(state["position"])

    def load_at_pass_start(self, state: dict[str, Any]) -> None:
        """Resume from a `state_dict` at the beginning of a pass, where every validation begins.

        The saved position may be within a pass if the training data have the same loader.
        """
        if state["position"].get("batches"):
            self.restart(state)
        else:
            self.load_state_dict(state)

    def restart(self, state: dict[str, Any], epoch: int | None = None) -> None:
        """Move to the beginning of an epoch, for a `state_dict` that was saved with another number of processes.

        Args:
            state: the saved state, whose number of passes over the data is kept.
            epoch: number of the epoch; by default the one in the state.
        """
        self.start_epoch()
        saved, fresh = state["position"], self.position()
        self._is_positioned = {"epoch", "batches"} <= saved.keys() & fresh.keys()
        if not self._is_positioned:
            return
        epoch = saved["epoch"] if epoch is None else epoch
        position = {name: saved.get(name, value) for name, value in fresh.items()}
        if saved.get("data_pass") == saved["epoch"]:  # each epoch is a pass
            position["data_pass"] = epoch
        starts: dict[str, Any] = {name: 0 for name in ("batches", "pass_batches") if name in position}
        load: Callable[[dict[str, Any]], None] = getattr(self.loader, "load_state_dict")  # noqa: B009  (not in the protocol)
        load({**position, **starts, "epoch": epoch})

    def fast_forward(self, epochs: int, batches: int) -> None:
        """Advance a loader without `state_dict` to the position of the run by iterating over its batches.

        Args:
            epochs: number of finished epochs.
            batches: number of batches of the current epoch that were yielded.
        """
        if self.loader is None or self._is_positioned or not (epochs or batches):
            return
        logger.warning(
            "the data loader has no state_dict, so its batches from before the checkpoint are read again and skipped"
        )
        self._is_positioned = True
        # Finished epochs are skipped now; batches of the current one by the iterator that then yields the rest.
        for _ in range(epochs):
            for _ in self.loader:
                pass
        self._num_to_skip = batches

    def _prefetched(self, batches: Iterator[TensorDict]) -> Iterator[TensorDict]:
        copier = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]  # torch has no annotations here
        self._position = self.position()
        waiting = self._fetch(batches, copier)
        while waiting is not None:
            batch, position = waiting
            torch.cuda.current_stream(self._device).wait_stream(copier)
            map_tensors(batch, self._keep_for_current_stream)
            waiting = self._fetch(batches, copier)
            self._position = position
            yield batch
        self._position = None

    def _fetch(
        self, batches: Iterator[TensorDict], copier: torch.cuda.Stream
    ) -> tuple[TensorDict, dict[str, Any]] | None:
        held, self._position = self._position, None
        try:
            batch = next(batches)
        except StopIteration:
            return None
        finally:
            position, self._position = self.position(), held
        with torch.cuda.stream(copier):
            return map_tensors(batch, self._copy), position

    def _copy(self, tensor: Tensor) -> Tensor:
        if tensor.device.type == "cpu":
            tensor = tensor.pin_memory()
        return tensor.to(self._device, non_blocking=True)

    def _keep_for_current_stream(self, tensor: Tensor) -> Tensor:
        # keeps the allocator from reusing its memory while the model still reads it
        tensor.record_stream(torch.cuda.current_stream(self._device))
        return tensor


_MAX_FULLY_READ = 64 << 20
_BLOCK = 1 << 20


def digest_of_data(path: Any) -> str | None:
    """A digest of the contents of data files, independent of their paths; of files above 64 MiB, 64 blocks are sampled.

    Args:
        path: as in a config: a file, a folder, a glob pattern, or lists and dicts of them.

    Returns:
        Hexadecimal digits; None if there is no local file, as for a URL.
    """
    files = list(_files_of(path))
    if not files:
        return None
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        size = os.path.getsize(file)
        step = _BLOCK if size <= _MAX_FULLY_READ else size // 64
        with open(file, "rb") as contents:
            for offset in range(0, size, step):
                contents.seek(offset)
                digest.update(contents.read(min(step, _BLOCK)))
        digest.update(str(size).encode())  # so that moving text from one file to the next changes the digest
    return digest.hexdigest()


def _files_of(path: Any) -> Iterator[str]:
    if isinstance(path, dict):
        path = [path[name] for name in sorted(path, key=str)]
    if isinstance(path, (list, tuple)):
        for item in path:
            yield from _files_of(item)
    elif isinstance(path, (str, os.PathLike)):
        name = os.fspath(path)
        found = [name] if os.path.exists(name) else sorted(glob.glob(name))
        for match in found:
            if os.path.isfile(match):
                yield match
            else:
                for folder, _, names in sorted(os.walk(match)):
                    yield from (os.path.join(folder, file) for file in sorted(names))
