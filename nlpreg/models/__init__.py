"""Models: what is trained, and how a trained one is kept."""

from nlpreg.models.archival import Archive, archive_model, load_archive
from nlpreg.models.model import Model

__all__ = ["Archive", "Model", "archive_model", "load_archive"]
