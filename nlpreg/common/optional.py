"""Optional packages: imported on first use, with an error that names the extra which brings them."""

import importlib
from types import ModuleType

__all__ = ["optional"]


def optional(module: str, extra: str) -> ModuleType:
    """Import `module`, or say which extra of nlpreg brings it.

    Args:
        module: full name of the module to import.
        extra: name of the extra in nlpreg's metadata.

    Raises:
        ImportError: the module is not installed; the message holds the pip command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module + ".").startswith(error.name + "."):
            raise  # installed, but something that it needs itself is missing
        raise ImportError(
            f"the package {module.split('.')[0]!r} is needed here and not installed: pip install 'nlpreg[{extra}]'"
        ) from error
