"""Random seeds and spaCy models."""

import logging
import random
from typing import TYPE_CHECKING, Any

from nlpreg.common.checks import ConfigurationError, log_pytorch_version_info
from nlpreg.common.config.untrusted import check_resource, current_origin
from nlpreg.common.imports import optional

if TYPE_CHECKING:
    from nlpreg.common.params import Params


logger = logging.getLogger(__name__)

SEED_DEFAULTS = {"random_seed": 13370, "numpy_seed": 1337, "pytorch_seed": 133}

LOADED_SPACY_MODELS: dict[tuple[str, bool, bool, bool], Any] = {}


def prepare_environment(params: "Params") -> None:
    """Seed all random number generators from the config.

    `random_seed` (13370), `numpy_seed` (1337) and `pytorch_seed` (133) are popped from `params`; the first one also determines
    the order of the data. With `null`, a generator is not seeded.
    """
    seed, numpy_seed, torch_seed = (params.pop_int(key, default) for key, default in SEED_DEFAULTS.items())
    if seed is not None:
        random.seed(seed)
        set_run_seed(seed)
    if numpy_seed is not None:
        import numpy

        numpy.random.seed(numpy_seed)
    if torch_seed is not None:
        import torch

        torch.manual_seed(torch_seed)  # also seeds all GPUs, once they are used
    log_pytorch_version_info()


def get_spacy_model(
    spacy_model_name: str, pos_tags: bool = True, parse: bool = False, ner: bool = False
) -> Any:
    """Load a spaCy model with only the requested pipes, once per process.

    A model that is not installed is downloaded by spaCy.

    Args:
        spacy_model_name: name of an installed model, or a folder.
        pos_tags: whether to tag parts of speech.
        parse: whether to parse.
        ner: whether to find named entities.

    Raises:
        ConfigurationError: spaCy is not installed, or the model is not installed and cannot be downloaded.
    """
    key = (spacy_model_name, pos_tags, parse, ner)
    if key not in LOADED_SPACY_MODELS:
        disable = ["vectors", "textcat"]
        disable += [] if pos_tags else ["tagger"]
        disable += [] if parse else ["parser"]
        disable += [] if ner else ["ner"]
        LOADED_SPACY_MODELS[key] = _load_spacy_model(spacy_model_name, disable)
    return LOADED_SPACY_MODELS[key]


def _load_spacy_model(name: str, disable: list[str]) -> Any:
    advice = 'or use a tokenizer that needs no model, as in "tokenizer": "whitespace"'
    try:
        spacy = optional("spacy", extra="spacy")
    except ImportError as error:
        raise ConfigurationError(f'spaCy model "{name}": {error}; {advice}') from error
    if current_origin() is not None and name not in spacy.util.get_installed_models():
        check_resource(name)  # loading it could import, or even install, any package that it names
    try:
        return spacy.load(name, disable=disable)
    except OSError:
        logger.warning('spaCy model "%s" is not installed; downloading it', name)
    cli = optional("spacy.cli", extra="spacy")
    try:
        cli.download(name)
        return spacy.load(name, disable=disable)
    except (Exception, SystemExit) as error:  # spaCy's download exits the process on failure
        raise ConfigurationError(
            f'spaCy model "{name}" is not installed and could not be downloaded ({error}): '
            f"install it by `python -m spacy download {name}`, {advice}"
        ) from error


_run_seed = SEED_DEFAULTS["random_seed"]


def set_run_seed(seed: int) -> None:
    """Set the seed of data order; `prepare_environment` does so from the config's `random_seed`."""
    global _run_seed
    _run_seed = seed


def run_seed() -> int:
    """The seed of data order: the order of epoch *e* on rank *r* is a function of (this, e, r) alone."""
    return _run_seed
