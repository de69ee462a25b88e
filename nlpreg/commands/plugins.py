"""`nlpreg plugins`: what was found, where, and what it registers."""

from __future__ import annotations

import argparse
import logging
from collections import defaultdict
from typing import Any

from nlpreg.commands.subcommand import Subcommand

__all__ = ["Plugins"]

DESCRIPTION = """
List the plugins that were found (entry points of the group nlpreg.plugins, the files .nlpreg_plugins and
~/.nlpreg/plugins), where their names were found, and what each registers, or why it could not be imported.
"""


@Subcommand.register("plugins")
class Plugins(Subcommand):
    """Lists plugins."""

    requires_plugins = False

    def add_subparser(self, parser: argparse._SubParsersAction[Any]) -> argparse.ArgumentParser:
        """Add the command's parser."""
        subparser = self.new_parser(parser, DESCRIPTION)
        subparser.set_defaults(func=_run)
        return subparser


def _run(args: argparse.Namespace) -> None:
    from nlpreg.common import plugins

    plugins.import_builtin_parts()
    logger = logging.getLogger(plugins.__name__)
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # failures are in the list itself
    try:
        found = plugins.load_plugins()
    finally:
        logger.setLevel(level)
    if not found:
        print(
            "no plugins found; a plugin is a package with an entry point in the group "
            f"{plugins.ENTRY_POINT_GROUP!r}, or a module named in {plugins.LOCAL_PLUGINS_FILENAME} "
            f"or {plugins.GLOBAL_PLUGINS_FILENAME}"
        )
    for plugin in found:
        print(f"{plugin.module}\n  found in: {plugin.source}")
        if plugin.error is not None:
            print(f"  left out: {plugin.error}")
            continue
        names: dict[str, list[str]] = defaultdict(list)
        for base, name in plugin.registered:
            names[base].append(name)
        for base, registered in sorted(names.items()):
            print(f"  {base}: {', '.join(sorted(registered))}")
        if not names:
            print("  registers nothing")
