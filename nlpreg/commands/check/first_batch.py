"""Check on a first batch that the data, the model and the trainer of an experiment fit together."""

import contextlib
import inspect
import itertools
import math
import numbers
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nlpreg.commands.console import quiet
from nlpreg.commands.failures import lines_about_users_code
from nlpreg.commands.show.init import fitting_reader, forward_arguments
from nlpreg.commands.train.experiment import recorded_namespaces
from nlpreg.common.checks import ConfigurationError, did_you_mean
from nlpreg.common.config.nodes import path_of
from nlpreg.common.config.problems import Problem, refusal
from nlpreg.common.config.registry import REGISTRY
from nlpreg.data.batch import index_instances
from nlpreg.data.data_loaders import MultiProcessDataLoader, MultiTaskDataLoader
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader, DeferringReader
from nlpreg.data.dataset_readers.fold import FoldDatasetReader
from nlpreg.data.fields import SequenceLabelField, TextField
from nlpreg.data.instance import Instance
from nlpreg.models.model import Model
from nlpreg.modules.conditional_random_field import allowed_transitions
from nlpreg.modules.token_embedders import Embedding
from nlpreg.nn.util import move_to_device
from nlpreg.training.gradient_descent_trainer import GradientDescentTrainer
from nlpreg.training.metrics import local_metrics
from nlpreg.training.state import ModelSnapshot, RandomGenerators

if TYPE_CHECKING:
    from nlpreg.commands.train.experiment import TrainModel


_NUM_NAMESPACE_INSTANCES = 50
"""Number of training instances whose namespaces are counted."""
_NUM_TAGGED_INSTANCES = 1000
"""Number of instances whose tags are compared with the label encoding, and texts with the positions of an encoder."""
_MAX_LABELS = 1000
_MAX_NAMES = 5


@dataclass
class Findings:
    """Findings of a first batch.

    Args:
        problems: errors that the run would raise, or mistakes that would make its result useless.
        warnings: probable mistakes that do not prevent training.
    """

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def try_first_batches(experiment: "TrainModel", label_encoding: Any = None) -> Findings:
    """Run a training batch forward and backward and a validation batch forward, and check the results.

    The weights, the position in the data and the states of random number generators do not change. Only loaders of nlpreg, and
    trainers that run the model like `gradient_descent`, are tried. Exceptions of the model propagate, as in the run.

    Args:
        experiment: the experiment, built but not yet run.
        label_encoding: the model's encoding of spans in the config, if it has one.
    """
    findings = Findings()
    model, trainer = experiment.model, experiment.trainer
    loaders = {name: loader for name, loader in experiment.data_loaders.items() if _is_ours(loader)}
    if not loaders or not _can_be_tried(model, trainer):
        return findings
    labels = _labels(model)
    generators = RandomGenerators()
    generators.load_state_dict(generators.state_dict())
    try:
        with (
            _state_preserved(model),
            local_metrics(),
            quiet(),  # the run itself will show warnings
            recorded_namespaces(model.vocab) as used,
        ):
            used |= experiment.used_namespaces or set()
            try:
                for name in ("train", "validation", "test"):
                    is_used = name in loaders and (name != "test" or experiment.evaluate_on_test)
                    if is_used and not findings.problems:
                        _try_batch(name, loaders[name], model, trainer, labels, findings)
                        if isinstance(label_encoding, str):
                            _locate_wrong_tags(loaders[name], model, label_encoding, findings)
            except (IndexError, RuntimeError, ValueError) as error:
                # probably an embedding or output layer without rows, because its namespace is empty
                unused = list(_namespace_warnings(loaders, model, used))
                sizes = model.vocab.namespace_sizes()
                if not unused or all(sizes.get(name, 0) > 2 for name in used):
                    raise
                findings.problems += [replace(p, message=f"{p.message} ({error})") for p in unused]
            if not findings.problems and experiment.used_namespaces is not None:
                findings.warnings += _namespace_warnings(loaders, model, used)
        if isinstance(label_encoding, str) and "train" in loaders and not findings.problems:
            findings.warnings += _encoding_warnings(loaders["train"], model, label_encoding)
    finally:
        generators.restore()
    return findings


def _is_ours(loader: Any) -> bool:
    """Whether nlpreg's own code makes the batches of an epoch, so that a sample batch is representative."""
    return str(type(loader).__iter__.__module__).startswith("nlpreg.")


def _can_be_tried(model: Model, trainer: Any) -> bool:
    """Whether the trainer runs the unwrapped model like `gradient_descent`, and the model has its final sizes."""
    is_lazy = any(nn.parameter.is_lazy(parameter) for parameter in model.parameters())
    return (
        isinstance(trainer, GradientDescentTrainer)
        and type(trainer).batch_outputs is GradientDescentTrainer.batch_outputs
        and not trainer.run.is_sharded
        and not is_lazy  # the first batch would determine the sizes of lazy modules
    )


@contextlib.contextmanager
def _state_preserved(model: nn.Module) -> Iterator[None]:
    """Context manager that restores buffers, attributes, metrics and gradients of a model."""
    snapshot = ModelSnapshot.of(model)
    tables = ("_parameters", "_buffers", "_modules")
    attributes = [
        (module, dict(vars(module)), {name: dict(vars(module)[name]) for name in tables})
        for module in model.modules()
    ]
    containers = [
        (value, type(value)(value))
        for _, values, _ in attributes
        for name, value in values.items()
        if type(value) in (list, dict, set) and name not in tables
    ]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        for value, content in containers:
            value.clear()
            value.extend(content) if isinstance(value, list) else value.update(content)
        for module, values, contents in attributes:
            vars(module).clear()
            vars(module).update(values)
            for name, content in contents.items():
                vars(module)[name].clear()
                vars(module)[name].update(content)
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
        for parameter in model.parameters():
            parameter.grad = None
        snapshot.restore(model)


def _try_batch(
    name: str, loader: Any, model: Model, trainer: Any, labels: set[str], findings: Findings
) -> None:
    """Run a sample batch of a data set, unless its fields do not fit the model."""
    batch = _too_long_text(loader, model) or loader.sample_batch()
    if batch is None:
        return
    problem = _field_problem(model, batch, getattr(loader, "reader", None))
    if problem is not None:
        findings.problems.append(Problem("model", problem))
        return
    is_training = name == "train"
    model.train(is_training)
    batch = move_to_device(batch, trainer.cuda_device)
    # without compiling the model for this batch
    forward = model.forward if getattr(model, "_compiled_call_impl", None) is not None else model
    wrong_widths: list[Problem] = []
    try:
        with (
            _compared_widths(model, wrong_widths),
            torch.set_grad_enabled(is_training),
            trainer.run.precision.autocast(),
        ):
            outputs = forward(**batch)
    except ConfigurationError as error:
        findings.problems += wrong_widths or [_refusal_of_forward(model, error)]
        return
    except (RuntimeError, ValueError):
        if not wrong_widths:
            raise
    except IndexError as error:
        label = re.fullmatch(r"Target (\d+) is out of bounds.", str(error))  # of torch's losses
        if label is None:
            raise
        findings.problems.append(_label_problem(model, label[1]))
        return
    if wrong_widths:
        findings.problems += wrong_widths
        return
    if not isinstance(outputs, Mapping):
        findings.problems.append(
            Problem(
                "model",
                f'{_name(model)}.forward: expected a dictionary of outputs, with the loss as "loss", got '
                f'{_kind(outputs)}; return {{"loss": ...}}',
            )
        )
        return
    if is_training:
        findings.problems += _loss_problems(model, outputs, trainer)
        if not findings.problems and not isinstance(loader, MultiTaskDataLoader):
            findings.warnings += _gradient_warnings(model, outputs["loss"])
    metrics = model.get_metrics(reset=True)
    problems = list(_metric_problems(model, metrics))
    # a batch of one task gives no metrics and gradients for the heads of the others
    if name == "validation" and not problems and not isinstance(loader, MultiTaskDataLoader):
        losses = ["loss"] if "loss" in outputs else []
        _check_tracked_metrics(trainer, [*metrics, *losses], labels, findings)
    findings.problems += [found for found in problems if found not in findings.problems]


def _too_long_text(loader: Any, model: Model) -> Any:
    """A batch of the longest of the first texts, if a language model has too few positions for it, which is an error."""
    limit: int | None = getattr(model, "max_context", None)
    if limit is None or not isinstance(loader, MultiProcessDataLoader):
        return None
    longest = max(loader.sample_instances(_NUM_TAGGED_INSTANCES), key=_num_words, default=None)
    if longest is None or _num_words(longest) <= limit:
        return None
    index_instances([longest], model.vocab)
    return loader.collate_fn([longest])


def _num_words(instance: Instance) -> int:
    return max((len(field) for field in instance.fields.values() if isinstance(field, TextField)), default=0)


@contextlib.contextmanager
def _compared_widths(model: Model, problems: list[Problem]) -> Iterator[None]:
    """Context manager that compares the outputs of the user's modules with their `get_output_dim`."""

    def compare(module: Any, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() and not problems:
            width = module.get_output_dim()
            if output.size(-1) != width:
                problems.append(
                    Problem(
                        path_of(module) or "model",
                        f"{type(module).__name__}.get_output_dim gives {width}, but forward returns {_kind(output)}; the two "
                        "must agree, since the next layer is made for that width",
                    )
                )

    handles = [
        module.register_forward_hook(compare)
        for module in model.modules()
        if hasattr(module, "get_output_dim") and not type(module).__module__.startswith("nlpreg.")
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _field_problem(model: Model, batch: Mapping[str, Any], reader: Any) -> str | None:
    """A message about fields that `forward` does not take, and required arguments without a field; None if all fit."""
    required, optional, takes_all = forward_arguments(type(model))
    missing = [name for name in required if name not in batch]
    unknown = [name for name in batch if name not in {*required, *optional} and not takes_all]
    if not missing and not unknown:
        return None
    arguments = ", ".join([*required, *(f"{name} (optional)" for name in optional)]) or "none"
    parts = [
        f"{_name(model)}.forward takes other arguments than {'the reader' if reader is None else type(reader).__name__} "
        f"gives: it takes {arguments}; the fields are {', '.join(batch)}"
    ]
    if missing:
        parts.append(f"; missing: {', '.join(missing)}")
    if unknown:
        parts.append(f"; not taken: {', '.join(unknown)}")
    advice = []
    if not missing and not type(model).__module__.startswith("nlpreg."):
        advice.append(f"give forward an argument of that name ({unknown[0]}=None), or let it take **kwargs")
    elif reader_name := fitting_reader(type(model)):
        advice.append(f'the dataset reader "{reader_name}" fits this model')
    if models := _models_for(list(batch)):
        advice.append(f"models for these fields: {', '.join(models)}")
    return "".join(parts) + "".join(f"; {text}" for text in advice)


def _models_for(fields: list[str]) -> list[str]:
    """Registered models whose `forward` takes exactly these fields."""
    found: dict[Any, str] = {}
    for name, (cls, _) in REGISTRY[Model].items():
        if not isinstance(cls, type) or "." in name or cls in found:
            continue
        required, optional, takes_all = forward_arguments(cls)
        known = {*required, *optional}
        fits = set(required) <= set(fields) and (takes_all or set(fields) <= known)
        # a model that takes all fields only by `**kwargs` is not suggested
        if fits and required and len(known & set(fields)) > 1:
            found[cls] = name
    return sorted(found.values())[:_MAX_NAMES]


def _refusal_of_forward(model: Model, error: ConfigurationError) -> Problem:
    """The problem of a batch that nlpreg's own code refuses, with the line of the user's code that called it."""
    path, _, message = str(error).partition(": ")
    if path.startswith(("model.", "trainer.")) and " " not in path:
        problem = Problem(path, message)
    else:
        problem = refusal("model", inspect.signature(type(model)).parameters, error)
    return replace(problem, message="\n      ".join([problem.message, *lines_about_users_code(error)[1:]]))


def _label_problem(model: Model, label: str) -> Problem:
    namespaces = [getattr(model, name) for name in model.label_namespaces]
    sizes = [f"the namespace {name!r} has {model.vocab.get_vocab_size(name)} labels" for name in namespaces]
    message = "; ".join([f"a gold label has the id {label}, but the model has no label with that id", *sizes])
    if "num_labels" in inspect.signature(type(model)).parameters:
        return Problem("model.num_labels", f"{message}; set num_labels to the number of classes in the data")
    return Problem("model", message)


def _loss_problems(model: Model, outputs: Mapping[str, Any], trainer: Any) -> Iterator[Problem]:
    where = f"{_name(model)}.forward"
    if "loss" not in outputs:
        yield Problem(
            "model",
            f'{where}: expected a key "loss" in training, got {", ".join(map(str, outputs)) or "nothing"}; are the labels '
            "missing in the data?",
        )
        return
    loss = outputs["loss"]
    if not isinstance(loss, Tensor):
        yield Problem("model", f'{where}: expected a tensor as "loss", got {_kind(loss)}')
    elif loss.numel() != 1:
        yield Problem(
            "model",
            f'{where}: expected a scalar as "loss", got a tensor of the shape {tuple(loss.shape)}; take its mean',
        )
    elif not loss.requires_grad:
        yield Problem(
            "model",
            f"{where}: no gradient flows from the loss to the parameters; it is computed within torch.no_grad, from "
            "detached tensors, or from numbers (.item())",
        )
    elif not math.isfinite(float(loss.detach())) and trainer.run.precision.scaler is None:
        yield Problem(
            "model",
            f"{where}: the loss of a first batch is {float(loss.detach())}; it may divide by 0 or take the logarithm of 0, and "
            "--detect-anomaly finds where",
        )


def _gradient_warnings(model: Model, loss: Tensor) -> Iterator[Problem]:
    loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotations here
    idle = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    if idle:
        yield Problem(
            "model",
            f"{len(idle)} of its parameters get no gradient from a first batch, so they are not trained: {_listed(idle)}; "
            "does forward use them?",
        )


def _metric_problems(model: Model, metrics: Any) -> Iterator[Problem]:
    where = f"{_name(model)}.get_metrics"
    if not isinstance(metrics, Mapping):
        yield Problem("model", f"{where}: expected a dictionary of numbers, got {_kind(metrics)}")
        return
    for name, value in metrics.items():
        is_number = isinstance(value, numbers.Real) or (hasattr(value, "ndim") and value.ndim == 0)
        if not is_number:
            yield Problem(
                "model",
                f"{where}: expected a number as {name!r}, got {_kind(value)}; give each number a name",
            )


def _check_tracked_metrics(
    trainer: GradientDescentTrainer, names: list[str], labels: set[str], findings: Findings
) -> None:
    """Check that the model has the metrics of `validation_metric`."""
    for _, wanted in trainer.run.tracker.tracked_metrics:
        if wanted in names:
            continue
        problem = Problem(
            "trainer.validation_metric",
            f"the model has no metric {wanted!r}{did_you_mean(wanted, names)} (there are: {', '.join(sorted(names))})",
        )
        # a metric of a label, such as f1-measure-PER, exists only if the label occurs in the batch
        is_of_label = any(wanted.endswith(f"-{label.rpartition('-')[2]}") for label in labels)
        (findings.warnings if is_of_label else findings.problems).append(problem)


def _labels(model: Model) -> set[str]:
    """The entries of all namespaces that are small enough for labels."""
    return {
        label
        for name, size in model.vocab.namespace_sizes().items()
        if size < _MAX_LABELS
        for label in model.vocab.get_index_to_token_vocabulary(name).values()
    }


def _namespace_warnings(loaders: Mapping[str, Any], model: Model, used: set[str]) -> Iterator[Problem]:
    """Warn about namespaces that the training data fill but the model never reads."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for instance in loaders["train"].sample_instances(_NUM_NAMESPACE_INSTANCES) if "train" in loaders else ():
        instance.count_vocab_items(counts)
    has_fixed_tables = any(
        isinstance(module, Embedding) and module.follows_vocabulary is False for module in model.modules()
    )
    if has_fixed_tables:  # such a table may be for any namespace
        return
    sizes = model.vocab.namespace_sizes()
    empty = sorted(name for name in used if sizes.get(name, 0) <= 2 and name not in counts)
    for name in sorted(counts.keys() - used):
        hint = f"; it asks for {', '.join(map(repr, empty))}, which nothing fills" if empty else ""
        yield Problem(
            "model",
            f"it never uses the namespace {name!r} of the vocabulary, which the dataset reader fills{hint}; does one of its "
            "namespaces have another name?",
        )


def _locate_wrong_tags(loader: Any, model: Model, encoding: str, findings: Findings) -> None:
    """Replace a metric's error about gold tags, which names no sentence, by one with its file and line."""
    for index, problem in enumerate(findings.problems):
        if problem.path == "model.label_encoding":
            findings.problems[index] = next(_encoding_warnings(loader, model, encoding), problem)


def _encoding_warnings(loader: Any, model: Model, encoding: str) -> Iterator[Problem]:
    """Warn about sentences whose tags the label encoding does not allow."""
    num_wrong = num_sentences = 0
    first = ""
    reader, path = getattr(loader, "reader", None), getattr(loader, "data_path", None)
    while isinstance(reader, FoldDatasetReader):
        reader = reader.reader  # which knows the lines
    if not isinstance(reader, DatasetReader):
        return
    allowed: set[tuple[str, str]] | None = None
    for instance, location in itertools.islice(_with_locations(reader, path), _NUM_TAGGED_INSTANCES):
        tags = next((f.labels for f in instance.fields.values() if isinstance(f, SequenceLabelField)), None)
        if tags is None or not all(isinstance(tag, str) for tag in tags):
            return
        if allowed is None:
            allowed = _allowed_pairs(model, encoding)
        num_sentences += 1
        steps = itertools.pairwise(["<start>", *map(str, tags), "<end>"])
        if tags and not all(step in allowed for step in steps):
            num_wrong += 1
            first = first or f"{location}{' '.join(map(str, tags))}"
    if num_wrong:
        yield Problem(
            "model.label_encoding",
            f"{encoding} does not allow the tags of {num_wrong} of the first {num_sentences} sentences, such as {first}; set it to "
            "the encoding of the data, or let the dataset reader convert the tags",
        )


def _allowed_pairs(model: Model, encoding: str) -> set[tuple[str, str]]:
    namespace = getattr(model, "label_namespace", "labels")
    names = dict(model.vocab.get_index_to_token_vocabulary(namespace))
    ends = {len(names): "<start>", len(names) + 1: "<end>"}
    return {({**names, **ends}[a], {**names, **ends}[b]) for a, b in allowed_transitions(encoding, names)}


def _with_locations(reader: DatasetReader, path: Any) -> Iterator[tuple[Instance, str]]:
    """The instances of a file, each with its location, such as `train.txt, line 17: `, if the reader records it."""
    limit, reader.max_instances = reader.max_instances, None  # a reader with a limit yields no units
    try:
        if not (isinstance(reader, DeferringReader) and reader.can_defer()):
            for instance in reader.read(path):
                yield instance, ""
            return
        location = ""

        def recorded(units: Iterable[Any]) -> Iterator[Any]:
            nonlocal location
            for unit in units:
                location = f"{unit[0]}, line {unit[1]}: "
                yield unit

        for instance in reader.instances_of(recorded(reader.units(path)), path):
            yield instance, location
    finally:
        reader.max_instances = limit


def _name(model: Model) -> str:
    return type(model).__name__


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of the shape {tuple(value.shape)}"
    return "None" if value is None else f"{type(value).__name__} {value!r:.60}"


def _listed(names: list[str]) -> str:
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
