"""`nlpreg migrate`: rewrite configs and code of AllenNLP for nlpreg."""

import argparse
import difflib
import os
import sys
from typing import ClassVar

from nlpreg.commands.migrate.project import migrate_path, names_registered_in, read_source
from nlpreg.commands.subcommand import Subcommand
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.config_file import ConfigFile
from nlpreg.common.config.old_configs import MigrationLog
from nlpreg.common.files import atomic_write


@Subcommand.register("migrate")
class Migrate(Subcommand):
    """Rewrite configs (also with keys of AllenNLP 0.x and 1.x) and the imports in Python files for nlpreg.

    Comments, variables and layout are preserved. Without -w, the differences are shown and no file is changed.
    Everything that cannot be rewritten is listed.

    examples:
      nlpreg migrate experiment.jsonnet             show what would change
      nlpreg migrate my_project/ -w                 rewrite all configs and Python files below a folder
    """

    requires_plugins: ClassVar[bool] = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments of the command."""
        parser.add_argument(
            "paths", nargs="+", metavar="PATH", help="config, Python file, or folder with such files"
        )
        parser.add_argument("-w", "--write", action="store_true", help="rewrite the files")
        parser.set_defaults(func=_run)

    def validate(self, args: argparse.Namespace) -> None:
        """Check that the paths exist."""
        for path in args.paths:
            if not os.path.exists(path):
                raise ConfigurationError(f"{path}: there is no such file or folder")


def _run(args: argparse.Namespace) -> None:
    log = MigrationLog()
    changed: dict[str, str | None] = {}
    for path in args.paths:
        changed.update(migrate_path(path, log))
    # before anything is written, so that the remaining work is also listed without `--write`
    _check(args.paths, changed, log)
    for path, text in changed.items():
        if not args.write:
            sys.stdout.write(_difference(path, text))
        elif text is None:
            os.remove(path)
        else:
            with atomic_write(path, "wb") as file:
                file.write(text.encode("utf-8"))
    for title, messages in (("done" if args.write else "would be done", log.done), ("left to you", log.left)):
        if messages:
            print(f"\n{title}:")
            for place, message in messages:
                print(f"  {place}: {message}")
    if not changed:
        print("nothing to rewrite")
    elif not args.write:
        print(f"\n{len(changed)} file{'s' if len(changed) > 1 else ''} would change; -w writes them")


def _check(paths: list[str], changed: dict[str, str | None], log: MigrationLog) -> None:
    """Log the problems that `nlpreg check` finds in the migrated experiments, except for classes that the project registers."""
    from nlpreg.commands.check.checking import check_config
    from nlpreg.common.plugins import import_plugins

    texts = {path: text for path, text in changed.items() if text is not None}
    own = {name for path in paths for name in names_registered_in(path)}
    files = [ConfigFile.read(path, texts=texts) for path in texts if path.endswith((".json", ".jsonnet"))]
    experiments = [
        file for file in files if file.config is not None and {"dataset_reader", "model"} <= set(file.config)
    ]
    if not experiments:
        return
    import_plugins()
    for file in experiments:
        assert file.config is not None
        for problem in check_config(file.config).problems:
            # classes of the project are unknown here, because importing its code may have side effects
            if any(
                f'"{name}" is not a registered' in problem.message for name in own
            ) or file.is_due_to_unset(problem):
                continue
            problem = file.located(problem)
            log.leave(problem.location or file.path, f"{problem.path}: {problem.message}")


def _difference(path: str, text: str | None) -> str:
    old, new = (version.splitlines(keepends=True) for version in (read_source(path) or "", text or ""))
    lines = difflib.unified_diff(old, new, path, path, n=1)
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)
