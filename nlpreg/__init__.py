"""nlpreg: an NLP experiment is one Jsonnet file, and every part of it is a registered class."""

from typing import TYPE_CHECKING, Any

from nlpreg.version import VERSION as __version__

if TYPE_CHECKING:
    from nlpreg.predictors.loading import load

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    # Imported on first use: `import nlpreg` is to import no torch.
    if name == "load":
        from nlpreg.predictors.loading import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
