"""Model interpretation: gradients with respect to word embeddings, and outputs of submodules."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch

from nlpreg.common.sanitize import sanitize
from nlpreg.common.util import int_to_device
from nlpreg.data import Batch, Instance
from nlpreg.models.model import Model
from nlpreg.nn import util
from nlpreg.nn.util import find_embedding_layer as find_embedding_layer
from nlpreg.nn.util import find_text_field_embedder as find_text_field_embedder


def input_gradients(
    model: Model, instances: list[Instance], layer: torch.nn.Module, embedder: torch.nn.Module
) -> tuple[list[torch.Tensor], dict[str, Any]]:
    """Gradients of the loss with respect to the output of an embedding layer.

    Args:
        model: the model; its gradients and `requires_grad` flags are not changed.
        instances: B of them, with labels.
        layer: the embedding layer, part of the model.
        embedder: the text field embedder, which knows which pieces make up a word.

    Returns:
        For each call of the layer, in order, gradients (B, words, width), averaged over the pieces of each word; and
        the model's outputs.
    """
    before = {parameter: (parameter.requires_grad, parameter.grad) for parameter in model.parameters()}
    embeddings: list[torch.Tensor] = []
    offsets: list[torch.Tensor] = []

    def keep_output(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
        output.retain_grad()
        embeddings.append(output)

    def keep_offsets(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        found = util.get_token_offsets_from_text_field_inputs(list(inputs))
        if found is not None:
            offsets.append(found)

    hooks = [layer.register_forward_hook(keep_output), embedder.register_forward_hook(keep_offsets)]
    try:
        for parameter in before:
            parameter.requires_grad_(True)
            parameter.grad = None
        batch = Batch(instances)
        batch.index_instances(model.vocab)
        inputs = util.move_to_device(batch.as_tensor_dict(), int_to_device(model.prediction_device()))
        # cuDNN has no backward pass for recurrent networks in evaluation mode.
        with torch.backends.cudnn.flags(enabled=False), torch.enable_grad():
            outputs = model.make_output_human_readable(model(**inputs))
            outputs["loss"].backward()
        gradients = [tensor.grad for tensor in embeddings if tensor.grad is not None]
    finally:  # restore the model: the caller may continue to train it
        for hook in hooks:
            hook.remove()
        for parameter, (is_trainable, gradient) in before.items():
            parameter.requires_grad_(is_trainable)
            parameter.grad = gradient
    if offsets:
        gradients = [_mean_over_pieces(*pair) for pair in zip(gradients, offsets, strict=False)]
    return gradients, outputs


@contextlib.contextmanager
def captured_outputs(model: Model, pattern: str) -> Iterator[dict[int, dict[str, Any]]]:
    """Context manager that records the outputs of submodules.

    Args:
        model: the model.
        pattern: regular expression that must match the full dotted name of a submodule.

    Returns:
        A dictionary, filled while the block runs: index -> {"name": the module as a string, "output": its last output as JSON}.
    """
    results: dict[int, dict[str, Any]] = {}

    def keeper(index: int) -> Callable[[torch.nn.Module, Any, Any], None]:
        def keep(module: torch.nn.Module, inputs: Any, output: Any) -> None:
            results[index] = {"name": str(module), "output": sanitize(output)}

        return keep

    hooks = [
        module.register_forward_hook(keeper(index))
        for index, (name, module) in enumerate(model.named_modules())
        if name and re.fullmatch(pattern, name)
    ]
    try:
        yield results
    finally:
        for hook in hooks:
            hook.remove()


def _mean_over_pieces(gradients: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Gradients of pieces (B, P, D), and the first and last piece of each word (B, W, 2) -> means (B, W, D)."""
    pieces, mask = util.batched_span_select(gradients.contiguous(), offsets)  # (B, W, S, D), (B, W, S)
    kept = mask.unsqueeze(-1)
    mean: torch.Tensor = (pieces * kept).sum(2) / kept.sum(2).clamp(min=1)
    return mean
