"""The export of an archive: a folder with a program, the vocabulary, an example and a record of the comparison."""

import contextlib
import inspect
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy
import torch
from torch import Tensor

from nlpreg import models
from nlpreg.commands.console import quiet
from nlpreg.commands.export import crf_decoder
from nlpreg.commands.export.onnx_operators import translations
from nlpreg.commands.export.program import Program, exported, tensors_of
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.untrusted import check_resource, guarded
from nlpreg.common.imports import optional
from nlpreg.data import DatasetReader, Instance
from nlpreg.data.dataset_readers import MultiTaskDatasetReader
from nlpreg.data.fields import MetadataField, TextField
from nlpreg.models.model import VOCABULARY_FOLDER
from nlpreg.version import VERSION

_TOLERANCE = 1e-5
_MOST_INSTANCES = 12
RECORD_NAME, INPUTS_NAME, SENTENCES_NAME = "export.json", "example_inputs.npz", "example_sentences.json"
_PROGRAM_NAMES = {"torch": "model.pt2", "onnx": "model.onnx", "safetensors": "model.safetensors"}
_Runner = Callable[[Sequence[Tensor]], Sequence[Any]]

_EXAMPLE = {
    "torch": """import nlpreg.modules.padded_rnn  # defines the operator of recurrent layers
import torch

program = torch.export.load(str(FOLDER / "model.pt2")).module()
with torch.no_grad():
    outputs = [tensor.numpy() for tensor in program(*map(torch.from_numpy, inputs))]
""",
    "onnx": """import onnxruntime

session = onnxruntime.InferenceSession(str(FOLDER / "model.onnx"))
names = [entry.name for entry in session.get_inputs()]
outputs = session.run(None, dict(zip(names, inputs)))
""",
}
_EXAMPLE_START = '''"""Runs the exported model on the batch in example_inputs.npz, as a start for a program of your own."""

import json
from pathlib import Path

import numpy

FOLDER = Path(__file__).parent
record = json.loads((FOLDER / "export.json").read_text())
# ids of words and their parts, as the vocabulary numbers them, in the order of the program's arguments
with numpy.load(FOLDER / "example_inputs.npz") as file:
    inputs = [file[name] for name in record["inputs"]]

'''
_EXAMPLE_END = """
for name, output in zip(record["outputs"], outputs):
    print(name, output.shape)
"""
_EXAMPLE_CRF = """
from crf_decoder import {function}

found = dict(zip(record["outputs"], outputs))
with numpy.load(FOLDER / "crf.npz") as scores:
    tags = {function}(found["{logits}"], found["mask"], **scores)
print("tags", tags)
"""
_EXAMPLE_TNT = """
from tnt_decoder import decode

found = dict(zip(record["outputs"], outputs))
sentences = json.loads((FOLDER / "example_sentences.json").read_text())
with numpy.load(FOLDER / "tnt.npz") as file:
    tables = dict(file)
print("tags", decode(sentences, found["token_ids"], found["logits"], found["mask"], tables))
"""


class _Decoder(NamedTuple):
    """The search for the best tags, which is not part of the graph of a program.

    Args:
        example: its part of `example.py`.
        name: `crf` or `tnt`; a prefix of the file names.
        module: the implementation, which needs only numpy.
        tables: the scores that it needs from the model.
        decode: maps the outputs of a program and the words of the sentences to the ids of the tags.
    """

    example: str
    name: str
    module: ModuleType
    tables: Mapping[str, numpy.ndarray[Any, Any]]
    decode: Callable[[Mapping[str, Any], Sequence[Sequence[str]]], list[list[int]]]


def _decoder_of(model: models.Model) -> _Decoder | None:
    """The decoder for the outputs of a model's program; None if the outputs need none."""
    if isinstance(model, models.TntTagger):
        tables = model.decoding_tables()

        def decode(found: Mapping[str, Any], sentences: Sequence[Sequence[str]]) -> list[list[int]]:
            return models.tnt_decoder.decode(
                sentences, found["token_ids"], found["logits"], found["mask"], tables
            )

        return _Decoder(_EXAMPLE_TNT, "tnt", models.tnt_decoder, tables, decode)
    if isinstance(model, models.TaggerEnsemble) and (of_members := model.decoding_tables()) is not None:
        return _crf_decoder(crf_decoder.decode_ensemble, "member_logits", of_members)
    if isinstance(model, (models.CrfTagger, models.HmmTagger)):
        scores = dict(zip(("transitions", "start", "end"), model.decoding_scores(), strict=True))
        return _crf_decoder(crf_decoder.decode, "logits", scores)
    return None


def _crf_decoder(
    function: Callable[..., list[list[int]]], logits: str, scores: Mapping[str, Tensor]
) -> _Decoder:
    """A decoder that is a function of `crf_decoder`, of the output `logits`, the mask and scores by name."""
    tables = {name: tensor.detach().numpy() for name, tensor in scores.items()}
    example = _EXAMPLE_CRF.format(function=function.__name__, logits=logits)
    return _Decoder(
        example, "crf", crf_decoder, tables, lambda found, _: function(found[logits], found["mask"], **tables)
    )


def export_archive(
    archive_file: str | os.PathLike[str],
    to: str,
    output_dir: str | os.PathLike[str],
    data: str | None = None,
    weights_file: str | None = None,
    allow_remote: bool = False,
) -> dict[str, Any]:
    """Export a trained model.

    Args:
        archive_file: path or URL of the archive, or the folder of a run.
        to: "torch", "onnx" or "safetensors".
        output_dir: folder for the files; nothing is written unless the outputs of the program equal the model's.
        data: data for the comparison; by default the validation or training data of the config.
        weights_file: weights to use instead of those in the archive.
        allow_remote: whether the config of the archive may name files outside the archive.

    Returns:
        The content of `export.json`.

    Raises:
        ConfigurationError: the model cannot be exported, or there are no data for the comparison.
        ValueError: the outputs of the program differ from the model's.
    """
    if to == "safetensors":
        optional("safetensors", extra="safetensors")
    elif to == "onnx":
        optional("onnxscript", extra="onnx")
    archive = models.load_archive(archive_file, weights_file=weights_file, allow_remote=allow_remote)
    model = archive.model.eval()
    instances = [] if to == "safetensors" else _instances(archive, data)
    with tempfile.TemporaryDirectory(prefix="nlpreg-export-") as temporary:
        folder = Path(temporary)
        if to == "safetensors":
            record = _write_weights(model, folder)
        else:
            record = write_program(model, to, instances, folder)
        model.vocab.save_to_files(str(folder / VOCABULARY_FOLDER))
        archive.config.to_file(str(folder / "config.json"))
        record = {"nlpreg": VERSION, "torch": str(torch.__version__), "program": _PROGRAM_NAMES[to], **record}
        (folder / RECORD_NAME).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        shutil.copytree(folder, output_dir, dirs_exist_ok=True)
    return record


def _instances(archive: models.Archive, data: str | None) -> list[Instance]:
    """Instances for the comparison.

    Raises:
        ConfigurationError: there are none, or the config of the archive names files outside the archive.
    """
    config = archive.config
    source = data or config.get("validation_data_path", None) or config.get("train_data_path", None)
    reader = archive.validation_dataset_reader
    readers: list[tuple[DatasetReader, str]]
    if isinstance(reader, MultiTaskDatasetReader):
        readers = [(reader.readers[task], path) for task, path in _paths_of_tasks(source, reader).items()]
    elif isinstance(source, str):
        readers = [(reader, source)]
    else:
        raise ConfigurationError(
            "--data: expected a file, because the config names no data to compare the program with the model on"
        )
    instances: list[Instance] = []
    for of_path, path in readers:
        try:
            # the user's own path is trusted; a path in the config of the archive needs --allow-remote
            with guarded(None if data else config.origin):
                check_resource(path)
                found = list(itertools.islice(of_path.read(path), _MOST_INSTANCES))
        except (OSError, ConfigurationError) as error:
            raise ConfigurationError(
                f"{path}: cannot be read, to compare the program with the model ({error}); name data with --data"
            ) from error
        if len(found) < 2:
            raise ConfigurationError(
                f"{path}: expected at least 2 instances for the comparison, got {len(found)}"
            )
        instances += found
    return instances


def _paths_of_tasks(source: Any, reader: MultiTaskDatasetReader) -> Mapping[str, str]:
    """The path of the data of each task.

    Args:
        source: a JSON object, or the entry of the config.
        reader: has a reader for each task.

    Raises:
        ConfigurationError: not every task has a path.
    """
    if isinstance(source, str):
        with contextlib.suppress(json.JSONDecodeError):
            source = json.loads(source)
    is_given = isinstance(source, Mapping) and all(
        isinstance(source.get(task), str) for task in reader.readers
    )
    if not is_given:
        example = json.dumps(dict.fromkeys(reader.readers, "FILE"))
        raise ConfigurationError(f"--data: expected a file for each task, such as {example}")
    return {task: source[task] for task in reader.readers}


def _write_weights(model: models.Model, folder: Path) -> dict[str, Any]:
    safetensors = optional("safetensors.torch", extra="safetensors")
    # safetensors refuses tensors that share memory
    weights = {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}
    path = str(folder / _PROGRAM_NAMES["safetensors"])
    safetensors.save_file(weights, path)
    read = safetensors.load_file(path)
    for name, tensor in weights.items():
        if not torch.equal(read[name], tensor):
            raise ValueError(f"{name}: the tensor in the file differs from the model's")
    return {"weights": len(weights), "sizes": [], "largest_differences": {}}


@quiet()  # the warnings of torch and onnxscript are about their own functions
def write_program(
    model: models.Model, to: str, instances: Sequence[Instance], folder: Path
) -> dict[str, Any]:
    """Write a program, and compare it with the model on batches of several sizes.

    Args:
        model: in evaluation mode.
        to: "torch" or "onnx".
        instances: for the comparison, at least two.
        folder: for the program, an example and the files that they need.

    Returns:
        Names of inputs and outputs, the sizes compared, and the largest difference of each output.

    Raises:
        ConfigurationError: the model cannot be exported.
        ValueError: the outputs of the program differ from the model's.
    """
    groups = _by_task(instances) if isinstance(model, models.MultiTaskModel) else [instances]
    batches = [tensors_of(model, batch) for group in groups for batch in _batches(group)]
    example = batches[0]
    program = Program(model, example)
    for field in program.fields:
        if any(field not in tensors for tensors in batches):
            raise ConfigurationError(
                f"model: a program has one text for all tasks, but not all tasks have the field {field!r}; to export the "
                "model's weights, use --to safetensors"
            )
    inputs = program.inputs_of(example)
    graph = exported(program, inputs)
    path = folder / _PROGRAM_NAMES[to]
    if to == "torch":
        torch.export.save(graph, path)
        loaded = torch.export.load(path).module()
        run: _Runner = lambda tensors: loaded(*tensors)  # noqa: E731
    else:
        run = _write_onnx(graph, path)
    record: dict[str, Any] = {"inputs": program.input_names, "outputs": program.output_names, "sizes": []}
    differences = dict.fromkeys(program.output_names, 0.0)
    decoder = _decoder_of(model)
    for tensors in batches:
        given = program.inputs_of(tensors)
        with torch.no_grad():
            expected = program.expected(tensors)
            found = [torch.as_tensor(output) for output in run(given)]
        outputs = dict(zip(program.output_names, found, strict=True))
        _compare(expected, outputs, differences)
        if decoder is not None:
            _compare_tags(expected, outputs, decoder)
        record["sizes"].append(list(given[0].shape))
    record["largest_differences"] = differences
    arrays = {name: tensor.numpy() for name, tensor in zip(program.input_names, inputs, strict=True)}
    _save(folder / INPUTS_NAME, arrays)
    end = _EXAMPLE_END
    if decoder is not None:
        end += decoder.example
        _save(folder / f"{decoder.name}.npz", decoder.tables)
        source = inspect.getsource(decoder.module)
        (folder / f"{decoder.name}_decoder.py").write_text(source, encoding="utf-8")
        sentences = [list(map(str, entry.get("words", ()))) for entry in example.get("metadata", ())]
        (folder / SENTENCES_NAME).write_text(json.dumps(sentences), encoding="utf-8")
    (folder / "example.py").write_text(_EXAMPLE_START + _EXAMPLE[to] + end, encoding="utf-8")
    return record


def _batches(instances: Sequence[Instance]) -> Iterator[Sequence[Instance]]:
    """Batches of several sizes; the first one, with more than one sentence, is the example for the export."""
    by_length = sorted(instances, key=lambda instance: -_length(instance))
    # torch.export treats sizes 0 and 1 as constants
    yield by_length[: max(2, len(by_length) // 3)]
    yield by_length
    yield by_length[-1:]
    yield by_length[-2:]


def _by_task(instances: Sequence[Instance]) -> list[list[Instance]]:
    """The instances of each task: in a batch of one task, the outputs of its head have a row for every instance."""
    groups: dict[str, list[Instance]] = {}
    for instance in instances:
        task = instance["task"]
        assert isinstance(task, MetadataField)
        groups.setdefault(task.metadata, []).append(instance)
    return list(groups.values())


def _length(instance: Instance) -> int:
    return max((len(field) for field in instance.fields.values() if isinstance(field, TextField)), default=0)


def _write_onnx(graph: torch.export.ExportedProgram, path: Path) -> _Runner:
    """Write a graph as ONNX.

    Returns:
        A function that runs the file with onnxruntime.
    """
    runtime = optional("onnxruntime", extra="onnx")
    optional("onnx", extra="onnx")
    try:
        written = torch.onnx.export(
            graph, dynamo=True, custom_translation_table=translations(), verbose=False
        )
    except torch.onnx.errors.OnnxExporterError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:  # the innermost error names the operator
            cause = cause.__cause__
        raise ConfigurationError(
            f"model: cannot be exported to ONNX ({str(cause).splitlines()[0]}); use --to torch"
        ) from error
    assert written is not None
    written.save(str(path))
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]

    def run(inputs: Sequence[Tensor]) -> Sequence[Any]:
        arrays = [tensor.numpy() for tensor in inputs]
        outputs: Sequence[Any] = session.run(None, dict(zip(names, arrays, strict=True)))
        return outputs

    return run


def _save(path: Path, arrays: Mapping[str, Any]) -> None:
    numpy.savez_compressed(path, **arrays)


def _compare(expected: dict[str, Any], found: dict[str, Tensor], differences: dict[str, float]) -> None:
    """Update the largest difference of each output.

    Raises:
        ValueError: a shape differs, or values differ by more than the tolerance.
    """
    for name, tensor in found.items():
        wanted = expected[name]
        if wanted.shape != tensor.shape:
            raise ValueError(
                f"{name}: the program gives the shape {tuple(tensor.shape)}, the model {tuple(wanted.shape)}"
            )
        if not wanted.numel():
            continue
        # infinite numbers are either equal or wrong
        difference = (wanted.double() - tensor.double()).abs().masked_fill(wanted == tensor, 0.0)
        if not bool((difference <= _TOLERANCE * (1 + wanted.double().abs().nan_to_num(posinf=0.0))).all()):
            raise ValueError(
                f"{name}: the program's values differ from the model's by up to {difference.max():.2e}"
            )
        differences[name] = max(differences[name], float(difference.max()))


def _compare_tags(expected: dict[str, Any], found: dict[str, Tensor], decoder: _Decoder) -> None:
    """Check that the decoder finds the model's tags.

    Raises:
        ValueError: the tags differ.
    """
    tags = decoder.decode({name: tensor.numpy() for name, tensor in found.items()}, expected.get("words", ()))
    wanted = expected["tags"]
    if isinstance(wanted, Tensor):  # with padding
        wanted = [row[words].tolist() for row, words in zip(wanted, found["mask"].bool(), strict=True)]
    if tags != wanted:
        raise ValueError(f"tags: the tags found by {decoder.name}_decoder.py differ from the model's")
