"""Archives of other versions, and of the library whose archives nlpreg reads: what their names and versions mean here."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

from nlpreg.common.meta import Meta
from nlpreg.models.weights import ArchiveError
from nlpreg.version import VERSION

__all__ = ["check_provenance", "refuse_remote_code", "translate_names"]

_CLASS_NAME = re.compile(r"allennlp(_models)?(\.\w+)+")

_RENAMED = [
    (
        re.compile(r"allennlp_models\.common\.ontonotes\b"),
        "nlpreg.data.dataset_readers.dataset_utils.ontonotes",
    ),
    (re.compile(r"allennlp_models\.\w+\.dataset_readers\b"), "nlpreg.data.dataset_readers"),
    (re.compile(r"allennlp_models\.\w+\.(models|predictors|modules)\b"), r"nlpreg.\1"),
    (re.compile(r"allennlp_models\.\w+\.util\.beam_search_generators\b"), "nlpreg.nn.beam_search_generators"),
    (re.compile(r"allennlp(_models)?\b"), "nlpreg"),
]
"""Old module names and where the same things are here; the first that matches counts."""

_KEYS_OF_0X = {
    "iterator": 'the section "data_loader"',
    "validation_iterator": 'the section "validation_data_loader"',
}


def translate_names(config: Any) -> Any:
    """A copy of a config in which full class names of AllenNLP are those of nlpreg.

    Full class names stand under `type`; any other value that looks like one, such as the bare form of a `type`, is
    translated if its last part is capitalized as classes are.
    """
    if isinstance(config, Mapping):
        return {key: _translated(value, key == "type") for key, value in config.items()}
    return _translated(config, False)


def _translated(value: Any, is_type: bool) -> Any:
    if isinstance(value, Mapping):
        return translate_names(value)
    if isinstance(value, list):
        return [_translated(item, False) for item in value]
    if not (isinstance(value, str) and _CLASS_NAME.fullmatch(value)):
        return value
    if not is_type and not value.rpartition(".")[2][:1].isupper():
        return value
    for pattern, replacement in _RENAMED:
        new, count = pattern.subn(replacement, value, count=1)
        if count:
            return new
    return value


def refuse_remote_code(config: Any, archive: str) -> None:
    """Refuse an archived config that asks other libraries to run code from the network.

    Raises:
        ArchiveError: it sets `trust_remote_code` somewhere.
    """
    values = config.values() if isinstance(config, Mapping) else config if isinstance(config, list) else ()
    if isinstance(config, Mapping) and config.get("trust_remote_code"):
        raise ArchiveError(
            f"{archive}: refused, because its config sets trust_remote_code, which runs code from the network; if you "
            "trust it, change the config in a copy of the archive"
        )
    for value in values:
        refuse_remote_code(value, archive)


def check_provenance(config: Mapping[str, Any], meta: Meta | None, archive: str) -> None:
    """Warn about an archive of a newer nlpreg, and refuse one of AllenNLP 0.x.

    Archives of AllenNLP 1.x and 2.x have the same layout as ours and pass, whatever version they name.

    Raises:
        ArchiveError: the archive is of AllenNLP 0.x, whose configs mean something else.
    """
    old = [key for key in _KEYS_OF_0X if key in config]
    if old:
        raise ArchiveError(
            f"{archive}: this is an archive of AllenNLP 0.x: its config has {', '.join(map(repr, old))}, in place "
            f"of which there is now {_KEYS_OF_0X[old[0]]}. Unpack it, run `nlpreg migrate config.json`, and pack it again"
        )
    if meta is None or not _is_ours(meta):
        return
    theirs, ours = _version(meta.version), _version(VERSION)
    if theirs > ours or theirs[:1] != ours[:1]:
        warnings.warn(
            f"{archive}: made by nlpreg {meta.version}, this is nlpreg {VERSION}; if it does not load, "
            f"pip install 'nlpreg=={meta.version}'",
            stacklevel=3,
        )


def _is_ours(meta: Meta) -> bool:
    """Only our meta files say which Python they were made with."""
    return meta.python_version is not None


def _version(text: str) -> tuple[int, ...]:
    """The leading numbers of a version, comparable as numbers."""
    match = re.match(r"\d{1,9}(\.\d{1,9})*", str(text))
    return tuple(int(part) for part in match.group().split(".")) if match else ()
