"""Copying, describing, searching and enlarging modules."""

import copy
import json
from typing import Any

import torch
from torch import nn

from nlpreg.common.checks import ConfigurationError

# Where the pretrained models of `transformers` keep their word embeddings, by the name of a class that holds them.
_WORD_EMBEDDINGS = {
    "BertEmbeddings": "word_embeddings",
    "RobertaEmbeddings": "word_embeddings",
    "AlbertEmbeddings": "word_embeddings",
    "GPT2Model": "wte",
}


def is_instance_of_named(module: object, class_name: str) -> bool:
    """Whether an object's class, or a class that it derives from, has this name.

    This package lies below the one that defines embedders, and `transformers` may not be installed, so their
    classes are recognised by name.
    """
    return any(cls.__name__ == class_name for cls in type(module).__mro__)


def clone(module: nn.Module, num_copies: int) -> nn.ModuleList:
    """Independent deep copies of a module."""
    return nn.ModuleList(copy.deepcopy(module) for _ in range(num_copies))


def inspect_parameters(module: nn.Module, quiet: bool = False) -> dict[str, Any]:
    """Which parameters are trained, as a dict nested by the parts of their names.

    Args:
        module: the module to describe.
        quiet: do not print the result as JSON.

    Returns:
        Nested dicts with the leaves "tunable" and "frozen".
    """
    result: dict[str, Any] = {}
    for name, parameter in module.named_parameters():
        *path, leaf = name.split(".")
        node = result
        for part in path:
            node = node.setdefault(part, {})
        node[leaf] = "tunable" if parameter.requires_grad else "frozen"
    if not quiet:
        print(json.dumps(result, indent=4))
    return result


def find_text_field_embedder(model: nn.Module) -> nn.Module:
    """The first text field embedder inside a model.

    Raises:
        ValueError: there is none.
    """
    for module in model.modules():
        if is_instance_of_named(module, "TextFieldEmbedder"):
            return module
    raise ValueError(f"{type(model).__name__} has no TextFieldEmbedder among its modules")


def find_embedding_layer(model: nn.Module) -> nn.Module:
    """The module whose output is the embedding of each token.

    That is the word embedding of a pretrained transformer; or the only token embedder of a basic text field
    embedder, if it is a plain embedding; or the text field embedder as a whole.

    Raises:
        RuntimeError: the model has none of these.
    """
    for module in model.modules():
        for class_name, attribute in _WORD_EMBEDDINGS.items():
            if is_instance_of_named(module, class_name):
                embedding: nn.Module = getattr(module, attribute)
                return embedding
    for module in model.modules():
        if not is_instance_of_named(module, "TextFieldEmbedder"):
            continue
        if is_instance_of_named(module, "BasicTextFieldEmbedder"):
            embedders = list(getattr(module, "token_embedders", {}).values())
            if len(embedders) == 1 and is_instance_of_named(embedders[0], "Embedding"):
                sole: nn.Module = embedders[0]
                # With a projection the weight is not what the next layer sees.
                if getattr(sole, "_projection", None) is None:
                    return sole
        return module
    raise RuntimeError(f"{type(model).__name__} has no embedding layer that nlpreg knows of")


def extend_layer(layer: nn.Module, new_dim: int) -> None:
    """Give a `Linear` or `Bilinear` layer more outputs, in place; the old ones keep their weights.

    Args:
        layer: the layer; new rows are drawn Xavier-uniform, new biases are zero.
        new_dim: number of outputs afterwards, not smaller than before.

    Raises:
        ConfigurationError: the layer is of another type, or has more outputs already.
    """
    if not isinstance(layer, (nn.Linear, nn.Bilinear)):
        raise ConfigurationError(
            f"only Linear and Bilinear layers can be extended, got {type(layer).__name__}"
        )
    num_new = new_dim - layer.out_features
    if num_new < 0:
        raise ConfigurationError(f"the layer has {layer.out_features} outputs already, more than {new_dim}")
    if num_new == 0:
        return
    with torch.no_grad():
        weight = layer.weight
        rows = weight.new_empty(num_new, *weight.shape[1:])
        nn.init.xavier_uniform_(rows)
        layer.weight = nn.Parameter(torch.cat([weight, rows]), requires_grad=weight.requires_grad)
        if layer.bias is not None:
            bias = layer.bias
            layer.bias = nn.Parameter(
                torch.cat([bias, bias.new_zeros(num_new)]), requires_grad=bias.requires_grad
            )
    layer.out_features = new_dim
