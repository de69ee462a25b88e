"""Names of AllenNLP's public surface, as pages of a specification list them, held against the package.

    python tests/public_names.py FOLDER

prints the dotted names in the pages of FOLDER (*.md) that nlpreg does not have.
"""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

DOTTED = re.compile(r"`(nlpreg(?:_models)?(?:\.\w+)+)")


def names_in(folder: Path) -> Iterator[tuple[str, str]]:
    """(place, dotted name) of each name in backquotes that begins with `nlpreg.`, each name once."""
    seen = set()
    for page in sorted(folder.glob("*.md")):
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
            for name in DOTTED.findall(line):
                if name not in seen:
                    seen.add(name)
                    yield f"{page.name}:{number}", name


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or leads from one to an attribute."""
    steps = name.split(".")
    for i in range(len(steps), 0, -1):
        try:
            found = importlib.import_module(".".join(steps[:i]))
        except ImportError:
            continue
        for step in steps[i:]:
            if not hasattr(found, step):
                return False
            found = getattr(found, step)
        return True
    return False


def missing(folder: Path) -> list[tuple[str, str]]:
    """(place, name) of those that nlpreg lacks."""
    return [(place, name) for place, name in names_in(folder) if not exists(name)]


if __name__ == "__main__":
    for place, name in missing(Path(sys.argv[1])):
        print(f"{place}: {name}")
