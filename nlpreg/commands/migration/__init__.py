"""From AllenNLP 0.x, 1.x or 2.x to nlpreg: configs and code."""

from nlpreg.commands.migration.config_text import ConfigText, Section
from nlpreg.commands.migration.files import migrate_config, migrate_path
from nlpreg.commands.migration.log import MigrationLog
from nlpreg.commands.migration.python_code import migrate_code

__all__ = [
    "ConfigText",
    "MigrationLog",
    "Section",
    "migrate_code",
    "migrate_config",
    "migrate_path",
]
