"""The part of a model that can be exported: from the ids of its text fields to the tensors that it computes of them."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Batch, Instance
from nlpreg.models.model import Model
from nlpreg.nn.operators import exporting


class Program(nn.Module):
    """A model whose arguments are the tensors of its text fields, and whose outputs are tensors.

    Args:
        model: the model, in evaluation mode.
        example: the tensors of a batch, from which the names of the arguments are taken.

    Raises:
        ConfigurationError: the model takes no text field.
    """

    def __init__(self, model: Model, example: Mapping[str, Any]) -> None:
        super().__init__()
        self.model = model
        parameters = inspect.signature(model.forward).parameters
        self.fields = [name for name in example if name in parameters and isinstance(example[name], Mapping)]
        if not self.fields:
            raise ConfigurationError(
                f"model: {type(model).__name__} takes no text field, so there is nothing that a program could take"
            )
        self.input_names = [".".join(path) for name in self.fields for path in _paths(example[name], (name,))]
        with torch.no_grad(), exporting():
            self.output_names = list(self._outputs(self.inputs_of(example)))

    def inputs_of(self, tensors: Mapping[str, Any]) -> list[Tensor]:
        """The arguments, in order, out of the tensors of a batch."""
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

    def _outputs(self, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        fields: dict[str, Any] = {}
        for name, tensor in zip(self.input_names, inputs, strict=True):
            *steps, last = name.split(".")
            section = fields
            for step in steps:
                section = section.setdefault(step, {})
            section[last] = tensor
        outputs = self.model(**fields)
        # a single number, such as a loss, is about the whole batch
        return {
            key.lstrip("_"): value
            for key, value in outputs.items()
            if isinstance(value, Tensor) and value.dim()
        }


def tensors_of(model: Model, instances: Sequence[Instance]) -> dict[str, Any]:
    """The tensors of a batch of instances."""
    batch = Batch(list(instances))
    batch.index_instances(model.vocab)
    tensors: dict[str, Any] = batch.as_tensor_dict()
    return tensors


def exported(program: Program, inputs: Sequence[Tensor]) -> torch.export.ExportedProgram:
    """The program as a graph for batches and sentences of any size.

    Args:
        program: of the model.
        inputs: those of a batch of at least two sentences.

    Raises:
        ConfigurationError: some part of the model cannot be exported.
    """
    dynamic = tuple(dict.fromkeys(range(tensor.dim()), torch.export.Dim.AUTO) for tensor in inputs)
    try:
        with torch.no_grad(), exporting():
            return torch.export.export(
                program, tuple(inputs), dynamic_shapes={"inputs": dynamic}, strict=False
            )
    except Exception as error:  # of any kind: torch says by what it could not follow
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigurationError(
            f"model: {type(program.model).__name__} with these parts cannot be exported ({reason}); its weights can: "
            "--to safetensors"
        ) from error


def _paths(section: Mapping[str, Any], prefix: tuple[str, ...]) -> list[tuple[str, ...]]:
    found = []
    for name, value in section.items():
        path = (*prefix, name)
        found += _paths(value, path) if isinstance(value, Mapping) else [path]
    return found
