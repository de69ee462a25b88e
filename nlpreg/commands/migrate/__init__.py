"""From AllenNLP 0.x, 1.x or 2.x to nlpreg: configs, code and scripts."""

from nlpreg.commands.migrate.command import Migrate
from nlpreg.commands.migrate.project import migrate_path
from nlpreg.commands.migrate.python_code import migrate_code

__all__ = ["Migrate", "migrate_code", "migrate_path"]
