"""Descriptions of registered classes from signatures and docstrings, for messages, schemas and `nlpreg describe`."""

import dataclasses
import inspect
import itertools
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nlpreg.common.checks import ConfigurationError, did_you_mean, nearest
from nlpreg.common.config.hints import signature_of
from nlpreg.common.config.kinds import type_name
from nlpreg.common.config.registry import REGISTRY, find_registered


@dataclass
class Argument:
    """An argument of a constructor.

    Args:
        name: its key in a config.
        annotation: its type.
        default: its default value; `inspect.Parameter.empty` where it is required.
        doc: its description in the docstring, with `null` instead of `None`.
    """

    name: str
    annotation: Any
    default: Any
    doc: str

    @property
    def is_required(self) -> bool:
        """Whether a config must contain it."""
        return self.default is inspect.Parameter.empty


@dataclass
class Description:
    """A registered class.

    Args:
        cls: the class or function.
        base: the base of its registry; None for a fully qualified name.
        name: its registered name, or its full name.
        text: its docstring up to the arguments.
        arguments: of the constructor registered under the name.
        open: whether it accepts other keys too.
    """

    cls: Any
    base: type | None
    name: str
    text: str
    arguments: list[Argument]
    open: bool


def registries() -> dict[str, type]:
    """Name in snake case -> base class, for all registries that a config can use."""
    return {
        snake_case(base.__name__): base
        for base in sorted(REGISTRY, key=lambda base: base.__name__)
        if REGISTRY[base] and base.__name__ != "Subcommand"
    }


def find_base(name: str) -> type:
    """Find the base of a registry by its name in snake or camel case.

    Raises:
        ConfigurationError: there is none.
    """
    known = registries()
    wanted = name.replace("-", "_").lower()
    for base_name, base in known.items():
        if wanted in (base_name, base_name.replace("_", "")):
            return base
    meant = _nearest_registry(name)
    raise ConfigurationError(
        f'there is no registry "{name}"'
        + (f'; did you mean "{meant}"?' if meant else f" (known: {', '.join(known)})")
    )


def _nearest_registry(name: str) -> str | None:
    """The registry most similar to a name: by its singular, by its last word, or by spelling."""
    known = registries()
    wanted = snake_case(name).replace("-", "_").lower()
    for form in (wanted, wanted.removesuffix("s")):
        endings = [registry for registry in known if registry == form or registry.endswith(f"_{form}")]
        if endings:
            return min(endings, key=len)
    return nearest(wanted, known)


def find_class(name: str) -> tuple[type | None, str]:
    """Find the registry and the registered name of `registry:name`, or of a name that is unique among all registries.

    Raises:
        ConfigurationError: there is none, or there are several.
    """
    base_name, colon, registered = name.partition(":")
    if colon:
        base = find_base(base_name)
        base.resolve_class_name(registered)  # type: ignore[attr-defined]  # only of registry bases
        return base, registered
    holders = [base for base in registries().values() if name in REGISTRY[base]]
    if len(holders) == 1:
        return holders[0], name
    if holders:
        choices = ", ".join(f"{snake_case(base.__name__)}:{name}" for base in holders)
        raise ConfigurationError(f'several registries have a "{name}"; say which one: {choices}')
    if "." in name:
        return None, name
    registry = _nearest_registry(name)
    names = {known for names in REGISTRY.values() for known in names}
    if registry is not None and nearest(name, names) is None:
        is_one = registry == name.replace("-", "_").lower()
        raise ConfigurationError(
            f'nothing is registered as "{name}"'
            + (", which is a registry" if is_one else f'; did you mean the registry "{registry}"?')
            + f": `nlpreg list {registry}` shows its names, `nlpreg describe {registry}:NAME` describes one"
        )
    raise ConfigurationError(
        f'nothing is registered as "{name}"' + did_you_mean(name, names) + " (`nlpreg list` shows everything)"
    )


def describe_class(base: type | None, name: str) -> Description:
    """Describe a registered class.

    Args:
        base: the base of its registry; None if `name` is the full name of a class.
        name: its registered name.

    Raises:
        ConfigurationError: there is no such class.
    """
    cls, constructor_name = find_registered(base or object, name)
    return describe(cls, getattr(cls, constructor_name) if constructor_name else None, base, name)


def describe(
    cls: Any, constructor: Callable[..., Any] | None = None, base: type | None = None, name: str = ""
) -> Description:
    """Describe a class or function.

    Args:
        cls: the class or function.
        constructor: the classmethod that builds it, if any.
        base: the base of its registry.
        name: its registered name; by default its qualified name.
    """
    signature = signature_of(cls, constructor)
    text, docs = parse_docstring(_own_docstring(cls))
    if constructor is not None:
        own_text, own_docs = parse_docstring(inspect.getdoc(constructor) or "")
        docs, text = {**docs, **own_docs}, own_text if cls is base else text or own_text
    # the docstrings of parents describe arguments that the class does not
    for parent in getattr(cls, "__mro__", ())[1:]:
        docs = {**parse_docstring(_own_docstring(parent))[1], **docs}
    arguments = [
        Argument(key, parameter.annotation, parameter.default, re.sub(r"\bNone\b", "null", docs.get(key, "")))
        for key, parameter in signature.parameters.items()
    ]
    return Description(
        cls, base, name or getattr(cls, "__qualname__", str(cls)), text, arguments, signature.open
    )


def _own_docstring(cls: Any) -> str:
    """The docstring of `cls` itself: neither inherited nor generated by `dataclass`."""
    if not isinstance(cls, type):
        return inspect.getdoc(cls) or ""
    text = cls.__dict__.get("__doc__") or ""
    return "" if dataclasses.is_dataclass(cls) and text.startswith(cls.__name__ + "(") else text


def summary(cls: Any) -> str:
    """The first sentence of a docstring, on one line."""
    text, _ = parse_docstring(_own_docstring(cls))
    return " ".join(text.split("\n\n")[0].split())


def argument_type(argument: Argument) -> str:
    """The type of an argument in words, without `None` if that is only the default."""
    text = type_name(argument.annotation)
    return text.removesuffix(" or None") if argument.default is None else text


_HEADINGS = (
    re.compile(r"^(?:Args|Arguments|Parameters):[ ]*$", re.MULTILINE),
    re.compile(r"^#+[ ]*Parameters[ ]*$", re.MULTILINE),
    re.compile(r"^Parameters[ ]*\n-{3,}[ ]*$", re.MULTILINE),
)
"""Headings of the list of arguments: those of this package, AllenNLP and numpy."""

_NAMES = r"\*{0,2}\w+(?:, *\*{0,2}\w+)*"
_INDENTED_ENTRY = re.compile(rf"(?P<names>{_NAMES})(?: \(.*?\))?: *(?P<text>.*)")
_TYPED_ENTRY = re.compile(rf"(?P<names>{_NAMES}) *:(?P<text>)(?: .*)?$")


def parse_docstring(docstring: str) -> tuple[str, dict[str, str]]:
    """Split a docstring into the text before the arguments and the description of each argument.

    It supports lists under `Args:`, as in this package, `# Parameters`, as in AllenNLP, and those of numpy.

    Args:
        docstring: the raw docstring.
    """
    docstring = inspect.cleandoc(docstring)
    headings = [match for heading in _HEADINGS if (match := heading.search(docstring))]
    if not headings:
        return docstring.strip(), {}
    # several styles may match: the first heading in the text is that of the arguments
    heading = min(headings, key=lambda match: match.start())
    text, rest = docstring[: heading.start()].strip(), docstring[heading.end() :]
    lines = rest.splitlines()
    if heading.group().strip().endswith(":"):  # `name: text`, up to the end of the indentation
        block = itertools.takewhile(lambda line: not line.strip() or line.startswith(" "), lines)
        return text, _entries(textwrap.dedent("\n".join(block)), _INDENTED_ENTRY)
    # `name : type` with the text indented below it, up to the next heading
    block = itertools.takewhile(lambda line: not re.match("#|-{3,}", line), lines)
    return text, _entries("\n".join(block), _TYPED_ENTRY)


def _entries(block: str, pattern: re.Pattern[str]) -> dict[str, str]:
    """Parse a list of arguments, whose names are not indented."""
    docs: dict[str, str] = {}
    current: list[str] = []
    for line in block.splitlines():
        entry = pattern.match(line)
        if entry:
            current = [name.strip(" *") for name in entry["names"].split(",")]
            docs.update(dict.fromkeys(current, entry["text"]))
        elif line.startswith(" ") or pattern is _INDENTED_ENTRY:
            docs.update({name: f"{docs[name]} {line.strip()}".strip() for name in current})
        elif line.strip():
            current = []
    return docs


def snake_case(name: str) -> str:
    """Convert a class name to snake case: `Seq2SeqEncoder` -> `seq2seq_encoder`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().replace("2_", "2")
