"""The first step of construction: resolve a config against type hints into a tree of calls, or a list of all problems.

Nothing is constructed and no data is read.
"""

import enum
import inspect
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from nlpreg.common.checks import ConfigurationError, did_you_mean, nearest
from nlpreg.common.config import kinds, nodes, registry
from nlpreg.common.config.describe import describe
from nlpreg.common.config.hints import Signature, signature_of
from nlpreg.common.config.old_names import advice_on_key, advice_on_name, renewed, renewed_name
from nlpreg.common.config.problems import Problem, found, refusal
from nlpreg.common.lazy import Lazy
from nlpreg.common.params import Params

logger = logging.getLogger(__name__)


def passed_extras() -> frozenset[str]:
    """Names of all arguments that nlpreg passes itself to some class."""
    families = [base for base in list(registry.REGISTRY) if getattr(base, "shares_extras", False)]
    return frozenset[str]().union(*(base.constructor_extras or () for base in families))  # type: ignore[attr-defined]  # only of classes with `from_params`


def extras_of(cls: Any) -> frozenset[str]:
    """Names of the arguments that nlpreg passes to a class: those that it declares, or else all of them."""
    declared: frozenset[str] | None = getattr(cls, "constructor_extras", None)
    return passed_extras() if declared is None else declared


class Resolver:
    """Resolves a config against type hints, and collects all problems in `problems`.

    Args:
        available: names of the extras that will be passed when the tree is built.
        lenient: whether missing arguments may be added later by code that is not known here.
    """

    def __init__(self, available: Iterable[str] = (), lenient: bool = False) -> None:
        self.problems: list[Problem] = []
        self.available = frozenset(available)
        self.lenient = lenient

    def child(self) -> "Resolver":
        """A resolver with the same settings and its own list of problems."""
        return Resolver(self.available, self.lenient)

    def report(self, path: str, message: str, is_type: bool = False, stray_key: str = "") -> None:
        """Add a problem."""
        self.problems.append(Problem(path, message, is_type, stray_key=stray_key))

    def object(self, cls: Any, value: Any, path: str, entry: bool = False) -> nodes.Node:
        """Resolve an object of a class that has `from_params`.

        Args:
            cls: the class, or the base of a registry.
            value: its section of the config, or a registered name.
            path: key path of the section.
            entry: whether the caller is `cls.from_params` itself, so that an override of it is not called again.
        """
        if isinstance(value, str):
            value = {"type": value}
        if not isinstance(value, Mapping):
            if isinstance(value, cls):
                return nodes.Literal(value)
            self.report(path, f"expected {_object_of(cls)}, found {found(value)}{self._hint(cls, value)}")
            return nodes.Literal(value)
        # a class with its own `from_params` must be called
        if not entry and overrides_from_params(cls):
            return nodes.OpaqueCall(cls, value, path, _accepted_extras(cls))
        if registry.REGISTRY.get(cls):
            return self._registered(cls, dict(value), path)
        if is_registry_base(cls):
            self.report(
                path,
                f"nothing is registered as {cls.__name__}; import the package that registers it "
                "(--include-package NAME, or a line in .nlpreg_plugins)",
            )
            return nodes.Literal(value)
        if not entry and "type" in value and "type" not in signature_of(cls).parameters:
            name, names = value["type"], registry.registered_names(cls)
            # the name of the class itself, as written by `to_params`
            if isinstance(name, str) and name in names:
                constructor = getattr(cls, names[name] or "", None)
                node = self.call(cls, constructor, {k: v for k, v in value.items() if k != "type"}, path)
                node.type_name = name
                return node
        return self.call(cls, None, value, path)

    def _hint(self, cls: Any, value: Any) -> str:
        """Advice for a list instead of an object whose first argument is a list."""
        first = next(iter(signature_of(cls).parameters.values()), None)
        if first is None or not isinstance(value, list):
            return ""
        attempt = self.child()
        attempt.resolve(kinds.kind_of(first.annotation), value, "")
        return "" if attempt.problems else f'; write {{"{first.name}": [...]}}'

    def _registered(self, base: Any, config: dict[str, Any], path: str) -> nodes.Node:
        """Resolve a section whose `type` selects the class."""
        type_path = f"{path}.type" if path else "type"
        name: Any = None
        try:
            names = registry.names_of(base, base.default_implementation)
            if "type" not in config and base.default_implementation is None:
                raise ConfigurationError(
                    f'required, but missing: "type" says which {base.__name__} '
                    f"(known: {', '.join(sorted(names))})" + did_you_mean("type", config)
                )
            name = renewed_name(base, config.pop("type", base.default_implementation))
            if not isinstance(name, str):
                raise ConfigurationError(
                    f"expected the name of {kinds.with_article(base.__name__)}, found {found(name)}"
                    f" (known: {', '.join(sorted(names))})"
                )
            cls, constructor_name = registry.find_registered(base, name)
        except ConfigurationError as error:
            advice = advice_on_name(base, name) if isinstance(name, str) else None
            if advice is not None:
                self.report(type_path, f'"{name}" is a name of earlier versions of AllenNLP: {advice}')
            else:
                self.report(type_path, str(error))
                self._resolve_as_meant(base, name, config, path)
            return nodes.Literal(config)
        if not hasattr(cls, "from_params"):
            return self.foreign(cls, config, path, name)
        constructor = getattr(cls, constructor_name) if constructor_name else None
        if overrides_from_params(cls):
            options = {
                "constructor_to_call": constructor or cls,
                "constructor_to_inspect": constructor or cls.__init__,
            }
            return nodes.OpaqueCall(cls, config, path, _accepted_extras(cls), options, name)
        node = self.call(cls, constructor, config, path)
        node.type_name = name
        return node

    def _resolve_as_meant(self, base: Any, name: Any, config: dict[str, Any], path: str) -> None:
        """Report the problems inside a section whose `type` is misspelt too.

        They are those of the class of the most similar name, if it takes all keys of the section.
        """
        meant = nearest(name, registry.REGISTRY.get(base, {}))
        if meant is None:
            return
        cls, constructor_name = registry.find_registered(base, meant)
        signature = signature_of(cls, getattr(cls, constructor_name) if constructor_name else None)
        if config.keys() <= signature.parameters.keys():
            self._registered(base, {**config, "type": meant}, path)

    def call(self, cls: Any, constructor: Any, value: Mapping[str, Any], path: str) -> nodes.Call:
        """Resolve the arguments of a constructor.

        Args:
            cls: the class.
            constructor: one of its classmethods, or None for the class itself.
            value: the section of the config.
            path: its key path.
        """
        node = nodes.Call(cls, constructor or cls, path)
        number = len(self.problems)
        signature = signature_of(cls, constructor)
        config = dict(value)
        self.arguments(
            node, signature, config if signature.open else renewed(cls, config, signature.parameters, path)
        )
        self._check_together(node, self.problems[number:])
        return node

    def _check_together(self, node: nodes.Call, problems: list[Problem]) -> None:
        """Call the `check_arguments` of a class, for constraints beyond the annotations.

        It is only called with arguments that match their annotations.

        Args:
            problems: the problems of the node's arguments.
        """
        if not _has_own_check(node):
            return
        values = {
            **node.defaults,
            **{name: argument.as_config() for name, argument in node.arguments.items()},
        }
        wanted = inspect.signature(node.cls.check_arguments).parameters
        if any(name not in values and p.default is inspect.Parameter.empty for name, p in wanted.items()):
            return  # some arguments are passed later
        start = len(node.path) + 1 if node.path else 0
        if any(problem.path[start:].split(".")[0] in wanted for problem in problems):
            return
        try:
            node.cls.check_arguments(**{name: values[name] for name in wanted if name in values})
        # without annotations, a value of any type may occur
        except (ConfigurationError, ValueError, TypeError) as error:
            self.problems.append(refusal(node.path, wanted, error))

    def foreign(self, cls: Any, config: dict[str, Any], path: str, name: str) -> nodes.Call:
        """Resolve a class or function of another library: names are checked, values are passed on unchanged."""
        node = nodes.ForeignCall(cls, cls, path, type_name=name)
        signature = signature_of(cls)
        untyped = {
            key: parameter.replace(annotation=inspect.Parameter.empty)
            for key, parameter in signature.parameters.items()
        }
        self.arguments(node, Signature(untyped, signature.open), config)
        node.from_extras = [key for key in node.from_extras if key not in node.defaults]
        return node

    def arguments(self, node: nodes.Call, signature: Signature, config: dict[str, Any]) -> None:
        """Fill in the arguments of `node`; report missing arguments and unknown keys."""
        missing: list[str] = []
        for name, parameter in signature.parameters.items():
            path = f"{node.path}.{name}" if node.path else name
            if name in config:
                node.arguments[name] = self.argument(parameter, config.pop(name), path, node.cls)
            elif name in self.available:
                node.from_extras.append(name)
            elif parameter.default is inspect.Parameter.empty:
                missing.append(name)
            else:
                node.defaults[name] = parameter.default
                section = self._default_section(parameter, path, node.cls)
                if section is not None:
                    node.default_sections[name] = section
        if signature.open:  # `**kwargs` accepts any key
            node.raw = config
        else:
            self._report_unknown(node, signature, config, missing)
        if self.lenient:
            node.missing = missing  # they must be passed when it is built
        else:
            for name in missing:
                path = f"{node.path}.{name}" if node.path else name
                meaning = _meaning(node, signature.parameters[name])
                self.report(path, f'key "{name}" is required by {_name(node.cls)}, but missing{meaning}')

    def _default_section(self, parameter: inspect.Parameter, path: str, owner: Any) -> nodes.Node | None:
        """The section that is equivalent to a default `Lazy(...)`, if any."""
        default = parameter.default
        if not isinstance(default, Lazy) or not nodes.is_json(default.constructor_extras):
            return None
        built_later = (
            m.inner
            for m in kinds.members_of(kinds.kind_of(parameter.annotation))
            if isinstance(m, kinds.Later)
        )
        base: Any = next((inner.annotation for inner in built_later if isinstance(inner, kinds.Built)), None)
        if base is None:
            return None
        config = {**default.constructor_extras, **plain(default.params)}
        built = default.constructor
        if built is not base and built is not getattr(base, "default", None):  # `Optimizer.default`
            names = [
                name
                for name, (cls, method) in registry.REGISTRY.get(base, {}).items()
                if cls is built and not method
            ]
            if not names:
                return None
            config["type"] = names[0]
        attempt = self.child()
        section = attempt.lazy(base, config, path, owner)
        return None if attempt.problems else section

    def _report_unknown(
        self, node: nodes.Call, signature: Signature, unknown: dict[str, Any], missing: list[str]
    ) -> None:
        """Report each unknown key; a misspelt required key is reported only once."""
        is_registered = any(registry.REGISTRY.get(base) for base in getattr(node.cls, "__mro__", ()))
        names = [*signature.parameters, *(["type"] if is_registered else [])]
        settable = [name for name in signature.parameters if name not in node.from_extras]
        for key in unknown:
            path = f"{node.path}.{key}" if node.path else key
            advice = advice_on_key(node.cls, key)
            meant = nearest(key, names)
            if advice is not None:
                missing[:] = [name for name in missing if f'"{name}"' not in advice]
                message = f"a key of earlier versions of AllenNLP: {advice} (nlpreg migrate rewrites it)"
            elif meant is None:
                message = f"unknown key: {_name(node.cls)} takes {', '.join(settable) or 'no arguments'}"
            else:
                needed = ", which is required" if meant in missing else ""
                message = f'unknown key; did you mean "{meant}"{needed}? ({_name(node.cls)})'
                if meant in missing:
                    missing.remove(meant)
                elif meant in node.arguments:
                    message = f'unknown key; did you mean "{meant}"? It is given too: remove one of them'
                elif meant in node.from_extras:
                    # num_steps is rather num_steps_per_epoch than num_epochs
                    meant = next((name for name in node.from_extras if name.startswith(key)), meant)
                    message = f'unknown key; did you mean "{meant}"? nlpreg passes that itself: leave it out'
            self.report(path, message, stray_key=key if advice is None and meant is None else "")

    def lazy(self, cls: Any, value: Any, path: str, owner: Any) -> nodes.Node:
        """Resolve an argument that will be built later, when more extras are known."""
        if isinstance(value, str):
            value = {"type": value}
        if not isinstance(value, Mapping):
            self.report(path, f"expected {_object_of(cls)}, found {found(value)}")
            return nodes.Literal(value)
        node = nodes.LazyCall(cls, value, path, _accepted_extras(cls))
        if hasattr(cls, "from_params"):
            ours = registry.is_built_in(owner)
            # a third-party class may pass anything to its `Lazy` arguments
            extras = extras_of(cls) if ours else passed_extras() | {"batch_size", "distributed"}
            # lenient for third-party classes: their code may add missing arguments
            later = Resolver(self.available | extras, lenient=self.lenient or not ours)
            node.inner = later.object(cls, value, path)
            node.known = later.available
            self.problems.extend(later.problems)
        return node

    def argument(self, parameter: inspect.Parameter, value: Any, path: str, owner: Any) -> nodes.Node:
        """Resolve one argument of a constructor.

        Args:
            parameter: name, annotation and default.
            value: from the config.
            path: key path of the value.
            owner: the class whose constructor it is.
        """
        if value is None:
            self._check_null(parameter, path)
            return nodes.Literal(None)
        value = plain(value)
        if isinstance(value, dict):
            for key, get in registry.SPECIAL_KEYS.items():
                if key in value:
                    self._check_special(key, value[key], f"{path}.{key}")
                    return nodes.Special(get, value, key, parameter.annotation, path)
        return self.resolve(kinds.kind_of(parameter.annotation), value, path, owner)

    def _check_null(self, parameter: inspect.Parameter, path: str) -> None:
        """Report `null` unless the annotation allows it, it is the default, or the type is unknown."""
        kind = kinds.kind_of(parameter.annotation)
        allows_null = isinstance(kind, kinds.AnyOf) and kind.allows_null
        words = kinds.expected(kind)
        if allows_null or not words or parameter.default is None or isinstance(kind.annotation, str):
            return
        if parameter.default is inspect.Parameter.empty:
            hint = ""
        else:
            is_plain = nodes.is_json(parameter.default)
            hint = "; leave it out for the default" + (
                f", {json.dumps(parameter.default)}" if is_plain else ""
            )
        self.report(path, f"expected {words}, found null{hint}")

    def _check_special(self, key: str, section: Any, path: str) -> None:
        """Report problems of the value of a special key."""
        target = registry.SPECIAL_SECTIONS.get(key)
        if target is None:
            return
        if isinstance(section, Mapping):
            self.call(target, None, section, path)
        else:
            self.report(path, f"expected an object, found {found(section)}")

    def resolve(self, kind: kinds.Kind, value: Any, path: str, owner: Any = None) -> nodes.Node:
        """Resolve a value of some kind."""
        match kind:
            case kinds.AnyOf():
                return self._union(kind, value, path, owner)
            case kinds.Later():
                if isinstance(value, Lazy) or kind.inner is None:
                    return nodes.Literal(value)
                return self.lazy(kind.inner.annotation, value, path, owner)
            case kinds.Choice():
                return self._choice(kind.values, value, path)
            case kinds.Scalar():
                return self._scalar(kind, value, path)
            case kinds.MappingOf():
                return self._mapping(kind, value, path, owner)
            case kinds.ListOf() | kinds.TupleOf():
                return self._list(kind, value, path, owner)
            case kinds.Built():
                return self.object(kind.annotation, value, path)
            case kinds.FilePath():
                return self._path(kind.annotation, value, path)
            case kinds.Device():
                return self._device(value, path)
            case kinds.Enumeration():
                return self._enum(kind.annotation, value, path)
            case kinds.Record() if isinstance(value, dict):
                return self.call(kind.annotation, None, value, path)
            case _:
                return nodes.Literal(value)

    def _key(self, kind: kinds.Kind, key: Any, path: str) -> Any:
        """Convert a key of a mapping, which is always a string in JSON, to its kind."""
        number = kind.annotation
        if number not in (int, float) or not isinstance(key, str):
            return key
        try:
            return number(key)
        except ValueError:
            message = f"expected keys that are {kinds.plural(kind)}, found {found(key)}"
            self.report(path, message, is_type=True)
            return key

    def _scalar(self, kind: kinds.Scalar, value: Any, path: str) -> nodes.Node:
        annotation = kind.annotation
        if isinstance(value, Path) and annotation is str:
            return nodes.Literal(str(value))
        # bool is a subclass of int
        fits = isinstance(value, _SCALARS[annotation]) and (annotation is bool or not isinstance(value, bool))
        if annotation is bool and not fits and isinstance(value, (int, float)) and value in (0, 1):
            logger.warning("%s: %s is read as %s; write that instead", path, value, json.dumps(bool(value)))
            return nodes.Literal(bool(value))
        if not fits:
            hint = _number_in_string(annotation, value)
            self.report(path, f"expected {kinds.expected(kind)}, found {found(value)}{hint}", is_type=True)
        elif kind.range and value not in kind.range:
            self.problems.append(
                Problem(path, f"expected {kind.range}, got {found(value, kind=False)}", is_refusal=True)
            )
        return nodes.Literal(value)

    def _path(self, annotation: Any, value: Any, path: str) -> nodes.Node:
        if isinstance(value, str):
            # `os.PathLike` and its generic form cannot be instantiated
            is_class = isinstance(annotation, type) and issubclass(annotation, PurePath)
            return nodes.Literal((annotation if is_class else Path)(value))
        if isinstance(value, _NO_TEXTS):
            self.report(path, f"expected a path, found {found(value)}", is_type=True)
        return nodes.Literal(value)

    def _device(self, value: Any, path: str) -> nodes.Node:
        """A number or a name, which the constructor converts to a device."""
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if isinstance(value, _NO_TEXTS) and not is_number:
            message = f"expected a device: its number, or a string, found {found(value)}"
            self.report(path, message, is_type=True)
        return nodes.Literal(value)

    def _choice(self, choices: tuple[Any, ...], value: Any, path: str) -> nodes.Node:
        # the types are compared as well, since 1 == True == 1.0
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            allowed = ", ".join(repr(choice) for choice in choices)
            self.report(
                path, f"expected one of {allowed}, found {found(value)}" + did_you_mean(value, choices)
            )
        return nodes.Literal(value)

    def _enum(self, annotation: type[enum.Enum], value: Any, path: str) -> nodes.Node:
        if isinstance(value, annotation):
            return nodes.Literal(value)
        for member in annotation:
            if value == member.value or value == member.name:
                return nodes.Literal(member)
        names = [member.name for member in annotation]
        self.report(
            path, f"expected one of {', '.join(names)}, found {found(value)}" + did_you_mean(value, names)
        )
        return nodes.Literal(value)

    def _union(self, kind: kinds.AnyOf, value: Any, path: str, owner: Any) -> nodes.Node:
        if value is None and kind.allows_null:
            return nodes.Literal(None)
        # a union of tensors may still receive a value that is not a tensor
        members = kinds.members_of(kind) or tuple(m for m in kind.members if not isinstance(m, kinds.Null))
        if isinstance(value, (int, float)) and any(m.annotation in (int, float) for m in members):
            # 0 and 1 are read as booleans only if no number is expected
            members = tuple(m for m in members if m.annotation is not bool or isinstance(value, bool))
        if isinstance(value, str):
            # of `str` and `Path` the first one is used
            texts = [m for m in members if m.annotation is str or isinstance(m, kinds.FilePath)]
            members = tuple(m for m in members if not any(m is other for other in texts[1:]))
        fitting: list[nodes.Node] = []
        attempts: list[list[Problem]] = []
        for member in members:
            attempt = self.child()  # its problems are reported only if no other member fits
            node = attempt.resolve(member, value, path, owner)
            if attempt.problems:
                attempts.append(attempt.problems)
            else:
                fitting.append(node)
        if len(fitting) == 1 and not attempts:
            return fitting[0]
        if fitting and all(isinstance(node, nodes.Literal) and node.value is value for node in fitting):
            return fitting[0]  # the value is the same for every member
        if fitting:
            return nodes.UnionOf(fitting, path, kinds.type_name(kind))
        if len(attempts) == 1:
            self.problems.extend(attempts[0])
            return nodes.Literal(value)
        inside = [
            problems
            for problems in attempts
            if all(problem.path != path or problem.is_refusal for problem in problems)
        ]
        if len(inside) == 1:  # only one member has the right structure, so its problems are reported
            self.problems.extend(inside[0])
        else:
            self.report(
                path, f"expected {kinds.expected(kind)}, found {found(value)}{_reasons(attempts, path)}"
            )
        return nodes.Literal(value)

    def _mapping(self, kind: kinds.MappingOf, value: Any, path: str, owner: Any) -> nodes.Node:
        if not isinstance(value, Mapping):
            self.report(path, f"expected an object, found {found(value)}", is_type=True)
            return nodes.Literal(value)
        items = {
            self._key(kind.key, key, path): self.resolve(kind.value, item, f"{path}.{key}", owner)
            for key, item in value.items()
        }
        return nodes.Container(dict, items)

    def _list(self, kind: kinds.ListOf | kinds.TupleOf, value: Any, path: str, owner: Any) -> nodes.Node:
        if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
            hint = ""
            if isinstance(kind, kinds.ListOf):
                one = self.child()
                one.resolve(kind.item, value, path, owner)
                hint = "" if one.problems else f"; for a list of one, write [{found(value, kind=False)}]"
            self.report(path, f"expected {kinds.expected(kind)}, found {found(value)}{hint}", is_type=True)
            return nodes.Literal(value)
        values = list(value)
        if isinstance(kind, kinds.ListOf):
            make, expected_kinds = kind.make, (kind.item,) * len(values)
        else:
            make, expected_kinds = tuple, kind.items
        if len(expected_kinds) != len(values):
            message = f"expected {kinds.expected(kind)}, found {len(values)} of them: {found(values)}"
            self.report(path, message, is_type=True)
            return nodes.Literal(value)
        pairs = enumerate(zip(expected_kinds, values, strict=True))
        return nodes.Container(make, [self.resolve(k, v, f"{path}.{i}", owner) for i, (k, v) in pairs])


def accepted_by(cls: Any, extras: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the extras that a class's `from_params` (or, without one, the class) accepts."""
    accepted = _accepted_extras(cls)
    return {name: value for name, value in extras.items() if accepted is None or name in accepted}


def _has_own_check(node: nodes.Call) -> bool:
    """Whether the class has a `check_arguments` that applies to the constructor that is called."""
    families = list(getattr(node.cls, "__mro__", ()))
    name = "__init__" if node.constructor is node.cls else getattr(node.constructor, "__name__", "")
    first = next((cls for cls in families if name in vars(cls) or "check_arguments" in vars(cls)), object)
    return isinstance(vars(first).get("check_arguments"), (staticmethod, classmethod))


def overrides_from_params(cls: Any) -> bool:
    """Whether a class overrides `from_params`."""
    method: Callable[..., Any] = cls.from_params
    function = getattr(method, "__func__", method)
    return getattr(function, "__module__", None) != "nlpreg.common.from_params"


def _accepted_extras(cls: Any) -> frozenset[str] | None:
    """Names of the extras that a class's `from_params` (or, without one, the class) accepts; None for all."""
    try:
        parameters = inspect.signature(getattr(cls, "from_params", cls)).parameters
    except (ValueError, TypeError):
        return frozenset()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None
    return frozenset(parameters)


def is_registry_base(cls: Any) -> bool:
    """Whether a class is derived from `Registrable` itself."""
    return any(base.__name__ == "Registrable" for base in getattr(cls, "__bases__", ()))


def _object_of(cls: Any) -> str:
    """The expected config value for a class, in words."""
    text = f"{kinds.with_article(kinds.type_name(cls))}: an object"
    return f"{text}, or a registered name" if registry.REGISTRY.get(cls) else text


def _meaning(node: nodes.Call, parameter: inspect.Parameter) -> str:
    """The type and the description of a missing argument."""
    constructor = node.constructor if node.constructor is not node.cls else None
    arguments = describe(node.cls, constructor).arguments
    doc = next((argument.doc for argument in arguments if argument.name == parameter.name), "").rstrip(".")
    words = kinds.expected(parameter.annotation)
    text = ": ".join(part for part in (words, doc) if part)
    return f"; expected {text}" if text else ""


def _name(cls: Any) -> str:
    return str(getattr(cls, "__name__", cls))


_SCALARS: dict[Any, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}
_NO_TEXTS = (bool, int, float, list, dict)


def _reasons(attempts: list[list[Problem]], path: str) -> str:
    """Why a value fits no member of a union, in addition to the list of members."""
    if all(problem.path == path for problems in attempts for problem in problems):
        hints = [problem.message.partition("; ")[2] for problems in attempts for problem in problems]
        return "".join(f"; {hint}" for hint in dict.fromkeys(hints) if hint)
    firsts = [problems[0] for problems in attempts]
    return "; it does not fit because of " + ", or ".join(
        f"{first.path}: {first.message}" if first.path != path else first.message for first in firsts
    )


def _number_in_string(annotation: Any, value: Any) -> str:
    """A hint for a common mistake: a number or boolean in quotes."""
    if not isinstance(value, str) or annotation is str:
        return ""
    if annotation is bool:
        return "; write it without quotes" if value.lower() in ("true", "false") else ""
    try:
        annotation(value)
    except ValueError:
        return ""
    return f"; write {value} without quotes (std.parseJson turns an environment variable into a number)"


def plain(value: Any) -> Any:
    """Convert `Params` to plain dicts, at any depth."""
    if isinstance(value, Params):
        return value.params
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
