"""JSON Schema (draft 2020-12) of configs, for editors, from the annotations of constructors."""

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nlpreg.common.config import kinds
from nlpreg.common.config.describe import Argument, Description, describe, describe_class, summary
from nlpreg.common.config.nodes import is_json
from nlpreg.common.config.registry import REGISTRY, SPECIAL_SECTIONS, is_built_in, registered_names
from nlpreg.common.config.resolve import is_registry_base, overrides_from_params, passed_extras

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_SCALARS: dict[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
_RARELY_GIVEN = frozenset(
    [
        "data_loader",
        "ddp_accelerator",
        "instances",
        "model",
        "model_parameters",
        "parameters",
        "reader",
        "serialization_dir",
        "validation_data_loader",
        "vocab",
    ]
)
"""Extras that no config gives itself, so that editors need not offer them."""


def experiment_schema(
    base: Any, more_keys: Mapping[str, Any], extras: Iterable[str], registries: Iterable[Any] = ()
) -> Schema:
    """The schema of a whole experiment.

    Args:
        base: the registry whose classes the top level of a config builds.
        more_keys: further keys of the top level, and their annotations.
        extras: arguments of the top level that no config gives.
        registries: bases that get a definition even if nothing in an experiment leads to them.
    """
    writer = SchemaWriter()
    around = {key: _any_of(writer.annotation(hint), {"type": "null"}) for key, hint in more_keys.items()}
    top = writer.registry(base, around, frozenset(extras))
    for other in registries:
        writer.registry(other)
    definitions = dict(sorted(writer.definitions.items()))
    return {
        "$schema": DIALECT,
        "title": "nlpreg experiment",
        "description": "What `nlpreg train` reads.",
        **top,
        "$defs": definitions,
    }


def registry_schema(base: Any) -> Schema:
    """The schema of a section that a registry's class is built from."""
    writer = SchemaWriter()
    top = writer.registry(base)
    return {"$schema": DIALECT, **top, "$defs": dict(sorted(writer.definitions.items()))}


def _any_of(*schemas: Schema) -> Schema:
    """A value that fits one of `schemas`."""
    flat: list[Schema] = []
    for schema in schemas:
        for part in schema["anyOf"] if set(schema) == {"anyOf"} else [schema]:
            if part not in flat:
                flat.append(part)
    if {} in flat:
        return {}
    names = [part["type"] for part in flat if set(part) == {"type"}]
    if len(names) > 1:
        flat = [part for part in flat if set(part) != {"type"}]
        all_names = [name for one in names for name in ([one] if isinstance(one, str) else one)]
        flat.append({"type": list(dict.fromkeys(all_names))})
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


class SchemaWriter:
    """Turns annotations into schemas; classes and registries that they lead to are collected in `definitions`."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self._names: dict[Any, str] = {}

    def annotation(self, annotation: Any) -> Schema:
        """The schema of a value with an annotation."""
        return self.kind(kinds.kind_of(annotation))

    def kind(self, kind: kinds.Kind) -> Schema:
        """The schema of a value of some kind."""
        match kind:
            case kinds.AnyOf():
                return _any_of(*(self.kind(m) for m in kind.members if not isinstance(m, kinds.Tensor)))
            case kinds.Later():
                return self.kind(kind.inner) if kind.inner else {}
            case kinds.Choice():
                return {"enum": list(kind.values)}
            case kinds.Scalar():
                limits = {"minimum": kind.range.least, "maximum": kind.range.most} if kind.range else {}
                limits = {key: limit for key, limit in limits.items() if limit is not None}
                return {"type": _SCALARS[kind.annotation], **limits}
            case kinds.Null():
                return {"type": "null"}
            case kinds.FilePath():
                return {"type": "string"}
            case kinds.Device():
                return {"type": ["integer", "string"]}
            case kinds.MappingOf():
                return {"type": "object", "additionalProperties": self.kind(kind.value)}
            case kinds.ListOf():
                return {"type": "array", "items": self.kind(kind.item)}
            case kinds.TupleOf():
                items = [self.kind(item) for item in kind.items]
                return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
            case kinds.Built():
                return self._built(kind.annotation)
            case kinds.Enumeration():
                values = [spelling for member in kind.annotation for spelling in (member.name, member.value)]
                return {"enum": list(dict.fromkeys(value for value in values if is_json(value)))}
            case kinds.Record():
                return self._class(kind.annotation)
            case _:
                return {}

    def _built(self, cls: Any) -> Schema:
        if REGISTRY.get(cls):
            return self.registry(cls)
        if is_registry_base(cls):
            return {"description": f"Nothing is registered as {cls.__name__}.", "not": {}}
        return self._class(cls) if isinstance(cls, type) else {}

    def registry(
        self,
        base: Any,
        more_properties: Mapping[str, Schema] | None = None,
        extras: frozenset[str] | None = None,
    ) -> Schema:
        """A reference to the definition of everything that a registry's base can be built from.

        Args:
            base: the base.
            more_properties: keys that every class of this registry gets in addition to its own.
            extras: arguments that need not be given; those that nlpreg passes itself by default.
        """
        extras = passed_extras() if extras is None else extras

        def definition() -> Schema:
            schemas = {
                name: self._registered(base, name, more_properties or {}, extras) for name in REGISTRY[base]
            }
            references = [
                self._defined((base, name), f"{self._names[base]}.{name}", schema.copy)
                for name, schema in schemas.items()
            ]
            sufficient = [name for name, schema in schemas.items() if set(schema["required"]) <= {"type"}]
            alternatives = [*_names_alone(sufficient, base), *references, _ANY_CLASS]
            return {"description": summary(base), "anyOf": alternatives}

        return self._defined(base, base.__name__, definition)

    def _registered(
        self, base: Any, name: str, more_properties: Mapping[str, Schema], extras: frozenset[str]
    ) -> Schema:
        """The definition of a registered class."""
        extras |= getattr(base, "constructor_extras", None) or frozenset()
        schema = self._object(describe_class(base, name), extras)
        schema["properties"] = {"type": _name_schema(name), **schema["properties"], **more_properties}
        if base.default_implementation != name:
            schema["required"].insert(0, "type")
        return schema

    def _class(self, cls: Any) -> Schema:
        """A reference to the definition of a class that is in no registry."""

        def definition() -> Schema:
            schema = self._object(describe(cls), passed_extras())
            if hasattr(cls, "from_params") and overrides_from_params(cls):
                return {"description": schema["description"], "type": ["object", "string"]}
            if names := registered_names(cls):
                schema["properties"] = {"type": {"enum": list(names)}, **schema["properties"]}
            return schema

        return self._defined(cls, cls.__name__, definition)

    def _object(self, description: Description, extras: frozenset[str]) -> Schema:
        """The keys of a constructor; only suggestions if the class overrides `from_params`."""
        cls = description.cls
        is_foreign = description.base is not None and not hasattr(cls, "from_params")
        is_opaque = hasattr(cls, "from_params") and overrides_from_params(cls)
        properties = {
            argument.name: self._property(argument, cls, is_foreign, extras)
            for argument in description.arguments
        }
        required = [
            argument.name
            for argument in description.arguments
            if argument.is_required and argument.name not in extras
        ]
        return {
            "title": getattr(cls, "__name__", description.name),
            "description": description.text.split("\n\n")[0].replace("\n", " "),
            "type": "object",
            "properties": properties,
            "required": [] if is_opaque else required,
            "additionalProperties": description.open or is_opaque,
        }

    def _property(self, argument: Argument, owner: Any, is_foreign: bool, extras: frozenset[str]) -> Schema:
        schema: Schema = {} if is_foreign else self.annotation(argument.annotation)
        if not is_foreign:
            members = kinds.members_of(kinds.kind_of(argument.annotation))
            # a plugin's own code may add missing arguments
            if any(isinstance(member, kinds.Later) for member in members) and not is_built_in(owner):
                schema = _any_of(schema, {"type": "object"})
            if any(_is_module(member.annotation) for member in members):
                schema = _any_of(schema, *(self._special(key) for key in SPECIAL_SECTIONS))
        if argument.default is None:
            schema = _any_of(schema, {"type": "null"})
        schema = dict(schema)
        if argument.doc:
            schema["description"] = argument.doc
        if not argument.is_required and argument.default is not None and is_json(argument.default):
            schema["default"] = json.loads(json.dumps(argument.default))  # tuples as lists
        if argument.name in _RARELY_GIVEN and argument.name in extras:
            schema["doNotSuggest"] = True
        return schema

    def _special(self, key: str) -> Schema:
        """A section with a special key."""
        section = SPECIAL_SECTIONS[key]
        reference = self._defined(section, key, lambda: self._object(describe(section), passed_extras()))
        return {"type": "object", "properties": {key: reference}, "required": [key]}

    def _defined(self, thing: Any, name: str, definition: Callable[[], Schema]) -> Schema:
        """A reference to the definition of a thing, which may refer to itself and is made on the first call."""
        if thing not in self._names:
            if name in self._names.values():
                name = f"{getattr(thing, '__module__', 'other')}.{name}"
            self._names[thing] = name
            self.definitions[name] = definition()
        return _reference(self._names[thing])


_FULL_NAME: Schema = {"type": "string", "pattern": r"^\w+(\.\w+)+$"}
_ANY_CLASS: Schema = {
    "description": "A class by its full name, such as my_package.my_module.MyClass.",
    "type": "object",
    "properties": {"type": _FULL_NAME},
    "required": ["type"],
}


def _names_alone(names: list[str], base: Any) -> list[Schema]:
    """Strings that are short for an object whose only key is `type`."""
    if not names:
        return [_FULL_NAME]
    described = [summary(REGISTRY[base][name][0]) for name in names]
    schemas: list[Schema] = [{"enum": names, "enumDescriptions": described}]
    other = "|".join(_either_dash(name) for name in names if re.search("[-_]", name))
    if other:
        schemas.append({"type": "string", "pattern": f"^({other})$"})
    return [*schemas, _FULL_NAME]


def _name_schema(name: str) -> Schema:
    """A registered name; `-` and `_` count as the same."""
    if not re.search("[-_]", name):
        return {"const": name}
    return {"anyOf": [{"const": name}, {"type": "string", "pattern": f"^{_either_dash(name)}$"}]}


def _either_dash(name: str) -> str:
    return "[-_]".join(re.escape(part) for part in re.split("[-_]", name))


def _reference(name: str) -> Schema:
    return {
        "$ref": "#/$defs/"
        + name.replace("~", "~0").replace("/", "~1").replace("%", "%25").replace(" ", "%20")
    }


def _is_module(annotation: Any) -> bool:
    """Whether this is a class of torch modules; torch is not imported."""
    return inspect.isclass(annotation) and any(
        parent.__module__.startswith("torch.nn.") and parent.__name__ == "Module"
        for parent in annotation.__mro__
    )
