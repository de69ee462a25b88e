"""The base of the parts of transformers: it takes the weights of the same part of a pretrained model."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from nlpreg.common import cached_transformers
from nlpreg.common.checks import ConfigurationError

T = TypeVar("T", bound="TransformerModule")


class TransformerModule(nn.Module):
    """A part of a transformer.

    Subclasses implement `_from_config` and say by class attributes where their weights are in models of the `transformers`
    library.
    """

    _pretrained_mapping: ClassVar[dict[str, str]] = {}
    """A component of a weight's name in a pretrained model -> what it is called here; those of all submodules count."""

    _pretrained_relevant_module: ClassVar[str | Sequence[str] | None] = None
    """Path of this part in a pretrained model; the first that is there of several."""

    _pretrained_ignore: ClassVar[Sequence[str]] = ()
    """Regular expressions of names in a pretrained model that have no counterpart here."""

    @classmethod
    def _from_config(cls: type[T], config: Any, **kwargs: Any) -> T:
        """Build this part in the sizes of a pretrained model's configuration.

        Args:
            config: a `transformers.PretrainedConfig`.
            kwargs: constructor arguments that replace those of the configuration.
        """
        raise NotImplementedError

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
        """Build this part as it is in a pretrained model.

        Args:
            model_name: name on the hub, or folder.
            load_weights: whether to load its weights; false for the sizes alone.
            weights_path: path or URL of a state dict to load instead of the pretrained weights.
            auto_config_kwargs: further arguments for loading the model.
            mapping: replaces the class's own; see `_pretrained_mapping`.
            relevant_module: replaces the class's own path or paths in the model.
            ignore: replaces the class's own patterns of names to leave out.
            strict: whether every weight of this part, and no other, has to be there.
            kwargs: constructor arguments that replace those of the model's configuration.

        Raises:
            ConfigurationError: no path leads to this part.
            RuntimeError: `strict`, and the names of weights do not fit; or a shape does not.
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
                theirs: ours
                for part in module.modules()
                if isinstance(part, TransformerModule)
                for theirs, ours in part._pretrained_mapping.items()
            }
        patterns = cls._pretrained_ignore if ignore is None else ignore
        weights: dict[str, Tensor] = {}
        for name, weight in model.state_dict().items():
            if name.startswith(prefix):
                own_name = name[len(prefix) :]
                if not any(re.match(pattern, own_name) for pattern in patterns):
                    weights[".".join(mapping.get(step, step) for step in own_name.split("."))] = weight
        module.load_state_dict(weights, strict=strict)
        return module


def _prefix_of(model: nn.Module, paths: Sequence[str], model_name: str) -> str:
    """What the names of the first part that is there begin with."""
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
    """torch's layer normalisation, which also takes weights under the names `gamma` and `beta`."""

    _pretrained_mapping: ClassVar[dict[str, str]] = {"gamma": "weight", "beta": "bias"}


def apply_mask(values: Tensor, mask: Tensor) -> Tensor:
    """Lower the attention scores of positions that are not to be seen to the least finite value.

    Args:
        values: scores, (B, heads, T, S).
        mask: true for what may be seen, (B, S), or anything that broadcasts against the scores; numbers 0 and 1 are taken too.
    """
    if mask.dim() == 2:
        mask = mask[:, None, None, :]
    return values.masked_fill(~mask.bool(), torch.finfo(values.dtype).min)
