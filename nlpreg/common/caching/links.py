"""A second name for a file."""

from __future__ import annotations

import errno
import os
import shutil

__all__ = ["hardlink_or_copy"]


def hardlink_or_copy(source: str | os.PathLike[str], dest: str | os.PathLike[str]) -> None:
    """Make `dest` a hard link to `source`, or a copy where the file system cannot link the two."""
    try:
        os.link(source, dest)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        shutil.copy(source, dest)
