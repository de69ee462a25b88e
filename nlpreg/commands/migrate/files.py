"""Files and folders to migrate: which they are, and what each becomes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from nlpreg.commands.migrate.config_text import ConfigText
from nlpreg.commands.migrate.log import MigrationLog
from nlpreg.commands.migrate.part_rules import PART_RULES
from nlpreg.commands.migrate.python_code import migrate_code
from nlpreg.commands.migrate.trainer_rules import TRAINER_RULES
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config_file import ConfigFile
from nlpreg.common.old_names import old_keys_in

__all__ = ["migrate_config", "migrate_path"]

_CONFIG_SUFFIXES = (".json", ".jsonnet")
_MAX_CHANGES = 1000
_EXPERIMENT_KEY = re.compile(r"""\b["']?(dataset_reader|model|trainer)["']?\s*:""")
_SKIPPED_FOLDERS = frozenset([".git", "__pycache__", ".venv", "venv", "node_modules", "build", "dist"])


def migrate_path(path: str, log: MigrationLog) -> dict[str, str]:
    """New texts of a file, or of all configs and Python files below a folder.

    Args:
        path: the file or folder.
        log: gets what was done, and what is left.

    Returns:
        Path -> new text, of files that change.

    Raises:
        ConfigurationError: the file is neither a config nor Python.
    """
    changed: dict[str, str] = {}
    for file in _files(path):
        text = _read(file)
        if text is None:
            log.leave(file, "this is not UTF-8; nothing in it was changed")
        elif file.endswith(".py"):
            changed[file] = migrate_code(text, file, log)
        elif os.path.basename(file) == ".allennlp_plugins":
            log.leave(
                file,
                "nlpreg reads .nlpreg_plugins; rename this file, and the packages named in it if they moved",
            )
        elif file == path or _EXPERIMENT_KEY.search(text):
            texts = migrate_config(file, log, changed)
            changed.update({name: _like_before(name, new) for name, new in texts.items()})
    return {file: text for file, text in changed.items() if text != _read(file)}


def _like_before(file: str, text: str) -> str:
    """The text with the line ends that the file has."""
    before = _read(file) or ""
    return text.replace("\n", "\r\n") if "\r\n" in before and "\r\n" not in text else text


def migrate_config(path: str, log: MigrationLog, texts: dict[str, str] | None = None) -> dict[str, str]:
    """New texts of a config and of the files that it imports.

    Args:
        path: the config.
        log: gets what was done, and what is left.
        texts: path -> text of files that were changed already.
    """
    config = ConfigText(path, texts)
    if not config.is_understood:
        log.leave(path, "this is no Jsonnet that can be read here; nothing in it was changed")
        return {}
    for _ in range(_MAX_CHANGES):
        if not any(rule(config, log) for rule in (*TRAINER_RULES, *PART_RULES)):
            break
    _look_at_the_rest(config, log)
    return dict(config.texts)


def _look_at_the_rest(config: ConfigText, log: MigrationLog) -> None:
    """Name old keys that stand where no rule could reach them, and a result that Jsonnet does not take."""
    after = ConfigFile.read(config.path, texts=config.texts)
    if after.config is None and ConfigFile.read(config.path).config is not None:
        reasons = "; ".join(problem.message for problem in after.problems)
        log.leave(config.path, f"the rewritten config cannot be evaluated: {reasons}")
    for key_path, advice in old_keys_in(after.config or {}):
        log.leave(config.path, f"{key_path}: {advice}")


def _files(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        if not path.endswith((*_CONFIG_SUFFIXES, ".libsonnet", ".py")):
            raise ConfigurationError(
                f"{path}: expected a config (.jsonnet, .json), a Python file or a folder"
            )
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS)
        for name in sorted(names):
            if name.endswith((*_CONFIG_SUFFIXES, ".py")) or name == ".allennlp_plugins":
                yield os.path.join(folder, name)


def _read(file: str) -> str | None:
    try:
        with open(file, encoding="utf-8", newline="") as stream:
            return stream.read()
    except UnicodeDecodeError:
        return None
