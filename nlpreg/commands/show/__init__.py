"""Commands that show what a config may hold: `list`, `plugins`, `describe`, `schema` and `init`."""

from nlpreg.commands.show.describe import Describe
from nlpreg.commands.show.init import Init
from nlpreg.commands.show.listing import ListRegistries, Plugins
from nlpreg.commands.show.schema import Schema

__all__ = ["Describe", "Init", "ListRegistries", "Plugins", "Schema"]
