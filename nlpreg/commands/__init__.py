"""The command line: `nlpreg train`, `nlpreg evaluate`, `nlpreg predict` and others.

The classes of commands are imported on first access: `nlpreg --help` needs none of them.
"""

import importlib
from typing import TYPE_CHECKING, Any

from nlpreg.commands.catalog import COMMANDS as _COMMANDS
from nlpreg.commands.command_line import ArgumentParserWithDefaults, main, parse_args

if TYPE_CHECKING:
    from nlpreg.commands.build_vocab import BuildVocab
    from nlpreg.commands.cached_path import CachedPath
    from nlpreg.commands.check import Check
    from nlpreg.commands.checklist import CheckList
    from nlpreg.commands.count_instances import CountInstances
    from nlpreg.commands.diff import Diff
    from nlpreg.commands.evaluate import Evaluate
    from nlpreg.commands.export import Export
    from nlpreg.commands.find_learning_rate import FindLearningRate
    from nlpreg.commands.migrate import Migrate
    from nlpreg.commands.package import Package
    from nlpreg.commands.predict import Predict
    from nlpreg.commands.print_results import PrintResults
    from nlpreg.commands.push_to_hf import PushToHf
    from nlpreg.commands.shipped import Configs
    from nlpreg.commands.show.describe import Describe
    from nlpreg.commands.show.init import Init
    from nlpreg.commands.show.listing import ListRegistries, Plugins
    from nlpreg.commands.show.schema import Schema
    from nlpreg.commands.subcommand import Subcommand
    from nlpreg.commands.test_install import TestInstall
    from nlpreg.commands.train import Train
    from nlpreg.commands.train_tokenizer import TrainTokenizer
    from nlpreg.commands.tune import Tune
    from nlpreg.common.plugins import import_plugins

__all__ = [
    "ArgumentParserWithDefaults",
    "BuildVocab",
    "CachedPath",
    "Check",
    "CheckList",
    "Configs",
    "CountInstances",
    "Describe",
    "Diff",
    "Evaluate",
    "Export",
    "FindLearningRate",
    "Init",
    "ListRegistries",
    "Migrate",
    "Package",
    "Plugins",
    "Predict",
    "PrintResults",
    "PushToHf",
    "Schema",
    "Subcommand",
    "TestInstall",
    "Train",
    "TrainTokenizer",
    "Tune",
    "import_plugins",
    "main",
    "parse_args",
]

_HOMES = {entry.class_name: f"nlpreg.commands.{entry.module}" for entry in _COMMANDS.values()}
_HOMES["Subcommand"] = "nlpreg.commands.subcommand"
_HOMES["import_plugins"] = "nlpreg.common.plugins"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
