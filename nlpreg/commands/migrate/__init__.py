"""From AllenNLP 0.x, 1.x or 2.x to nlpreg: configs and code."""

from nlpreg.commands.migrate.command import Migrate
from nlpreg.commands.migrate.config_text import ConfigText, Section
from nlpreg.commands.migrate.files import migrate_config, migrate_path
from nlpreg.commands.migrate.log import MigrationLog
from nlpreg.commands.migrate.python_code import migrate_code

__all__ = [
    "ConfigText",
    "Migrate",
    "MigrationLog",
    "Section",
    "migrate_code",
    "migrate_config",
    "migrate_path",
]
