"""Pretrained transformers and their tokenizers, loaded once per process."""

import contextlib
import copy
import logging
import os
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nlpreg.common import logging as common_logging
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config import untrusted
from nlpreg.common.file_utils import cached_path
from nlpreg.common.imports import optional
from nlpreg.common.tqdm import is_terminal

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

_models: dict[tuple[object, ...], Any] = {}
_tokenizers: dict[tuple[object, ...], Any] = {}


def get(
    model_name: str,
    make_copy: bool,
    override_weights_file: str | None = None,
    override_weights_strip_prefix: str | None = None,
    reinit_modules: int | tuple[int, ...] | tuple[str, ...] | None = None,
    load_weights: bool = True,
    **kwargs: Any,
) -> Any:
    """Load a model of the `transformers` library, or return it from the cache of this process.

    Args:
        model_name: name on the hub, or folder.
        make_copy: whether to return a deep copy; required if the model will be changed or trained.
        override_weights_file: path or URL of a state dict to load instead of the pretrained weights.
        override_weights_strip_prefix: prefix of the names in that file; names without it are skipped.
        reinit_modules: what to reinitialize: the last n layers, the layers with these indices, or the modules whose names match
            one of these regular expressions.
        load_weights: whether to load weights; if false, the model is built from its configuration only.
        kwargs: passed to `from_pretrained`.

    Raises:
        ValueError: no name in the weights file has the prefix, or there is no such layer.
    """
    model_name = _located(model_name)
    reinit = tuple(reinit_modules) if isinstance(reinit_modules, list) else reinit_modules
    key = (
        model_name,
        override_weights_file,
        override_weights_strip_prefix,
        reinit,
        load_weights,
        _as_key(kwargs),
    )
    if key not in _models:
        model = _load(model_name, override_weights_file, override_weights_strip_prefix, load_weights, kwargs)
        if reinit is not None:
            _reinitialize(model, reinit)
        _models[key] = model
    return copy.deepcopy(_models[key]) if make_copy else _models[key]


def get_tokenizer(model_name: str, **kwargs: Any) -> Any:
    """Load the tokenizer of a transformer, or return it from the cache of this process.

    Args:
        model_name: name on the hub, or folder.
        kwargs: passed to `from_pretrained`.
    """
    model_name = _located(model_name)
    key = (model_name, _as_key(kwargs))
    if key not in _tokenizers:
        _tokenizers[key] = load_pretrained("AutoTokenizer", model_name, **kwargs)
    return _tokenizers[key]


def load_pretrained(auto_class: str, model_name: str, **kwargs: Any) -> Any:
    """Call `auto_class.from_pretrained` and turn its errors into one that says what to do.

    While the config of an archive is being built, only files of the archive and files that the library has already cached are
    loaded.

    Args:
        auto_class: the library's class, such as `AutoModel`.
        model_name: name on the hub, or folder.
        kwargs: passed to `from_pretrained`.

    Raises:
        ConfigurationError: the name is neither a folder nor a model that can be reached on the hub; or the config of an archive
            names something that it may not access.
    """
    transformers = optional("transformers", extra="transformers")
    model_name = _located(model_name)
    restricted = untrusted.is_restricted()
    if restricted:
        untrusted.check_arguments(kwargs)
        # Without `trust_remote_code` the library asks at the terminal whether it may run code that came with a model.
        kwargs = {**kwargs, "local_files_only": True, "trust_remote_code": False}
    try:
        with untrusted.hub_offline_unless_allowed("huggingface_hub.constants"), _without_bars(transformers):
            return getattr(transformers, auto_class).from_pretrained(model_name, **kwargs)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        if restricted and not os.path.exists(model_name):
            raise untrusted.refusal(
                f"model_name: {model_name!r}",
                f"the files of that model are not in the cache of transformers ({reason})",
            ) from error
        if os.path.exists(model_name) or isinstance(error, ValueError):
            raise
        raise ConfigurationError(
            f"model_name: {model_name!r} is not a folder in {os.getcwd()}, and loading it from the hub failed: {reason} "
            "If the folder has moved, give its new path as model_name, for an archive by --overrides; the same in the "
            "indexer, the tokenizer and the embedder"
        ) from error


@contextlib.contextmanager
def _without_bars(transformers: ModuleType) -> Iterator[None]:
    """Within the block the library shows no progress bars unless standard error is a terminal that may have some."""
    library = transformers.utils.logging
    shows_bars = not common_logging.WITHOUT_BARS and is_terminal(sys.stderr)
    if shows_bars or not library.is_progress_bar_enabled():
        yield
        return
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.enable_progress_bar()


def _located(model_name: str) -> str:
    """The folder of this name in the archive whose config is being built, if it exists; else the name itself.

    Raises:
        ConfigurationError: it is a path or URL that this config may not access.
    """
    origin = untrusted.current_origin()
    if origin is not None:
        inside = os.path.join(origin.folder, model_name)
        if os.path.isdir(inside):
            model_name = inside
        if os.path.exists(model_name) or "://" in model_name:
            untrusted.check_resource(model_name)
    return model_name


def _as_key(arguments: dict[str, Any]) -> str:
    """The arguments as a hashable cache key; they may hold lists and dictionaries."""
    return repr(sorted(arguments.items()))


def _load(
    model_name: str, weights_file: str | None, prefix: str | None, load_weights: bool, kwargs: dict[str, Any]
) -> Any:
    """Load a model, with its own weights, others, or none."""
    if load_weights and weights_file is None:
        return load_pretrained("AutoModel", model_name, **kwargs)
    config = load_pretrained("AutoConfig", model_name, **kwargs)
    transformers = optional("transformers", extra="transformers")
    model = transformers.AutoModel.from_config(config)
    if load_weights and weights_file is not None:
        weights = _read_weights(weights_file, prefix)
        missing, unexpected = model.load_state_dict(weights, strict=False)
        if missing or unexpected:
            logger.warning(
                "%s: %s has no weights for %s, and weights that the model lacks for %s",
                model_name, weights_file, missing, unexpected,
            )  # fmt: skip
    return model


def _read_weights(weights_file: str, prefix: str | None) -> "dict[str, torch.Tensor]":
    """Read a state dict and strip the prefix from its names."""
    import torch

    weights: dict[str, torch.Tensor] = torch.load(
        cached_path(weights_file), map_location="cpu", weights_only=True
    )
    if prefix is None:
        return weights
    stripped = {name[len(prefix) :]: tensor for name, tensor in weights.items() if name.startswith(prefix)}
    if not stripped:
        raise ValueError(
            f"{weights_file}: expected names that start with {prefix!r}, got {sorted(weights)[:5]} and so on"
        )
    return stripped


def _reinitialize(model: Any, which: int | tuple[int, ...] | tuple[str, ...]) -> None:
    """Reinitialize the weights of some parts of a model."""
    if isinstance(which, int):
        if which == 0:
            return
        which = tuple(range(-which, 0))
    modules = []
    for item in which:
        if isinstance(item, str):
            modules += [module for name, module in model.named_modules() if re.search(item, name)]
        else:
            layers = _layers(model)
            if not -len(layers) <= item < len(layers):
                raise ValueError(
                    f"reinit_modules: expected layers of a model that has {len(layers)}, got {item}"
                )
            modules.append(layers[item])
    for module in modules:
        for part in (*module.modules(), *module.parameters(), *module.buffers()):
            # The library flags the modules that it has loaded, and does not initialize them again.
            if hasattr(part, "_is_hf_initialized"):
                part._is_hf_initialized = False
        module.apply(model._init_weights)


def _layers(model: Any) -> Any:
    """The list of a model's layers."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == model.config.num_hidden_layers:
            return module
    raise ValueError(
        f"reinit_modules: no list of layers was found in {type(model).__name__}; name modules instead"
    )
