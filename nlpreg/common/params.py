"""`Params`: a section of the config."""

import copy
import json
import logging
import os
import zlib
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from typing import Any

from nlpreg.common.checks import ConfigurationError, did_you_mean
from nlpreg.common.config.jsonnet import (
    check_depth,
    evaluate_jsonnet,
    external_variables,
    parse_overrides,
    with_overrides,
)
from nlpreg.common.config.untrusted import Origin, current_origin
from nlpreg.common.files import atomic_write

logger = logging.getLogger(__name__)

_TOP_LEVEL_ORDER = [
    "dataset_reader",
    "iterator",
    "model",
    "train_data_path",
    "validation_data_path",
    "test_data_path",
    "trainer",
    "vocabulary",
]


class Params(MutableMapping[str, Any]):
    """A mapping whose values are popped as objects are built, and that knows its path in the config.

    Every string equal to "None", at any depth, becomes `None`, in `params` itself.

    Args:
        params: the values, not copied.
        history: dotted path of this mapping in the whole config, ending in a dot; empty at the top.
        origin: the archive of an untrusted config; by default that of the config being built, if any.
    """

    DEFAULT = object()

    def __init__(self, params: dict[str, Any], history: str = "", origin: Origin | None = None) -> None:
        self.params: dict[str, Any] = _none_strings_replaced(params)
        self.history = history
        # `Params` created by constructors of an untrusted config are untrusted too
        self.origin = origin or current_origin()

    def pop(self, key: str, default: Any = DEFAULT, keep_as_dict: bool = False) -> Any:
        """Remove `key` and return its value.

        Args:
            key: which.
            default: returned if the key is missing.
            keep_as_dict: return a nested mapping as a plain dict instead of `Params`.

        Raises:
            ConfigurationError: the key is missing and there is no default.
        """
        if key in self.params:
            value = self.params.pop(key)
        elif default is Params.DEFAULT:
            raise ConfigurationError(
                f'key "{self.history}{key}" is required but missing' + did_you_mean(key, self.params)
            )
        else:
            value = default
        if keep_as_dict or _is_dict_free(value):
            logger.info("%s%s = %s", self.history, key, value)
            return value
        return self._wrapped(key, value)

    def pop_int(self, key: str, default: Any = DEFAULT) -> int | None:
        """Pop a value as an int; `None` is kept.

        Raises:
            ValueError: it is not an integer.
        """
        value = self.pop(key, default)
        return None if value is None else int(value)

    def pop_float(self, key: str, default: Any = DEFAULT) -> float | None:
        """Pop a value as a float; `None` is kept.

        Raises:
            ValueError: it is not a number.
        """
        value = self.pop(key, default)
        return None if value is None else float(value)

    def pop_bool(self, key: str, default: Any = DEFAULT) -> bool | None:
        """Pop a value as a bool, also from "true" and "false"; `None` is kept.

        Raises:
            ValueError: it is neither.
        """
        value = self.pop(key, default)
        if value is None or isinstance(value, bool):
            return value
        if value in ("true", "false"):  # a string from an environment variable, by `std.extVar`
            return bool(value == "true")
        raise ValueError(f"{self.history}{key}: expected true or false, got {value!r}")

    def get(self, key: str, default: Any = DEFAULT) -> Any:
        """Return the value of `key` without removing it; `default` if it is missing."""
        if key in self.params:
            return self._wrapped(key, self.params[key])
        return None if default is Params.DEFAULT else default

    def pop_choice(
        self,
        key: str,
        choices: list[Any],
        default_to_first_choice: bool = False,
        allow_class_names: bool = True,
    ) -> Any:
        """Pop a value that must be one of `choices` or a fully qualified class name.

        Args:
            key: which.
            choices: what is allowed.
            default_to_first_choice: whether a missing key means the first choice.
            allow_class_names: whether to accept any string with a dot.

        Raises:
            ConfigurationError: the value is none of them, or missing.
        """
        default = choices[0] if default_to_first_choice else Params.DEFAULT
        value = self.pop(key, default)
        known = value in choices or (allow_class_names and isinstance(value, str) and "." in value)
        if not known:
            raise ConfigurationError(
                f"{self.history}{key}: expected one of {choices}"
                + (" or a class name with dots" if allow_class_names else "")
                + f", got {value!r}"
                + did_you_mean(value, choices)
            )
        return value

    def as_dict(self, quiet: bool = False, infer_type_and_cast: bool = False) -> dict[str, Any]:
        """The plain dict.

        Args:
            quiet: do not log the values.
            infer_type_and_cast: return a copy in which strings that look like numbers or booleans are converted.
        """
        if not quiet:
            for key, value in self.as_flat_dict().items():
                logger.info("%s%s = %s", self.history, key, value)
        return infer_and_cast(self.params) if infer_type_and_cast else self.params

    def as_flat_dict(self) -> dict[str, Any]:
        """Dotted path -> value, for all values; lists are not flattened."""
        flat: dict[str, Any] = {}

        def collect(mapping: dict[str, Any], prefix: str) -> None:
            for key, value in mapping.items():
                if isinstance(value, dict):
                    collect(value, f"{prefix}{key}.")
                else:
                    flat[prefix + key] = value

        collect(self.params, "")
        return flat

    def duplicate(self) -> "Params":
        """A deep copy."""
        return copy.deepcopy(self)

    def assert_empty(self, class_name: str) -> None:
        """Check that every key was used.

        Raises:
            ConfigurationError: some were not.
        """
        if self.params:
            raise ConfigurationError(
                f"{self.history.rstrip('.') or class_name}: {class_name} takes no {sorted(self.params)}; "
                "remove these keys or correct their spelling"
            )

    def __getitem__(self, key: str) -> Any:
        if key not in self.params:
            raise KeyError(key)
        return self._wrapped(key, self.params[key])

    def __setitem__(self, key: str, value: Any) -> None:
        self.params[key] = value

    def __delitem__(self, key: str) -> None:
        del self.params[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.params)

    def __len__(self) -> int:
        return len(self.params)

    def __str__(self) -> str:
        return f"{self.history}Params({self.params})"

    __repr__ = __str__

    def _wrapped(self, key: str, value: Any) -> Any:
        """Mappings become `Params`, also inside lists."""
        if isinstance(value, dict):
            return Params(value, f"{self.history}{key}.", self.origin)
        if isinstance(value, list):
            return [self._wrapped(f"{key}.{i}", item) for i, item in enumerate(value)]
        return value

    @classmethod
    def from_file(
        cls,
        params_file: str | os.PathLike[str],
        params_overrides: str | dict[str, Any] = "",
        ext_vars: dict[str, str] | None = None,
    ) -> "Params":
        """Read a Jsonnet or JSON file.

        Args:
            params_file: path or URL.
            params_overrides: see `parse_overrides` and `with_overrides`.
            ext_vars: values of `std.extVar` in addition to the environment.

        Raises:
            FileNotFoundError: no such file.
            RuntimeError: the Jsonnet is invalid.
            ConfigurationError: the file is not UTF-8, or holds no object; or the overrides are no object.
            ValueError: the path of an override does not exist.
        """
        from nlpreg.common.file_utils import cached_path

        path = cached_path(params_file)
        variables = external_variables(ext_vars)
        value = evaluate_jsonnet(path, read_config_text(path), variables)
        if not isinstance(value, dict):
            raise ConfigurationError(f"{path}: expected an object, got {json.dumps(value)[:60]}")
        if isinstance(params_overrides, str):
            params_overrides = parse_overrides(params_overrides, ext_vars)
        config = with_overrides(value, params_overrides)
        check_depth(config)
        return cls(config)

    def to_file(self, params_file: str, preference_orders: list[list[str]] | None = None) -> None:
        """Write JSON with keys in a readable order; see `as_ordered_dict`."""
        with atomic_write(params_file, "w") as file:
            json.dump(self.as_ordered_dict(preference_orders), file, indent=4)
            file.write("\n")

    def as_ordered_dict(self, preference_orders: list[list[str]] | None = None) -> OrderedDict[str, Any]:
        """A copy with keys sorted at every level by their index in each list of `preference_orders`, then alphabetically.

        Args:
            preference_orders: by default the order of an experiment's sections, then "type" first.
        """
        orders = preference_orders or [_TOP_LEVEL_ORDER, ["type"]]

        def rank(key: str) -> tuple[Any, ...]:
            return (*(order.index(key) if key in order else len(order) for order in orders), key)

        def ordered(mapping: dict[str, Any]) -> OrderedDict[str, Any]:
            return OrderedDict(
                (key, ordered(mapping[key]) if isinstance(mapping[key], dict) else mapping[key])
                for key in sorted(mapping, key=rank)
            )

        return ordered(self.params)

    def get_hash(self) -> str:
        """A short digest that is reproducible across runs."""
        return str(zlib.adler32(json.dumps(self.params, sort_keys=True).encode("utf-8")))


def read_config_text(path: str) -> str:
    """The text of a config file.

    Raises:
        ConfigurationError: it is a folder, or not UTF-8.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except IsADirectoryError as error:
        raise ConfigurationError(f"{path}: expected a config file, got a folder") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path}: a config must be UTF-8 text, but byte {error.start} is not; save the file as UTF-8"
        ) from error


def _is_dict_free(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_dict_free(item) for item in value)
    return not isinstance(value, dict)


def _none_strings_replaced(value: Any) -> Any:
    """Replace "None" by `None` in place, so that the caller's dict changes too."""
    if isinstance(value, dict):
        for key, item in value.items():
            # no key is added, so changing values while iterating is safe
            value[key] = _none_strings_replaced(item)
    elif isinstance(value, list):
        value[:] = [_none_strings_replaced(item) for item in value]
    elif isinstance(value, str) and value == "None":
        return None
    return value


def infer_and_cast(value: Any) -> Any:
    """A copy in which strings that look like booleans or numbers are converted.

    Raises:
        ValueError: a value is not a JSON value, or is null.
    """
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, list):
        return [infer_and_cast(item) for item in value]
    if isinstance(value, dict):
        return {key: infer_and_cast(item) for key, item in value.items()}
    if isinstance(value, str):
        if value.lower() in ("true", "false"):
            return value.lower() == "true"
        for number in (int, float):
            try:
                return number(value)
            except ValueError:
                continue
        return value
    raise ValueError(f"cannot infer the type of {value!r}")


def pop_choice(
    params: dict[str, Any],
    key: str,
    choices: list[Any],
    default_to_first_choice: bool = False,
    history: str = "?.",
    allow_class_names: bool = True,
) -> Any:
    """`Params.pop_choice` for a plain dict."""
    return Params(params, history).pop_choice(key, choices, default_to_first_choice, allow_class_names)


def remove_keys_from_params(params: Params, keys: list[str] = ["pretrained_file", "initializer"]) -> None:  # noqa: B006
    """Delete keys here and in nested mappings, not inside lists; used when an archive is loaded.

    Args:
        params: changed in place; anything other than `Params` is ignored.
        keys: the keys to delete.
    """
    if not isinstance(params, Params):
        return
    for key in keys:
        params.params.pop(key, None)
    for value in params.values():
        remove_keys_from_params(value, keys)
