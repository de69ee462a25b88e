"""Writes the reference pages from nlpreg's registries before Sphinx reads its sources, one page a registry."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from pygments.lexers.javascript import JavascriptLexer
from sphinx.application import Sphinx

from nlpreg.common.config.describe import Argument, argument_type, describe_class, registries, summary
from nlpreg.common.config.registry import REGISTRY
from nlpreg.common.plugins import import_builtin_parts


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_lexer("jsonnet", JavascriptLexer)
    app.connect("builder-inited", lambda app: write_reference(Path(app.srcdir) / "reference"))
    return {"parallel_read_safe": True}


def write_reference(folder: Path) -> None:
    """One page for each registry, and an index."""
    import_builtin_parts()
    folder.mkdir(exist_ok=True)
    for page in folder.glob("*.md"):
        page.unlink()
    bases = {name: base for name, base in registries().items() if ours(base)}
    for name, base in bases.items():
        write(folder / f"{name}.md", page_lines(name, base))
    write(folder / "index.md", index_lines(bases))


def ours(base: type) -> list[str]:
    """The names that nlpreg itself registers with a base."""
    return sorted(
        name
        for name, (cls, _) in REGISTRY[base].items()
        if str(cls.__module__).startswith(("nlpreg.", "torch."))
    )


def write(path: Path, lines: Iterator[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def index_lines(bases: dict[str, type]) -> Iterator[str]:
    yield "# Registered parts"
    yield ""
    yield "Every name that a config can use, one page for each registry. `nlpreg describe` prints the same text."
    yield ""
    yield "| registry | names |"
    yield "|---|---|"
    for name, base in bases.items():
        yield f"| [{name}]({name}.md) | {', '.join(f'`{entry}`' for entry in ours(base))} |"
    yield ""
    yield "```{toctree}"
    yield ":hidden:"
    yield ""
    yield from bases
    yield "```"


def page_lines(name: str, base: type) -> Iterator[str]:
    yield f"# {name}"
    yield ""
    yield prose(summary(base))
    for entry in ours(base):
        yield ""
        yield f"## {entry}"
        yield ""
        description = describe_class(base, entry)
        yield f"`{description.cls.__module__}.{getattr(description.cls, '__qualname__', entry)}`"
        yield ""
        yield prose(description.text)
        if description.arguments:
            yield ""
            yield "| argument | type | default | |"
            yield "|---|---|---|---|"
            yield from (row(argument) for argument in description.arguments)
        if description.open:
            yield ""
            yield "Other keys are passed on as they are."


def row(argument: Argument) -> str:
    default = "required" if argument.is_required else f"`{default_text(argument.default)}`"
    cells = (f"`{argument.name}`", f"`{argument_type(argument)}`", default, prose(argument.doc))
    return "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\|", cell.replace("\n", " ")) for cell in cells) + " |"


def default_text(value: object) -> str:
    """A default as configs write it; an object by the name of its class."""
    if value is None or isinstance(value, (bool, int, float, str, list, tuple, dict)):
        return json.dumps(value)
    constructor = getattr(value, "constructor", value)  # of a `Lazy`
    return getattr(constructor, "__qualname__", type(value).__name__)


def prose(text: str) -> str:
    """A docstring as Markdown: an indented block such as `Shape:` becomes a paragraph; what Markdown would read is escaped."""
    text = re.sub(
        r"^(\w[\w ]*):\n((?:[ \t]+.+\n?)+)", lambda m: f"{m[1]}: {' '.join(m[2].split())}\n", text, flags=re.M
    )
    parts = re.split(r"(`[^`]*`|https?://\S+)", text)
    return "".join(
        re.sub(r"([<*_$\[\]|#])", r"\\\1", part) if i % 2 == 0 else part for i, part in enumerate(parts)
    )
