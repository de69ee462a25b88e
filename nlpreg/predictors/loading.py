"""`nlpreg.load`: a predictor from a path, an installed package or the Hugging Face hub."""

import importlib.util
import os
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.predictors.predictor import Predictor

ARCHIVE_NAME = "model.tar.gz"
_HUB = "hf://"


def load(
    model: str | os.PathLike[str],
    cuda_device: int = -1,
    predictor: str | None = None,
    allow_remote: bool = False,
    **options: Any,
) -> Predictor:
    """The predictor of a trained model.

    Args:
        model: path or URL of an archive, the folder of a run, the name of a package that `nlpreg package` made, or
            `hf://OWNER/NAME` of a model on the Hugging Face hub.
        cuda_device: number of a GPU, or -1 for the CPU.
        predictor: registered name of the predictor; by default the model's own.
        allow_remote: whether the config of the archive may name URLs and files outside of it.
        **options: further arguments of the predictor's constructor.

    Raises:
        ConfigurationError: there is neither such a path nor such a package.
        FileNotFoundError: there is no such archive at that URL.
    """
    return Predictor.from_path(
        archive_path(model),
        predictor_name=predictor,
        cuda_device=cuda_device,
        allow_remote=allow_remote,
        **options,
    )


def archive_path(model: str | os.PathLike[str]) -> str:
    """Path or URL of the archive that a name stands for, as in `load`.

    Raises:
        ConfigurationError: it stands for none.
    """
    name = os.fspath(model)
    if name.startswith(_HUB):
        is_repository = name.removeprefix(_HUB).strip("/").count("/") == 1
        return f"{name.rstrip('/')}/{ARCHIVE_NAME}" if is_repository else name
    if "://" in name or os.path.exists(os.path.expanduser(name)):
        return name
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        path = os.path.join(folder, ARCHIVE_NAME)
        if os.path.isfile(path):
            return path
    what = (
        f"the package {name} holds no {ARCHIVE_NAME}"
        if spec is not None
        else "there is no such file or package"
    )
    raise ConfigurationError(
        f"{name}: {what}; expected a path or URL of an archive, the name of a package made by `nlpreg package`, or "
        "hf://OWNER/NAME"
    )
