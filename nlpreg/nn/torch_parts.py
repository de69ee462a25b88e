"""Classes and functions of torch as registered parts: their options, defaults and documentation are torch's own.

Optimizers, learning rate schedulers and initializers each have a `register_torch`, which makes a registered class of
one line in a table. Here is what the three share: torch's signature without what no config can give, and torch's
docstring in the form that `nlpreg describe` reads.
"""

import collections.abc
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union

from nlpreg.common.config.describe import parse_docstring
from nlpreg.common.config.hints import is_union, signature_of

_PLAIN_TYPES = (bool, int, float, str, type(None))
_ITERABLES = (list, collections.abc.Iterable, collections.abc.Sequence)

# Options for code that differentiates through an update or captures it in a graph; no trainer does.
_FOR_CODE_ONLY = {"differentiable", "capturable"}


@dataclass(frozen=True)
class TorchPart:
    """What a config can say to a class or function of torch.

    Args:
        options: the parameters that a config can give, with annotations for configs.
        text: the docstring before the list of arguments, without formulas and markup.
        docs: what the docstring says of each option.
    """

    options: tuple[inspect.Parameter, ...]
    text: str
    docs: Mapping[str, str]

    @classmethod
    def of(
        cls,
        target: Callable[..., Any],
        *,
        skip: Sequence[str] = (),
        defaults: Mapping[str, Any] | None = None,
        required: Sequence[str] = (),
        renamed: Mapping[str, str] | None = None,
    ) -> "TorchPart | None":
        """Read the signature and the docstring of a class or function.

        Args:
            target: the class or function.
            skip: parameters that the caller fills, such as `params`.
            defaults: default values that differ from torch's.
            required: options without a default value, though torch has one.
            renamed: options that have another name in configs, by torch's name.

        Returns:
            None where a required parameter is nothing that JSON can hold, such as a function.
        """
        defaults, renamed = defaults or {}, renamed or {}
        docstring = (inspect.getdoc(target) or "").replace(") : ", "): ")
        text, docs = parse_docstring(docstring)
        options, texts = [], {}
        for name, parameter in signature_of(target).parameters.items():
            if name in skip or name in _FOR_CODE_ONLY:
                continue
            annotation = _plain_annotation(_evaluated(_annotation_of(parameter)))
            default = defaults.get(name, parameter.default)
            if name in required:
                default = parameter.empty
            if annotation is None:
                if default is parameter.empty:
                    return None
                continue
            if annotation is float and type(default) is int:
                default = float(default)  # torch writes `weight_decay: float = 0`
            shown = renamed.get(name, name)
            options.append(parameter.replace(name=shown, annotation=annotation, default=default))
            texts[shown] = _plain_text(docs.get(name, "")) or "see torch's documentation."
        return cls(tuple(options), _readable(text, docstring), texts)

    def signature(
        self, first: Sequence[inspect.Parameter] = (), last: Sequence[inspect.Parameter] = ()
    ) -> inspect.Signature:
        """The signature of a constructor that takes `self`, further parameters and the options.

        Args:
            first: parameters before the options.
            last: parameters after them.
        """
        self_parameter = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        everything = [self_parameter, *first, *self.options, *last]
        # Required parameters come first, and those that can only be named come last, as Python wants it; the order
        # is otherwise kept.
        return inspect.Signature(
            sorted(
                everything,
                key=lambda p: (p.kind, p.kind == p.POSITIONAL_OR_KEYWORD and p.default is not p.empty),
            )
        )

    def docstring(
        self, first: Mapping[str, str], last: Mapping[str, str] | None = None, more: str = ""
    ) -> str:
        """A docstring in the form of this package.

        Args:
            first: descriptions of the parameters before the options.
            last: descriptions of the parameters after them.
            more: a sentence to add to the text.
        """
        entries = {**first, **self.docs, **(last or {})}
        listed = "".join(f"\n    {name}: {doc}" for name, doc in entries.items())
        text = f"{self.text}\n\n{more}".strip()
        return f"{text}\n\nArgs:{listed}\n" if entries else f"{text}\n"


def set_constructor(
    made: type, construct: Callable[[Any, dict[str, Any]], None], signature: inspect.Signature
) -> None:
    """Give a class a constructor with a signature that was computed.

    Args:
        made: the class.
        construct: called with the object and with all arguments by name, defaults filled in.
        signature: the signature, `self` included.
    """

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        construct(self, {name: value for name, value in bound.arguments.items() if name != "self"})

    init.__name__ = "__init__"
    init.__qualname__ = f"{made.__qualname__}.__init__"
    init.__signature__ = signature  # type: ignore[attr-defined]  # what `inspect` reads
    made.__init__ = init  # type: ignore[misc]  # of a class that is made here


def _annotation_of(parameter: inspect.Parameter) -> Any:
    """The annotation of a parameter; torch before 2.7 leaves some out, all of them of numbers or plain defaults."""
    if parameter.annotation is not parameter.empty:
        return parameter.annotation
    return float if parameter.default is parameter.empty else type(parameter.default)


def _evaluated(annotation: Any) -> Any:
    """An annotation that is still a string, because torch imports `Iterable` and its kin for type checkers only."""
    if isinstance(annotation, str):
        try:
            return eval(annotation, {**vars(typing), **vars(collections.abc)})  # torch's own source
        except NameError:  # a class of torch, which no config can hold
            return None
    return annotation


def _plain_annotation(annotation: Any) -> Any:
    """An annotation of torch's without what JSON cannot hold: `float | Tensor` is `float`.

    Args:
        annotation: a type, evaluated.

    Returns:
        None where nothing is left, or only `None` is.
    """
    if annotation in _PLAIN_TYPES:
        return annotation
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return annotation
    if is_union(annotation):
        members = [_plain_annotation(member) for member in arguments]
        members = [member for member in members if member is not None]
        return None if set(members) <= {types.NoneType} else Union[tuple(members)]
    items = [argument if argument is ... else _plain_annotation(argument) for argument in arguments]
    if not items or None in items:
        return None
    if origin in _ITERABLES:
        return list[items[0]]  # type: ignore[valid-type]  # types that are known at run time only
    return tuple[tuple(items)] if origin is tuple else None  # type: ignore[misc]  # as above


def _plain_text(text: str) -> str:
    """Text without the markup of Sphinx, on one line, and without the default value, which the signature has."""
    text = re.sub(r":math:`\\text\{(\w+)\}`", r"`\1`", text)
    text = re.sub(r":\w+:`~?(?:[^`<]*\.)?([^`<]*?)(?: <[^`]*>)?`", r"`\1`", text)  # a role: its last name
    text = re.sub(r"`([^`<]+?)(?: *<[^`]*>)?`__?", r"\1", text)  # a link: its title
    text = " ".join(text.replace("``", "`").split())
    return re.sub(r"\s*(?:\(default: [^()]*(?:\([^()]*\)[^()]*)?\)|Default: \S+$)", "", text)


def _readable(text: str, docstring: str) -> str:
    """Paragraphs without directives and formulas, and below them the sources that the docstring links to."""
    paragraphs: list[str] = []
    for block in re.split(r"\n[ ]*\n", text):
        plain = _plain_text(block)
        # A paragraph that ends in a colon introduces a formula or a list, which would be left without it.
        if not block.startswith((" ", "..", "#", "*")) and "\\" not in block and not plain.endswith(":"):
            paragraphs.append(plain)
    links = re.findall(r"^[ ]*\.\. _([^\n]+(?:\n[^\n]+)??):\s+(https?://\S+)", docstring, re.MULTILINE)
    sources = [f"Source: {' '.join(title.split())}, {url}".replace("\\", "") for title, url in links]
    return "\n\n".join([*paragraphs, *sources])
