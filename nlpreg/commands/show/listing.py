"""`nlpreg list`: the registries and what is in them."""

import argparse
import logging
from collections import defaultdict

from nlpreg.commands.subcommand import Subcommand


@Subcommand.register("list")
class ListRegistries(Subcommand):
    """List the registries, which are the kinds of parts that a config is made of, or the classes of one of them.

    `nlpreg describe REGISTRY:NAME` shows the details of a class.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument("registry", nargs="?", help="such as model, seq2seq_encoder or Tokenizer")
        parser.set_defaults(func=_run)


def _run(args: argparse.Namespace) -> None:
    from nlpreg.common.config.describe import find_base, registries, summary
    from nlpreg.common.config.registry import REGISTRY

    if args.registry is None:
        entries = {name: ", ".join(sorted(REGISTRY[base])) for name, base in registries().items()}
    else:
        base = find_base(args.registry)
        entries = {
            name: summary(getattr(cls, constructor) if constructor and cls is base else cls)
            for name, (cls, constructor) in REGISTRY[base].items()
        }
    width = max(len(name) for name in entries)
    for name, text in sorted(entries.items()):
        print(f"{name:<{width}}  {text}".rstrip())


@Subcommand.register("plugins")
class Plugins(Subcommand):
    """List the plugins that were found, and what each registers, or why it could not be imported.

    Plugins are found by entry points of the group nlpreg.plugins, and in the files .nlpreg_plugins and
    ~/.nlpreg/plugins; the list says where each was found.
    """

    requires_plugins = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.set_defaults(func=_run_plugins)


def _run_plugins(args: argparse.Namespace) -> None:
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
