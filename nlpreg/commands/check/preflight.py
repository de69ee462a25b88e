"""Checks of the environment of an experiment: files, output folder and devices."""

import glob
import os
from collections.abc import Iterator, Mapping
from typing import Any

from nlpreg.common.checks import ConfigurationError, check_for_gpu, nearest
from nlpreg.common.config.config_file import UNSET_VARIABLE
from nlpreg.common.config.nodes import Call, Container, Literal, Node, Special, is_built_in, walk_calls
from nlpreg.common.config.problems import Problem, found

_DATA_PATHS = ("train_data_path", "validation_data_path", "test_data_path")
_FILE_ARGUMENTS = ("pretrained_file", "weights_file_path", "options_file", "weight_file", "archive_file")
_READERS_WITHOUT_PATHS = ("interleaving", "multitask", "multitask_shim", "huggingface_datasets")


def preflight_problems(config: Mapping[str, Any], node: Node) -> list[Problem]:
    """Find missing files and devices of an experiment.

    Args:
        config: the whole config.
        node: the experiment, resolved.
    """
    return [*_data_problems(config, node), *_file_problems(node), *_device_problems(config)]


def validation_warnings(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Warn about trainer options without effect: validation options without validation data, and zero epochs.

    Args:
        config: the whole config.
    """
    trainer = config.get("trainer")
    if isinstance(trainer, Mapping) and trainer.get("num_epochs") == 0 and not trainer.get("max_steps"):
        yield Problem("trainer.num_epochs", "with 0 epochs nothing is trained; give 1 or more")
    if config.get("validation_data_path") is not None or not isinstance(trainer, Mapping):
        return
    for key, effect in (
        ("patience", "training never stops early"),
        ("validation_metric", "no epoch is the best"),
    ):
        if trainer.get(key) is not None:
            yield Problem(
                f"trainer.{key}",
                f"there is no validation_data_path, so {effect}; give validation data, or leave this out",
            )


def output_folder_problems(folder: str) -> list[Problem]:
    """Check that an output folder can be created and written."""
    existing = os.path.abspath(folder)
    while not os.path.exists(existing):
        existing = os.path.dirname(existing)
    if not os.path.isdir(existing):
        return [Problem("", f"the output folder {folder} cannot be made: {existing} is a file")]
    if not os.access(existing, os.W_OK | os.X_OK):
        return [Problem("", f"the output folder {folder} cannot be written: no permission in {existing}")]
    return []


def _data_problems(config: Mapping[str, Any], node: Node) -> Iterator[Problem]:
    """Report data paths that cannot be opened, if a built-in reader of plain paths reads them."""
    if not isinstance(node, Call):
        return
    for key in _DATA_PATHS:
        reader = node.arguments.get("dataset_reader")
        if key != "train_data_path" and "validation_dataset_reader" in node.arguments:
            reader = node.arguments["validation_dataset_reader"]
        plain_paths = (
            isinstance(reader, Call)
            and is_built_in(reader)
            and reader.type_name not in _READERS_WITHOUT_PATHS
        )
        value = config.get(key)
        if value == []:
            yield Problem(key, "expected a path or a list of paths, found an empty list")
        elif plain_paths and value is not None:
            for number, path in enumerate(value if isinstance(value, list) else [value]):
                is_number = isinstance(path, (bool, int, float))
                problem = f"expected a path, found {found(path)}" if is_number else _missing(path)
                if problem:
                    yield Problem(f"{key}.{number}" if isinstance(value, list) else key, problem)


def _file_problems(node: Node) -> Iterator[Problem]:
    for path, value in _named_files(node):
        if problem := _missing(value):
            yield Problem(path, problem)


def _named_files(node: Node) -> Iterator[tuple[str, Any]]:
    """The files that arguments of constructors name: key path and value."""
    for path, call in walk_calls(node):
        for name, argument in call.arguments.items():
            is_vocabulary = name == "directory" and call.type_name in ("from_files", "extend")
            if isinstance(argument, Literal) and (name in _FILE_ARGUMENTS or is_vocabulary):
                yield f"{path}.{name}", argument.value
            elif name == "archive_files" and isinstance(argument, Container):
                for number, item in enumerate(argument.items):
                    if isinstance(item, Literal):
                        yield f"{path}.{name}.{number}", item.value
            elif isinstance(argument, Special) and isinstance(argument.value.get(argument.key), Mapping):
                archive = argument.value[argument.key].get("archive_file")
                yield f"{argument.path}.{argument.key}.archive_file", archive


def _missing(path: Any) -> str | None:
    """The reason why a local path cannot be opened; None if it can be, or if that is unknown."""
    path = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(path, str) or UNSET_VARIABLE in path or "://" in path:
        return None
    if path.startswith("(") and ")#" in path:
        path = path[1 : path.index(")#")]
    local = os.path.expanduser(path.split("!")[0])
    if os.path.exists(local):
        return None if os.access(local, os.R_OK) else f"{path} exists, but there is no permission to read it"
    if glob.has_magic(local):
        return None if glob.glob(local, recursive=True) else f"no file matches {path}"
    folder = os.path.dirname(os.path.abspath(local))
    if not os.path.isdir(folder):
        return f"there is no file {path}: the folder {folder} does not exist"
    files = sorted(os.listdir(folder))
    stems = {os.path.splitext(name)[0]: name for name in files}
    # names with the same extension first: trian.txt most likely means train.txt, not train.jsonl
    suggestion = nearest(os.path.basename(local), files)
    if suggestion is None or os.path.splitext(suggestion)[1] != os.path.splitext(local)[1]:
        suggestion = stems.get(nearest(os.path.splitext(os.path.basename(local))[0], stems) or "")
    return f"there is no file {path}" + (
        f"; did you mean {suggestion!r}, in the same folder?" if suggestion else ""
    )


def _device_problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    trainer, distributed = config.get("trainer"), config.get("distributed")
    wanted: list[tuple[str, Any]] = []
    if isinstance(trainer, Mapping):
        wanted.append(("trainer.cuda_device", trainer.get("cuda_device")))
    if isinstance(distributed, Mapping):
        devices = distributed.get("cuda_devices")
        for index, device in enumerate(devices if isinstance(devices, list) else []):
            wanted.append((f"distributed.cuda_devices.{index}", device))
    for path, device in wanted:
        if isinstance(device, list):
            advice = f'for several give the top level "distributed": {{"cuda_devices": {device}}}, and leave this out'
            advice = f"write {device[0]}" if len(device) == 1 else advice
            yield Problem(path, f"a trainer uses one device, found {device}; {advice}")
            continue
        is_name = isinstance(device, str) and path == "trainer.cuda_device"
        if is_name or (isinstance(device, int) and not isinstance(device, bool)):
            problem = _device_problem(device)
            if problem:
                yield Problem(path, problem)
                if path.startswith("distributed"):
                    return  # the other devices are missing for the same reason


def _device_problem(device: int | str) -> str | None:
    """The reason why a device cannot be used; None if it can be."""
    import torch

    try:
        check_for_gpu(device if isinstance(device, int) else torch.device(device))
    except ConfigurationError as error:
        return str(error)
    except RuntimeError:  # torch has no such device
        hint = f"; write {device} without quotes" if str(device).removeprefix("-").isdigit() else ""
        return f'expected the number of a GPU, -1 for the CPU, or a name such as "cuda:0", found {found(device)}{hint}'
    return None
