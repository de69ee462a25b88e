"""`nlpreg configs`: the configs that come with nlpreg, which every command accepts by name."""

import argparse
import os
import re
import shutil
import textwrap
from pathlib import Path
from typing import ClassVar

from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError, did_you_mean

_SUFFIX = ".jsonnet"
_ALIASES = {"quickstart": "quickstart_tagger"}
"""Further names of shipped configs."""

_PACKAGE = Path(__file__).parents[1]


def shipped_folder() -> Path:
    """The folder of the shipped configs: inside the installed package, or beside it in a checkout."""
    installed = _PACKAGE / "training_configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "training_configs"


def shipped_configs() -> dict[str, Path]:
    """The shipped configs: name -> file, sorted by name."""
    return {path.stem: path for path in sorted(shipped_folder().glob(f"*{_SUFFIX}"))}


def config_path(text: str) -> str:
    """The path or URL for an argument CONFIG.

    Args:
        text: a path or URL, or the name of a shipped config; an existing file of that name takes precedence.
    """
    if not text.isidentifier() or os.path.exists(text):
        return text
    path = shipped_configs().get(_ALIASES.get(text, text))
    return text if path is None else str(path)


@Subcommand.register("configs")
class Configs(Subcommand):
    """List the configs that come with nlpreg, print one, or copy one together with its data.

    Commands that take a config also accept the name of one of these.

    examples:
      nlpreg configs                                   list them
      nlpreg train quickstart -s out/                  train one as it is
      nlpreg configs copy ner_crf                      write ner_crf.jsonnet into this folder
      nlpreg configs show ner_crf                      print it
    """

    requires_plugins: ClassVar[bool] = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument(
            "action", nargs="?", choices=("list", "show", "copy"), default="list", help="what to do"
        )
        parser.add_argument("name", nargs="?", metavar="NAME", help="name of a config, to show or copy")
        parser.add_argument(
            "-d", "--directory", default=".", metavar="DIR", help="folder to copy to, created if missing"
        )
        parser.set_defaults(func=configs_from_args)

    def validate(self, args: argparse.Namespace) -> None:
        """Check that a config is named for `show` and `copy`, and none for `list`."""
        if args.action == "list":
            if args.name is not None:
                raise ConfigurationError(
                    f"configs list: expected nothing after it, got {args.name!r}; to print a config, use `configs show`"
                )
            return
        if args.name is None:
            raise ConfigurationError(f"configs {args.action}: expected the name of a config after it")
        _named(args.name)


def configs_from_args(args: argparse.Namespace) -> None:
    """Run the command with parsed arguments."""
    if args.action == "copy":
        for path in copy_config(args.name, args.directory):
            print(path)
    elif args.action == "show":
        print(_named(args.name).read_text(encoding="utf-8"), end="")
    else:
        configs = shipped_configs()
        width = max(map(len, configs), default=0)
        for name, file in configs.items():
            print(f"{name:{width}}  {summary(file)}")


def copy_config(name: str, folder: str | os.PathLike[str] = ".") -> list[str]:
    """Copy a shipped config with the data and the libraries that it uses, so that the copy runs unchanged.

    Args:
        name: name of the config.
        folder: target folder, created if missing.

    Returns:
        The files written, the config first.

    Raises:
        ConfigurationError: there is no such config, or one of the files exists already and differs.
    """
    source = shipped_folder()
    files = _files_of(_named(name))
    targets = [Path(folder) / file.relative_to(source) for file in files]
    for file, target in zip(files, targets, strict=True):
        # all files are checked before any is written
        if target.exists() and target.read_bytes() != file.read_bytes():
            raise ConfigurationError(f"{target}: exists already; give another folder with --directory")
    for file, target in zip(files, targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return [str(target) for target in targets]


def summary(path: Path) -> str:
    """The first sentence of a config's first comment, in at most 100 characters."""
    words: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("//"):
            break
        words += line[2:].split()
    first = re.split(r"(?<=[a-z0-9)/])(?:\. (?=[A-Z])|[;:] )|\.$", " ".join(words), maxsplit=1)[0]
    return textwrap.shorten(first, 100, placeholder=" ...")


def _named(name: str) -> Path:
    """The file of a shipped config.

    Raises:
        ConfigurationError: there is none of that name.
    """
    configs = shipped_configs()
    path = configs.get(_ALIASES.get(name, name).removesuffix(_SUFFIX))
    if path is None:
        raise ConfigurationError(
            f"configs: there is no config {name!r}{did_you_mean(name, list(configs))}; `nlpreg configs` lists them"
        )
    return path


def _files_of(config: Path) -> list[Path]:
    """A shipped config, and the other shipped files whose names occur in it or in the files that it imports."""
    folder = shipped_folder()
    others = [path for pattern in ("*.*sonnet", "data/*") for path in folder.glob(pattern)]
    found = [config]
    for file in found:  # grows during the loop
        if file.suffix not in (".jsonnet", ".libsonnet"):
            continue
        # without comments, which may mention other configs
        code = [line.partition("//")[0] for line in file.read_text(encoding="utf-8").splitlines()]
        found += [path for path in others if path not in found and f"{path.name}'" in "\n".join(code)]
    return found
