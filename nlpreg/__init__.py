"""nlpreg: an NLP experiment is one Jsonnet file, and every part of it is a registered class."""

from nlpreg.version import VERSION as __version__

__all__ = ["__version__"]
