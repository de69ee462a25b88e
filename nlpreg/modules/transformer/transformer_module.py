"""Base class of transformer modules that can load the weights of a pretrained model."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from nlpreg.common import cached_transformers
from nlpreg.common.checks import ConfigurationError

T = TypeVar("T", bound="TransformerModule")


class TransformerModule(nn.Module):
    """Base class of transformer modules.

    Subclasses implement `_from_config`. Their class attributes describe where models of the `transformers` library keep
    the weights of the module.
    """

    _pretrained_mapping: ClassVar[dict[str, str]] = {}
    """Component of a parameter name in a pretrained model -> the component here; the mappings of all submodules are merged."""

    _pretrained_relevant_module: ClassVar[str | Sequence[str] | None] = None
    """Dotted path of this module in a pretrained model; of several paths, the first that exists."""

    _pretrained_ignore: ClassVar[Sequence[str]] = ()
    """Regular expressions for parameter names of a pretrained model that have no counterpart here."""

    @classmethod
    def _from_config(cls: type[T], config: Any, **kwargs: Any) -> T:
        """Build this module from the configuration of a pretrained model.

        Args:
            config: a `transformers.PretrainedConfig`.
            kwargs: constructor arguments that replace those of the configuration.
        """
        raise NotImplementedError(f"{cls.__name__} does not implement _from_config")

    @classmethod
    def from_pretrained_module(
        cls: type[T],
        model_name: str,
        *,
        load_weights: bool = True,
        weights_path: str | None = None,
        auto_config_kwargs: Mapping[str, Any] | None = None,
        mapping: Mapping[str, str] | None = None,
        relevant_module: str | Sequence[str] | None = None,
        ignore: Sequence[str] | None = None,
        strict: bool = True,
        **kwargs: Any,
    ) -> T:
        """Build this module with the configuration and the weights of a pretrained model.

        Args:
            model_name: name on the hub, or folder.
            load_weights: whether to load the weights; if false, only the configuration is used.
            weights_path: path or URL of a state dict to load instead of the pretrained weights.
            auto_config_kwargs: further arguments for loading the model.
            mapping: overrides the mapping of the class, see `_pretrained_mapping`.
            relevant_module: overrides the path or paths of the class.
            ignore: overrides the patterns of ignored names of the class.
            strict: whether the parameter names must match exactly.
            kwargs: constructor arguments that replace those of the model's configuration.

        Raises:
            ConfigurationError: the model has none of the paths.
            RuntimeError: parameter names do not match and `strict` is true, or shapes do not match.
        """
        model = cached_transformers.get(
            model_name,
            make_copy=False,
            override_weights_file=weights_path,
            load_weights=load_weights,
            **(auto_config_kwargs or {}),
        )
        module = cls._from_config(model.config, **kwargs)
        if not load_weights:
            return module
        paths = cls._pretrained_relevant_module if relevant_module is None else relevant_module
        prefix = _prefix_of(model, [paths] if isinstance(paths, str) else list(paths or [""]), model_name)
        if mapping is None:
            mapping = {
                pretrained_name: name
                for part in module.modules()
                if isinstance(part, TransformerModule)
                for pretrained_name, name in part._pretrained_mapping.items()
            }
        patterns = cls._pretrained_ignore if ignore is None else ignore
        weights: dict[str, Tensor] = {}
        for name, weight in model.state_dict().items():
            if name.startswith(prefix):
                own_name = name[len(prefix) :]
                if not any(re.match(pattern, own_name) for pattern in patterns):
                    weights[".".join(mapping.get(part, part) for part in own_name.split("."))] = weight
        module.load_state_dict(weights, strict=strict)
        return module


def _prefix_of(model: nn.Module, paths: Sequence[str], model_name: str) -> str:
    """The name prefix of the first path that exists in the model."""
    for path in paths:
        try:
            model.get_submodule(path)
        except AttributeError:
            continue
        return f"{path}." if path else ""
    raise ConfigurationError(
        f"relevant_module: {model_name} has none of {list(paths)}; it has {[name for name, _ in model.named_children()]}"
    )


class LayerNorm(nn.LayerNorm, TransformerModule):
    """`torch.nn.LayerNorm` that also loads weights named `gamma` and `beta`."""

    _pretrained_mapping: ClassVar[dict[str, str]] = {"gamma": "weight", "beta": "bias"}


def apply_mask(values: Tensor, mask: Tensor) -> Tensor:
    """Set the attention scores of masked positions to the lowest finite value.

    Args:
        values: scores, (B, heads, T, S).
        mask: true for positions that are attended to, (B, S) or broadcastable to the scores; 0 and 1 are accepted too.
    """
    if mask.dim() == 2:
        mask = mask[:, None, None, :]
    return values.masked_fill(~mask.bool(), torch.finfo(values.dtype).min)
