"""The built-in commands by name, so that `nlpreg --help` can list them without importing any."""

from typing import NamedTuple


class CommandEntry(NamedTuple):
    """Location and summary of a command.

    Args:
        module: the module of its class, below `nlpreg.commands`.
        class_name: its class.
        summary: one line for the list of commands.
    """

    module: str
    class_name: str
    summary: str


COMMANDS: dict[str, CommandEntry] = {
    "build-vocab": CommandEntry("build_vocab", "BuildVocab", "build the vocabulary of a config and pack it"),
    "cached-path": CommandEntry("cached_path", "CachedPath", "fetch, list or remove files of the cache"),
    "check": CommandEntry("check", "Check", "validate a config without running it"),
    "checklist": CommandEntry(
        "checklist", "CheckList", "say how to write behavioural tests (no suites are built in)"
    ),
    "compare": CommandEntry("compare", "Compare", "test whether two models differ on the same data"),
    "completion": CommandEntry(
        "completion", "Completion", "print a script that completes command lines in a shell"
    ),
    "configs": CommandEntry("shipped", "Configs", "list, print or copy the configs that come with nlpreg"),
    "count-instances": CommandEntry(
        "count_instances", "CountInstances", "count the training instances of a config"
    ),
    "debug-data": CommandEntry(
        "debug_data", "DebugData", "describe the data of a config and report problems in them"
    ),
    "describe": CommandEntry("show.describe", "Describe", "describe a registered class and its arguments"),
    "diff": CommandEntry("diff", "Diff", "compare two configs, two runs or two sets of weights"),
    "ensemble": CommandEntry("ensemble", "Ensemble", "pack archived taggers into one that averages them"),
    "evaluate": CommandEntry("evaluate", "Evaluate", "measure an archived model on data"),
    "export": CommandEntry("export", "Export", "write a trained model for torch.export, ONNX or safetensors"),
    "find-lr": CommandEntry("find_learning_rate", "FindLearningRate", "try learning rates and plot the loss"),
    "generate": CommandEntry("generate", "Generate", "continue texts with an archived language model"),
    "init": CommandEntry("show.init", "Init", "write a first config for a model"),
    "list": CommandEntry(
        "show.listing", "ListRegistries", "list the registries, or what is registered in one"
    ),
    "migrate": CommandEntry("migrate", "Migrate", "rewrite configs and code of AllenNLP for nlpreg"),
    "package": CommandEntry(
        "package", "Package", "make a Python package of a trained model, to be installed by pip"
    ),
    "plugins": CommandEntry(
        "show.listing", "Plugins", "list the plugins that were found and what they register"
    ),
    "predict": CommandEntry("predict", "Predict", "predict with an archived model"),
    "print-results": CommandEntry(
        "print_results", "PrintResults", "table of the metrics of all runs below a folder"
    ),
    "push-to-hf": CommandEntry("push_to_hf", "PushToHf", "publish a model on the Hugging Face hub"),
    "report": CommandEntry("report.report", "Report", "write an HTML page about a run, or compare several"),
    "schema": CommandEntry("show.schema", "Schema", "write the JSON Schema of configs, for editors"),
    "score": CommandEntry("score", "Score", "measure how probable texts are to an archived language model"),
    "test-install": CommandEntry("test_install", "TestInstall", "check this installation"),
    "train": CommandEntry("train", "Train", "train a model from a config"),
    "train-tokenizer": CommandEntry("train_tokenizer", "TrainTokenizer", "learn subwords from text"),
    "tune": CommandEntry("tune", "Tune", "search for good values of some keys of a config"),
}
