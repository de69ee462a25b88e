"""The model card of a trained model, for the Hugging Face hub and for packages."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlpreg.commands.report.run_record import read_run_json
from nlpreg.common.checks import ConfigurationError

ARCHIVE_NAME, CARD_NAME = "model.tar.gz", "README.md"
_METRICS_NAME = "metrics.json"
_SHOWN_METRICS = ("best_validation_", "test_")
_DATA_KEYS = {"train_data_path": "training", "validation_data_path": "validation", "test_data_path": "test"}


@dataclass(frozen=True)
class ModelCard:
    """A model card.

    Args:
        name: of the model.
        config: its config.
        metrics: of its run; empty if unknown.
        meta: the record of the run.
        license: of the model, such as `apache-2.0`; None if not stated.
        use: the lines of the code blocks that show how to use it, by language.
        description: a paragraph about the model.
    """

    name: str
    config: Mapping[str, Any]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    license: str | None = None
    use: Mapping[str, Sequence[str]] = field(default_factory=dict)
    description: str = ""

    @property
    def kind(self) -> str:
        """Registered name of the model."""
        model = self.config.get("model", {})
        return str(model if isinstance(model, str) else model.get("type", "model"))

    def text(self) -> str:
        """The page in Markdown, with the header that the Hugging Face hub reads."""
        header = ["---", "library_name: nlpreg"]
        header += [f"license: {self.license}"] if self.license else []
        header += ["tags:", "- nlpreg", f"- {json.dumps(self.kind)}", "---", ""]
        return "\n".join([*header, self.body()])

    def body(self) -> str:
        """The page without that header."""
        lines = [f"# {self.name}", "", f"A model of type `{self.kind}`, trained with nlpreg.", ""]
        lines += [self.description, ""] if self.description else []
        for language, block in self.use.items():
            lines += [f"```{language}", *block, "```", ""]
        lines += [*self._metrics(), *self._data(), *self._provenance()]
        config = json.dumps(self.config, indent=2)
        lines += ["## Config", "", "```json", config, "```"]
        return "\n".join(lines).rstrip() + "\n"

    def _metrics(self) -> list[str]:
        shown = {
            key: value
            for key, value in self.metrics.items()
            if key.startswith(_SHOWN_METRICS) and isinstance(value, (int, float))
        }
        if not shown:
            return []
        rows = [f"| {key} | {value:.4f} |" for key, value in shown.items()]
        return ["## Metrics", "", "| metric | value |", "|---|---|", *rows, ""]

    def _data(self) -> list[str]:
        # file names only: paths may reveal private information
        named = [(what, self.config.get(key)) for key, what in _DATA_KEYS.items()]
        rows = [f"- {what}: `{os.path.basename(path)}`" for what, path in named if isinstance(path, str)]
        return ["## Data", "", *rows, ""] if rows else []

    def _provenance(self) -> list[str]:
        names = {"version": "nlpreg", "torch_version": "torch", "python_version": "Python"}
        made = [f"{name} {self.meta[key]}" for key, name in names.items() if self.meta.get(key)]
        license = f"License: {self.license}." if self.license else "License: not stated."
        return [f"Made with {', '.join(made)}. {license}" if made else license, ""]


def usage(command: str, module: str, predictor: str) -> dict[str, list[str]]:
    """The code blocks of a card, by language.

    Args:
        command: a command line.
        module: the module to import in Python.
        predictor: the expression for the predictor.
    """
    call = 'print(predictor.predict("The dog ate the apple"))'
    return {"bash": [command], "python": [f"import {module}", "", f"predictor = {predictor}", call]}


def archive_in(folder: str | os.PathLike[str]) -> str:
    """The archive in the folder of a run.

    Raises:
        ConfigurationError: the run has not finished.
    """
    archive = os.path.join(folder, ARCHIVE_NAME)
    if not os.path.isfile(archive):
        raise ConfigurationError(f"{os.fspath(folder)}: no {ARCHIVE_NAME} in it, so the run has not finished")
    return archive


def run_metrics(archive: str | os.PathLike[str]) -> dict[str, Any]:
    """The metrics of the run that wrote an archive, if it is still in the folder of that run; otherwise empty."""
    folder, name = os.path.split(os.path.expanduser(archive))
    return read_run_json(folder, _METRICS_NAME) if name == ARCHIVE_NAME else {}
