"""`nlpreg cached-path`: the cache of downloaded and unpacked files."""

import argparse
from typing import ClassVar

from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError


class _ContradictingOptions(ConfigurationError, RuntimeError):
    """Mutually exclusive options were given."""


@Subcommand.register("cached-path")
class CachedPath(Subcommand):
    """Download resources into the cache and print their paths, list what is in the cache, or remove some of it.

    examples:
      nlpreg cached-path https://host/vectors.txt.gz
      nlpreg cached-path --inspect '*vectors*'
      nlpreg cached-path --remove '*vectors*'
    """

    requires_plugins: ClassVar[bool] = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument(
            "resources",
            nargs="*",
            metavar="RESOURCE",
            help="URLs or paths; with --inspect or --remove, patterns",
        )
        parser.add_argument(
            "-d", "--cache-dir", metavar="DIR", help="use this cache instead of the default one"
        )
        parser.add_argument("-x", "--extract-archive", action="store_true", help="unpack archives")
        parser.add_argument(
            "-f",
            "--force-extract",
            action="store_true",
            help="unpack archives again that are already unpacked",
        )
        parser.add_argument("--inspect", action="store_true", help="list the contents of the cache")
        parser.add_argument("--remove", action="store_true", help="remove the resources that match")
        parser.set_defaults(func=cached_path_from_args)


def cached_path_from_args(args: argparse.Namespace) -> None:
    """Run the command with parsed arguments.

    Raises:
        RuntimeError: options are mutually exclusive, or --remove has no patterns.
    """
    from nlpreg.common.file_utils import cached_path, inspect_cache, remove_cache_entries
    from nlpreg.common.util import format_size

    if args.inspect and args.remove:
        raise _ContradictingOptions("give only one of --inspect and --remove")
    if (args.inspect or args.remove) and (args.extract_archive or args.force_extract):
        raise _ContradictingOptions("-x and -f are for fetching; they do not go with --inspect or --remove")
    if args.inspect:
        inspect_cache(patterns=args.resources or None, cache_dir=args.cache_dir)
    elif args.remove:
        if not args.resources:
            raise _ContradictingOptions(
                "--remove: name what to remove, by patterns such as '*vectors*'; '*' is all"
            )
        freed = remove_cache_entries(args.resources, cache_dir=args.cache_dir)
        print(f"freed {format_size(freed)}")
    else:
        for resource in args.resources:
            path = cached_path(
                resource,
                cache_dir=args.cache_dir,
                extract_archive=args.extract_archive or args.force_extract,
                force_extract=args.force_extract,
            )
            print(path)
