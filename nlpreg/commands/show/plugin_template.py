"""The package that `nlpreg init --plugin NAME` writes: a part, its test, and the entry point that registers it."""

import os
import re
from pathlib import Path

from nlpreg.common.checks import ConfigurationError

_TEMPLATE = Path(__file__).parent / "plugin"
"""A project whose names are PROJECT and PACKAGE; every file is a text file here, with .txt appended to its name."""


def write_plugin(folder: str) -> list[str]:
    """Write a package for parts of one's own.

    Args:
        folder: the new folder; its last part is the name of the project.

    Returns:
        The paths of the files.

    Raises:
        ConfigurationError: the name cannot be that of a package, or there is something in the folder.
    """
    project = os.path.basename(os.path.normpath(folder))
    package = project.replace("-", "_").lower()
    if not re.fullmatch(r"[a-z]\w*", package) or package in ("nlpreg", "tests"):
        raise ConfigurationError(
            f"--plugin: expected a name for a Python package, such as my_parts, got {project!r}"
        )
    if os.path.isdir(folder) and os.listdir(folder):
        raise ConfigurationError(f"--plugin: {folder}: this folder is not empty; choose another name")
    written = []
    for source in sorted(_TEMPLATE.rglob("*.txt")):
        name = source.relative_to(_TEMPLATE).as_posix().removesuffix(".txt")
        text = source.read_text(encoding="utf-8")
        path = os.path.join(folder, name.replace("PACKAGE", package))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("PROJECT", project).replace("PACKAGE", package))
        written.append(path)
    return written
