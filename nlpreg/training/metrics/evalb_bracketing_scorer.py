"""Bracketing scores of constituency parsers, by the external program EVALB."""

import logging
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Protocol

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.untrusted import check_resource
from nlpreg.training.metrics.metric import Metric, precision_recall_f1

logger = logging.getLogger(__name__)

DEFAULT_EVALB_DIR = str(Path(__file__).resolve().parents[2] / "tools" / "EVALB")
SECONDS_TO_WAIT = 600
"""Time limit for EVALB, which usually takes about a second."""


class BracketedTree(Protocol):
    """The interface of trees, which `nltk.Tree` has."""

    def pformat(self, margin: int) -> str:
        """The tree in brackets, broken into lines longer than `margin`."""


@Metric.register("evalb")
class EvalbBracketingScorer(Metric):
    """Labelled bracketing precision, recall and F1 of parse trees.

    The trees are scored by EVALB, a C program that is not part of this package: its folder must contain the sources or
    the binary `evalb`. Sources are compiled with `make` on first use.

    Args:
        evalb_directory_path: the folder of EVALB.
        evalb_param_filename: the parameter file in that folder.
        evalb_num_errors_to_kill: number of invalid sentences at which EVALB stops.

    Source: Sekine and Collins (1997), https://nlp.cs.nyu.edu/evalb/.
    """

    supports_distributed = True
    accumulators = ("_correct_brackets", "_gold_brackets", "_predicted_brackets")

    def __init__(
        self,
        evalb_directory_path: str = DEFAULT_EVALB_DIR,
        evalb_param_filename: str = "COLLINS.prm",
        evalb_num_errors_to_kill: int = 10,
    ) -> None:
        if evalb_directory_path != DEFAULT_EVALB_DIR:
            check_resource(evalb_directory_path)  # the program in it is run
        self._evalb_directory_path = evalb_directory_path
        self._evalb_program_path = os.path.join(os.path.abspath(evalb_directory_path), "evalb")
        self._evalb_param_path = os.path.join(os.path.abspath(evalb_directory_path), evalb_param_filename)
        self._evalb_num_errors_to_kill = evalb_num_errors_to_kill
        self.reset()

    def __call__(self, predicted_trees: list[BracketedTree], gold_trees: list[BracketedTree]) -> None:
        """Add one batch.

        Args:
            predicted_trees: one tree for each sentence.
            gold_trees: the gold trees of the same sentences.

        Raises:
            ConfigurationError: EVALB is missing and could not be compiled, or it fails.
        """
        if not os.path.exists(self._evalb_program_path):
            self.compile_evalb(self._evalb_directory_path)
        with tempfile.TemporaryDirectory() as folder:
            gold_path = _write_trees(Path(folder, "gold.txt"), gold_trees)
            predicted_path = _write_trees(Path(folder, "predicted.txt"), predicted_trees)
            limit = str(self._evalb_num_errors_to_kill)
            options = ["-p", self._evalb_param_path, "-e", limit]
            command = [self._evalb_program_path, *options, gold_path, predicted_path]
            report = _run(command, folder)
        for line in report.splitlines():
            columns = line.split()
            # sentence lines: id, length, status, recall, precision, matched, gold and predicted brackets, ...
            if len(columns) == 12 and columns[0].isdigit():
                matched, gold, predicted = map(int, columns[5:8])
                self._correct_brackets += matched
                self._gold_brackets += gold
                self._predicted_brackets += predicted

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """`evalb_recall`, `evalb_precision` and `evalb_f1_measure`, from 0 to 1."""
        correct, gold, predicted = map(float, self._totals(reset))
        precision, recall, f1 = precision_recall_f1(correct, predicted, gold)
        return {"evalb_recall": recall, "evalb_precision": precision, "evalb_f1_measure": f1}

    def reset(self) -> None:
        """Reset the metric."""
        self._correct_brackets = 0
        self._gold_brackets = 0
        self._predicted_brackets = 0

    @staticmethod
    def compile_evalb(evalb_directory_path: str = DEFAULT_EVALB_DIR) -> None:
        """Compile EVALB's sources with `make`.

        Raises:
            ConfigurationError: there are no sources, or they do not compile.
        """
        logger.warning("EVALB is not compiled yet; running make in %s", evalb_directory_path)
        if not os.path.isdir(evalb_directory_path):
            raise ConfigurationError(
                f"EVALB: no folder {evalb_directory_path}; get it from https://nlp.cs.nyu.edu/evalb/ and name its "
                "folder as evalb_directory_path"
            )
        _run(["make"], evalb_directory_path)

    @staticmethod
    def clean_evalb(evalb_directory_path: str = DEFAULT_EVALB_DIR) -> None:
        """Remove the compiled program."""
        Path(evalb_directory_path, "evalb").unlink(missing_ok=True)


def _run(command: list[str], folder: str) -> str:
    """The output of a program; if it fails, an error with its message."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True, timeout=SECONDS_TO_WAIT
        )
    except subprocess.CalledProcessError as error:
        message = (error.stderr or error.stdout).strip()
        raise ConfigurationError(
            f"EVALB: {command[0]} failed in {folder} (status {error.returncode}):\n{message}"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(f"EVALB: {command[0]} cannot be run in {folder}: {error}") from error
    return done.stdout


def _write_trees(path: Path, trees: list[BracketedTree]) -> str:
    path.write_text("".join(f"{tree.pformat(margin=1_000_000)}\n" for tree in trees), encoding="utf-8")
    return str(path)
