"""The part of a model that can be exported: a function from the tensors of its text fields to its output tensors."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Batch, Instance
from nlpreg.models.model import Model
from nlpreg.nn.operators import exporting
from nlpreg.training.state import fresh_states


class Program(nn.Module):
    """A model whose arguments are the tensors of its text fields and other inputs, and whose outputs are tensors.

    Args:
        model: the model, in evaluation mode.
        example: the tensors of a batch, from which the names of the arguments are taken.

    Raises:
        ConfigurationError: the model takes no text field, or cannot be a program for another reason.
    """

    def __init__(self, model: Model, example: Mapping[str, Any]) -> None:
        super().__init__()
        if (reason := model.why_not_exported()) is not None:
            raise ConfigurationError(
                f"model: {type(model).__name__} cannot be exported as a program: {reason}; to export its weights, use --to safetensors"
            )
        self.model = model
        self.fields = [
            name
            for name, value in example.items()
            if not isinstance(value, list) and _is_taken(model, name, value)
        ]
        if not any(isinstance(example[name], Mapping) for name in self.fields):
            raise ConfigurationError(
                f"model: {type(model).__name__} takes no text field, so a program would have no inputs"
            )
        self.input_names = [".".join(path) for name in self.fields for path in _paths(example[name], (name,))]
        with torch.no_grad():
            self.output_names = list(self._outputs(self.inputs_of(example)))

    def inputs_of(self, tensors: Mapping[str, Any]) -> list[Tensor]:
        """The arguments of `forward`, from the tensors of a batch."""
        found = []
        for name in self.input_names:
            value: Any = tensors
            for step in name.split("."):
                value = value[step]
            found.append(value)
        return found

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs, in the order of `output_names`."""
        outputs = self._outputs(inputs)
        return tuple(outputs[name] for name in self.output_names)

    def expected(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs of the model for a batch, computed as in prediction.

        Outputs that only a program has, such as the scores for a decoder, are computed as in the program. Stateful encoders
        start from an empty state.
        """
        known = [
            name
            for name, value in tensors.items()
            if isinstance(value, list) and _is_taken(self.model, name, value)
        ]
        with fresh_states(self.model):
            usual = self.model(**{name: tensors[name] for name in (*self.fields, *known)})
        return {
            **self._outputs(self.inputs_of(tensors)),
            **{key: value for key, value in usual.items() if not key.startswith("_")},
            **_tensors_in(usual),
        }

    def _outputs(self, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        fields: dict[str, Any] = {}
        for name, tensor in zip(self.input_names, inputs, strict=True):
            *steps, last = name.split(".")
            section = fields
            for step in steps:
                section = section.setdefault(step, {})
            section[last] = tensor
        with exporting():
            return _tensors_in(self.model(**fields))


def _tensors_in(outputs: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors among the outputs of a model, also in nested dicts, except scalars such as the loss."""
    found = {}
    for key, value in outputs.items():
        if isinstance(value, Mapping):
            found.update({f"{key.lstrip('_')}.{name}": tensor for name, tensor in _tensors_in(value).items()})
        elif isinstance(value, Tensor) and value.dim():
            found[key.lstrip("_")] = value
    return found


def _is_taken(model: Model, name: str, value: Any) -> bool:
    """Whether a model is called with a field: text fields, metadata and required arguments."""
    parameters = inspect.signature(model.forward).parameters
    is_known = isinstance(value, (Mapping, list))
    if name not in parameters:  # a model that passes its fields on to others
        return is_known and all(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return is_known or (isinstance(value, Tensor) and parameters[name].default is inspect.Parameter.empty)


def tensors_of(model: Model, instances: Sequence[Instance]) -> dict[str, Any]:
    """The tensors of a batch of instances."""
    batch = Batch(list(instances))
    batch.index_instances(model.vocab)
    tensors: dict[str, Any] = batch.as_tensor_dict()
    return tensors


def exported(program: Program, inputs: Sequence[Tensor]) -> torch.export.ExportedProgram:
    """Export the program as a graph with dynamic sizes.

    Args:
        program: the program.
        inputs: the arguments for a batch of at least two sentences.

    Raises:
        ConfigurationError: torch cannot export a part of the model.
    """
    dynamic = tuple(dict.fromkeys(range(tensor.dim()), torch.export.Dim.AUTO) for tensor in inputs)
    try:
        with torch.no_grad():
            return torch.export.export(
                program, tuple(inputs), dynamic_shapes={"inputs": dynamic}, strict=False
            )
    except Exception as error:  # torch.export raises errors of many types
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigurationError(
            f"model: {type(program.model).__name__} with these parts cannot be exported ({reason}); to export its "
            "weights, use --to safetensors"
        ) from error


def _paths(value: Any, prefix: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The keys that lead to each tensor in a tensor or in nested dicts of them."""
    if not isinstance(value, Mapping):
        return [prefix]
    return [path for name, part in value.items() for path in _paths(part, (*prefix, name))]
