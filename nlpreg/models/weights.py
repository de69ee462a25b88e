"""Weights from a file into a model: tensors only, never code, and every mismatch said."""

import logging
import os
import pickle
import re
import warnings
import zipfile
from typing import Any

import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.digests import DamagedFileError, check_digests, read_digests
from nlpreg.common.files import damage_in_zip
from nlpreg.common.util import first_sentence

logger = logging.getLogger(__name__)

_MAX_NAMES_SHOWN = 8


class ArchiveError(ConfigurationError, RuntimeError):
    """An archive, or a file in it, is missing, damaged, hostile or does not fit its model."""


def read_weights(path: str, device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
    """Read a state dict, as `torch.save` writes it.

    Args:
        path: the file.
        device: where the tensors go.

    Raises:
        ArchiveError: the file is missing, damaged, or holds anything but a dictionary of tensors.
    """
    if not os.path.isfile(path):
        raise ArchiveError(f"{path}: there is no such weights file")
    _refuse_compressed_members(path)
    verify_weights(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about formats; what cannot be read is an error below
            state: Any = torch.load(path, map_location=device, weights_only=True)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except pickle.UnpicklingError as error:
        raise ArchiveError(
            f"{path}: refused, because the file is damaged or holds more than tensors and plain values, and such "
            f"objects can run code when they are loaded; {first_sentence(error)}"
        ) from error
    except Exception as error:  # a damaged file makes the unpickler stumble in any way
        raise ArchiveError(
            f"{path}: the weights cannot be read, so the file is damaged or truncated ({first_sentence(error)}); "
            "copy or train it again"
        ) from error
    if not isinstance(state, dict):
        raise ArchiveError(f"{path}: expected a dictionary of tensors, got a {type(state).__name__}")
    for name, value in state.items():
        if not (isinstance(name, str) and isinstance(value, torch.Tensor)):
            raise ArchiveError(
                f"{path}: expected a dictionary of tensors, but {name!r} is a {type(value).__name__}; "
                "a training state is not a weights file"
            )
    return state


def verify_weights(path: str) -> None:
    """Make sure that weights are what was written.

    By the digest recorded beside it; else by the checksums that a zip file holds, which is what torch writes since 1.6.

    Raises:
        ArchiveError: they are not.
    """
    folder, name = os.path.split(path)
    try:
        if name in read_digests(folder):
            check_digests(folder, [name])
            return
    except DamagedFileError as error:
        raise ArchiveError(f"the weights are not what was written: {error}") from error
    if (damage := damage_in_zip(path)) is not None:
        raise ArchiveError(
            f"{path}: the weights are not what was written, so the file is damaged ({damage}); copy or train it again"
        )


def _is_finite(value: torch.Tensor) -> bool:
    # quantized, complex and other types that cannot be tested pass
    return not value.is_floating_point() or bool(torch.isfinite(value.float()).all())


def load_weights(model: torch.nn.Module, path: str, device: torch.device | str = "cpu") -> None:
    """Load a file's weights into `model`, all of them and nothing else.

    A parameter that the file lacks is forgiven if the module that owns it, or one above, matches its name by a regex
    of the class attribute `authorized_missing_keys`. A model whose state may have any size, such as one that counts, has
    a method `make_room_for(state)`, which is called first.

    Raises:
        ArchiveError: names or shapes differ; the message lists them.
    """
    state = read_weights(path, device)
    make_room_for = getattr(model, "make_room_for", None)
    if make_room_for is not None:
        make_room_for(state)
    own = model.state_dict()
    shapes = [
        f"{name} is {tuple(state[name].shape)} in the file and {tuple(tensor.shape)} in the model"
        for name, tensor in own.items()
        if name in state and isinstance(tensor, torch.Tensor) and state[name].shape != tensor.shape
    ]
    if shapes:
        raise ArchiveError(f"{path}: the weights are of another shape than the model: {_some(shapes)}")
    complex_names = [
        name for name in own if name in state and state[name].is_complex() and not own[name].is_complex()
    ]
    if complex_names:
        raise ArchiveError(f"{path}: complex numbers, where the model has real ones: {_some(complex_names)}")
    try:
        missing, unexpected = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ArchiveError(f"{path}: the weights do not fit the model: {error}") from error
    missing = [name for name in missing if not _is_authorized(model, name)]
    differences = (("the file lacks", missing), ("the model has no", unexpected))
    if problems := [f"{what} {_some(names)}" for what, names in differences if names]:
        raise ArchiveError(
            f"{path}: the weights do not fit the model: {'; '.join(problems)}. "
            "Use the config that the weights were trained with"
        )
    # only now, when shapes are known to be those of the model: a few bytes in a file can stand for any number of values
    not_finite = [name for name, value in state.items() if not _is_finite(value)]
    if not_finite:
        logger.warning("%s: NaN or infinite weights: %s", path, _some(not_finite))


def _is_authorized(model: torch.nn.Module, name: str) -> bool:
    """Whether a module on the way to `name` allows a file to lack it."""
    module: Any = model
    steps = name.split(".")
    for position in range(len(steps)):
        patterns = getattr(module, "authorized_missing_keys", None) or ()
        rest = ".".join(steps[position:])
        if any(re.search(pattern, rest) for pattern in patterns):
            return True
        module = getattr(module, steps[position], None)
    return False


def _refuse_compressed_members(path: str) -> None:
    """Torch stores tensors uncompressed; a compressed member could unpack to any size."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as file:
            members = file.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise ArchiveError(
            f"{path}: the weights cannot be read, so the file is damaged or truncated ({error})"
        ) from error
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ArchiveError(
            f"{path}: refused, because its contents are compressed, which torch.save never does"
        )


def _some(items: list[str]) -> str:
    rest = len(items) - _MAX_NAMES_SHOWN
    return ", ".join(items[:_MAX_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
