"""`TensorCache`: named tensors in one file that several processes can use."""

import io
import logging
import os
import sqlite3
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

_SECONDS_TO_WAIT_FOR_OTHERS = 60.0


class TensorCache(MutableMapping[str, "Tensor"]):
    """A mapping from names to tensors, stored on disk (SQLite); tensors are returned on the CPU.

    Args:
        filename: the file; created if missing.
        map_size: maximum size in bytes.
        read_only: whether to refuse writing. A file without write permission is opened read-only, with a warning.

    Raises:
        ValueError: `filename` is a folder.
    """

    _connection: sqlite3.Connection | None = None
    _owner = 0

    def __init__(
        self, filename: str | os.PathLike[str], *, map_size: int = 1024**4, read_only: bool = False
    ) -> None:
        self.filename = str(filename)
        if os.path.isdir(self.filename):
            raise ValueError(f"{self.filename}: expected a file, got a folder")
        if not read_only and os.path.exists(self.filename) and not os.access(self.filename, os.W_OK):
            logger.warning("%s is not writable; it is opened for reading only", self.filename)
            read_only = True
        self.read_only = read_only
        self._map_size = map_size
        if not read_only:
            self._connect().execute("CREATE TABLE IF NOT EXISTS tensors (name TEXT PRIMARY KEY, data BLOB)")

    def __getitem__(self, key: str) -> "Tensor":
        import torch

        row = self._connect().execute("SELECT data FROM tensors WHERE name = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        tensor: Tensor = torch.load(io.BytesIO(row[0]), map_location="cpu", weights_only=True)
        return tensor

    def __setitem__(self, key: str, tensor: "Tensor") -> None:
        import torch

        self._check_writable()
        buffer = io.BytesIO()
        # cloned, because a view would be saved with its whole storage
        torch.save(tensor.detach().cpu().clone(), buffer)
        with self._connect() as connection:
            connection.execute("INSERT OR REPLACE INTO tensors VALUES (?, ?)", (key, buffer.getvalue()))

    def __delitem__(self, key: str) -> None:
        self._check_writable()
        with self._connect() as connection:
            if connection.execute("DELETE FROM tensors WHERE name = ?", (key,)).rowcount == 0:
                raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        found = self._connect().execute("SELECT 1 FROM tensors WHERE name = ?", (key,)).fetchone()
        return found is not None

    def __len__(self) -> int:
        count: int = self._connect().execute("SELECT COUNT(*) FROM tensors").fetchone()[0]
        return count

    def __iter__(self) -> Iterator[str]:
        return iter([name for (name,) in self._connect().execute("SELECT name FROM tensors")])

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._connection is not None and self._owner == os.getpid():
            self._connection.close()
        self._connection = None

    def __del__(self) -> None:
        self.close()

    def _check_writable(self) -> None:
        if self.read_only:
            raise ValueError(f"{self.filename}: this cache was opened for reading only")

    def _connect(self) -> sqlite3.Connection:
        # a connection must not be carried over a fork
        if self._connection is None or self._owner != os.getpid():
            mode = "ro" if self.read_only else "rwc"
            self._connection = sqlite3.connect(
                f"file:{os.path.abspath(self.filename)}?mode={mode}",
                uri=True,
                timeout=_SECONDS_TO_WAIT_FOR_OTHERS,
            )
            self._connection.execute(f"PRAGMA max_page_count = {max(1, self._map_size // 4096)}")
            self._owner = os.getpid()
        return self._connection
