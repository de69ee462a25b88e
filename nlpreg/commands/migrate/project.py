"""Migration of the files of a project: configs, Python files, notebooks, plugin lists, scripts and documentation."""

import json
import os
import re
from collections.abc import Iterator

from nlpreg.commands.migrate.python_code import migrate_code, registered_names
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.old_configs import MigrationLog, migrate_config

_CONFIG_SUFFIXES = (".json", ".jsonnet")
_TEXT_SUFFIXES = (".sh", ".bash", ".md", ".rst", ".txt", ".yml", ".yaml", ".toml", ".cfg")
_TEXT_NAMES = frozenset(["Makefile", "Dockerfile"])
_PLUGINS = ".allennlp_plugins"
_EXPERIMENT_KEY = re.compile(r"""\b["']?(dataset_reader|model|trainer)["']?\s*:""")
_SKIPPED_FOLDERS = frozenset([".git", "__pycache__", ".venv", "venv", "node_modules", "build", "dist"])
_COMMANDS = (
    "build-vocab|cached-path|checklist|count-instances|diff|evaluate|find-lr|predict|print-results|push-to-hf|"
    "test-install|train"
)
_COMMAND_LINE = re.compile(
    rf"\bpython3? -m allennlp(?:\.run)? (?=(?:{_COMMANDS})\b)|\ballennlp (?=(?:{_COMMANDS})\b)"
)
_REQUIREMENT = re.compile(r"""^\s*[-"']?\s*(allennlp(?:[-_]models)?\s*(?:[=<>~!\[].*)?)["',]*\s*$""")


def migrate_path(path: str, log: MigrationLog) -> dict[str, str | None]:
    """Migrate a file, or all files in a folder that refer to AllenNLP.

    Args:
        path: the file or folder.
        log: records the changes and the remaining work.

    Returns:
        Path -> new text, for files that change; None for a file to delete, because it is renamed.

    Raises:
        ConfigurationError: files of this kind cannot be migrated.
    """
    changed: dict[str, str | None] = {}
    own = names_registered_in(path)
    for file in _files(path):
        text = read_source(file)
        if text is None:
            log.leave(file, "this is not UTF-8; nothing in it was changed")
        elif file.endswith(".py"):
            changed[file] = migrate_code(text, file, log)
        elif file.endswith(".ipynb"):
            changed[file] = _migrate_notebook(text, file, log)
        elif os.path.basename(file) == _PLUGINS:
            changed[file] = None
            plugins = _migrate_plugins(text, file, log)
            if plugins.strip():  # otherwise the file listed only packages that are built in
                changed[os.path.join(os.path.dirname(file), ".nlpreg_plugins")] = plugins
        elif file.endswith(_CONFIG_SUFFIXES) or (file == path and file.endswith(".libsonnet")):
            # not every JSON file in a folder is a config, but a file that the user names is
            if file == path or _EXPERIMENT_KEY.search(text):
                # a library that several configs import was already rewritten with the first of them
                so_far = {name: new for name, new in changed.items() if new is not None}
                texts = migrate_config(file, log, so_far, own)
                changed.update({name: _with_line_ends_of(name, new) for name, new in texts.items()})
        else:
            changed[file] = _migrate_text(text, file, log)
    return {file: text for file, text in changed.items() if text is None or text != read_source(file)}


def names_registered_in(path: str) -> set[str]:
    """The names under which the Python files of a project register classes."""
    return {
        name
        for file in _files(path)
        if file.endswith(".py")
        for name in registered_names(read_source(file) or "")
    }


def _with_line_ends_of(file: str, text: str) -> str:
    """The text with the line ends of a file."""
    before = read_source(file) or ""
    return text.replace("\n", "\r\n") if "\r\n" in before and "\r\n" not in text else text


def _migrate_plugins(text: str, file: str, log: MigrationLog) -> str:
    """The list of plugins without the packages that are built into nlpreg."""
    lines = []
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if line.strip().startswith("allennlp_models"):
            log.did(f"{file}:{number}", f"{line.strip()} was removed: its parts in nlpreg are built in")
        else:
            lines.append(line)
            if line.strip().startswith("allennlp"):
                log.leave(f"{file}:{number}", f"{line.strip()}: nlpreg has no such plugin")
    log.did(file, "renamed to .nlpreg_plugins")
    return "".join(lines)


def _migrate_text(text: str, file: str, log: MigrationLog) -> str:
    """A script or page with nlpreg's command lines; requirements are logged as remaining work."""
    lines = text.splitlines(keepends=True)
    for i, line in enumerate(lines):
        location = f"{file}:{i + 1}"
        new = _COMMAND_LINE.sub(
            lambda found: "python -m nlpreg " if "-m" in found.group() else "nlpreg ", line
        )
        if new != line:
            lines[i] = new
            log.did(location, f"the command line is now {new.strip()}")
        requirement = _REQUIREMENT.match(line)
        if requirement:
            log.leave(location, f"{requirement.group(1).strip()}: require nlpreg instead")
    return "".join(lines)


def _migrate_notebook(text: str, file: str, log: MigrationLog) -> str:
    """A notebook with migrated code cells, including their commands (`!allennlp train`)."""
    if "allennlp" not in text:
        return text
    try:
        notebook = json.loads(text)
        cells = [cell for cell in notebook["cells"] if cell.get("cell_type") == "code"]
    except (ValueError, KeyError, TypeError):
        log.leave(file, "this notebook cannot be read; nothing in it was changed")
        return text
    is_changed = False
    for number, cell in enumerate(cells, start=1):
        source = cell["source"]
        code = source if isinstance(source, str) else "".join(source)
        # Magic commands are not Python; they become comments while the code is migrated.
        hidden = re.sub(r"^([!%])", "#", code, flags=re.MULTILINE)
        new = migrate_code(hidden, f"{file}, code cell {number}", log)
        # restore the marks in order, for commands and for real comments
        marks = iter(re.findall(r"^[!%#]", code, flags=re.MULTILINE))
        new = re.sub(r"^#", lambda _, marks=marks: next(marks), new, flags=re.MULTILINE)  # type: ignore[misc]  # the default binds the iterator of this cell
        new = _migrate_text(new, f"{file}, code cell {number}", log)
        if new != code:
            is_changed = True
            cell["source"] = new if isinstance(source, str) else new.splitlines(keepends=True)
    if not is_changed:
        return text
    return json.dumps(notebook, indent=1, ensure_ascii=False) + ("\n" if text.endswith("\n") else "")


def _files(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        known = (*_CONFIG_SUFFIXES, *_TEXT_SUFFIXES, ".libsonnet", ".py", ".ipynb")
        if not (path.endswith(known) or os.path.basename(path) in (*_TEXT_NAMES, _PLUGINS)):
            raise ConfigurationError(
                f"{path}: expected a config (.jsonnet, .json), a Python file, a notebook, a script or a folder"
            )
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS)
        for name in sorted(names):
            file = os.path.join(folder, name)
            is_text = name.endswith((*_TEXT_SUFFIXES, ".ipynb")) or name in _TEXT_NAMES
            if (
                name.endswith((*_CONFIG_SUFFIXES, ".py"))
                or name == _PLUGINS
                or (is_text and "allennlp" in (read_source(file) or ""))
            ):
                yield file


def read_source(file: str) -> str | None:
    """The text of a file with its line ends: empty for a file that does not exist, None if it is not UTF-8."""
    try:
        with open(file, encoding="utf-8", newline="") as stream:
            return stream.read()
    except UnicodeDecodeError:
        return None
    except FileNotFoundError:
        return ""
