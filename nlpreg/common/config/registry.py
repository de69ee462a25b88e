"""The registries: tables of names and classes. Imports only the standard library."""

import importlib
import logging
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from nlpreg.common.checks import ConfigurationError, did_you_mean
from nlpreg.common.config.hints import resolve_annotations
from nlpreg.common.config.untrusted import current_origin
from nlpreg.common.imports import import_failure

logger = logging.getLogger(__name__)

REGISTRY: defaultdict[type, dict[str, tuple[Any, str | None]]] = defaultdict(dict)
"""Base class -> registered name -> (class or function, name of a constructor classmethod or None)."""


_GIVES_WAY: dict[str, frozenset[str]] = {
    base: frozenset(names.split())
    for base, names in {
        "Model": """bcn bidirectional-language-model crf_tagger hmm_tagger language_model masked_language_model next_token_lm
            transformer_classification_tt""",
        "DatasetReader": """boolq ccgbank conll2000 conll2003 masked_language_modeling next_token_lm ontonotes_ner
            simple_language_modeling sst_tokens""",
        "Predictor": "language_model masked_language_model next_token_lm",
        "Seq2SeqEncoder": "awd_lstm bidirectional_language_model_transformer transformer_lm",
        "TokenEmbedder": "bidirectional_lm_token_embedder language_model_token_embedder",
        "LanguageModelHead": "bert gpt2 linear",
    }.items()
}
"""Base -> built-in names that AllenNLP itself did not have, but its companion package or nlpreg does. A plugin written for
AllenNLP may register its own class under such a name, to which its configs refer."""


def add_to_registry(base: type, name: str, cls: Any, constructor: str | None, exist_ok: bool) -> None:
    """Register a class under a name.

    For the names in `_GIVES_WAY`, a class of a plugin takes precedence over a built-in one, in any order of registration.

    Raises:
        ConfigurationError: the name is taken and `exist_ok` is false.
    """
    names = REGISTRY[base]
    if name in names:
        present = names[name][0]
        if name in _GIVES_WAY.get(base.__name__, ()) and is_built_in(cls) != is_built_in(present):
            own, other = (present, cls) if is_built_in(cls) else (cls, present)
            logger.info(
                "%s %r is %s, a plugin's, not the built-in %s",
                base.__name__,
                name,
                _full_name(own),
                _full_name(other),
            )
            if own is cls:
                names[name] = (cls, constructor)
            return
        if not exist_ok:
            raise ConfigurationError(
                f"cannot register {_full_name(cls)} as {base.__name__} {name!r}: the name is taken by "
                f"{_full_name(present)}; choose another name, or pass exist_ok=True to replace it"
            )
        logger.info("%s replaces %s as %s %r", _full_name(cls), _full_name(present), base.__name__, name)
    names[name] = (cls, constructor)
    if isinstance(cls, type):
        # for tools that call `inspect.signature` without evaluating strings
        resolve_annotations(getattr(cls, constructor or "__init__"))


def is_built_in(cls: Any) -> bool:
    """Whether a class or function is part of nlpreg, not of a plugin or another library."""
    return str(getattr(cls, "__module__", "")).partition(".")[0] == "nlpreg"


def names_of(base: type, default: str | None) -> list[str]:
    """The registered names in order of registration, the default first.

    Raises:
        ConfigurationError: the default is not registered.
    """
    names = list(REGISTRY[base])
    if default is None:
        return names
    if default not in names:
        raise ConfigurationError(
            f"{base.__name__}: the default implementation {default!r} is not registered (registered: {names})"
        )
    return [default, *(name for name in names if name != default)]


def registered_names(cls: Any) -> dict[str, str | None]:
    """The names under which a class is registered, in order of registration: name -> constructor classmethod or None."""
    return {
        name: constructor
        for base in getattr(cls, "__mro__", ())
        for name, (known, constructor) in REGISTRY.get(base, {}).items()
        if known is cls
    }


def find_registered(base: type, name: str) -> tuple[Any, str | None]:
    """Find the class, and the name of its constructor, of a registered or fully qualified name.

    `-` and `_` are equivalent unless that is ambiguous. A fully qualified class is imported, except for the config of an
    archive, which may only name a subclass of `base` whose module is already loaded.

    Raises:
        ConfigurationError: there is no such name, module or class; or an archive's config may not use it.
    """
    names = REGISTRY[base]
    if name in names:
        return names[name]
    # a dot: a fully qualified class name, which need not be registered
    if _FULL_NAME.fullmatch(name):
        return (_imported(base, name) if current_origin() is None else _loaded(base, name)), None
    # AllenNLP uses both: `gated-cnn-encoder`, `cnn_highway`
    alike = [known for known in names if known.replace("-", "_") == name.replace("-", "_")]
    if len(alike) == 1:
        return names[alike[0]]
    others = sorted(other.__name__ for other, known in REGISTRY.items() if name in known)
    elsewhere = f": it is a {' and a '.join(others)}" if others else ""
    suggestion = "" if others else did_you_mean(name, names)
    raise ConfigurationError(
        f'"{name}" is not a registered {base.__name__}{elsewhere}'
        + (suggestion or f" (known: {', '.join(sorted(names)) or 'none'}).")
        + " For a class of your own, name its module with --include-package or in the file .nlpreg_plugins, "
        "or write its full name, such as my_package.my_module.MyClass"
    )


_FULL_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def _imported(base: type, name: str) -> Any:
    module_name, attribute = name.rsplit(".", 1)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # the module's own code may raise anything
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and (module_name + ".").startswith(missing + "."):
            raise ConfigurationError(
                f'"{name}" is not a registered {base.__name__}, and there is no module {missing!r} to import; '
                "check the spelling, and that it can be imported from here"
            ) from error
        raise ConfigurationError(
            f"{module_name!r}, imported for {name!r}, failed: {import_failure(error)}"
        ) from error
    if not hasattr(module, attribute):
        raise ConfigurationError(
            f"{module_name!r} was imported for {name!r}, but has no {attribute!r}"
            + did_you_mean(attribute, vars(module))
        )
    found = getattr(module, attribute)
    if not callable(found):
        raise ConfigurationError(
            f"{name!r} is a {type(found).__name__}; expected a class that is a {base.__name__}"
        )
    return found


def _loaded(base: type, name: str) -> type:
    """Find the class of a full name in an untrusted config without running code."""
    module_name, attribute = name.rsplit(".", 1)
    # `vars`, because `getattr` would run the `__getattr__` of a module that imports lazily
    found = vars(sys.modules[module_name]).get(attribute) if module_name in sys.modules else None
    if isinstance(found, type) and issubclass(found, base):
        return found
    for cls, _ in REGISTRY[base].values():
        # AllenNLP's archives may name a class by the package that exports it
        if (
            isinstance(cls, type)
            and cls.__name__ == attribute
            and cls.__module__.startswith(module_name + ".")
        ):
            return cls
    origin = current_origin()
    package = name.partition(".")[0]
    raise ConfigurationError(
        f'"{name}" is refused: the config of the archive {origin.name if origin else ""} may only name registered classes, '
        f"and a {base.__name__} is expected here; if it is a class of your own package, add "
        f"--include-package {package} (in Python: import {package} first)"
    )


def _full_name(cls: Any) -> str:
    return f"{getattr(cls, '__module__', '?')}.{getattr(cls, '__qualname__', cls)}"


SpecialKey = Callable[[Any, Any, str], Any]
"""Handler of a special key: called with (value, annotation of the argument, key path), returns the object."""

SPECIAL_KEYS: dict[str, SpecialKey] = {}

SPECIAL_SECTIONS: dict[str, Any] = {}
"""Special key -> a class or function whose parameters are the keys allowed below it."""
