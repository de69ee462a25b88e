"""What the documentation says can be done can be done."""

import json
import re
import shlex
from pathlib import Path

import pytest

from nlpreg.commands import parse_args
from nlpreg.common.config.jsonnet import evaluate_jsonnet
from nlpreg.common.config.old_configs import MigrationLog, migrate_config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def command_lines(page: Path) -> list[str]:
    lines = [
        line for block in [*blocks(page, "bash"), *blocks(page, "console")] for line in block.splitlines()
    ]
    lines = [line.removeprefix("$ ") for line in lines]
    return [line for line in lines if line.startswith("nlpreg ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    # The pages in reference/ are generated when the site is built.
    here = [target for target in targets if "://" not in target and not target.startswith("reference/")]
    missing = [target for target in here if not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize(
    "line", sorted({line for page in PAGES for line in command_lines(page)}), ids=lambda line: line[:60]
)
def test_command_lines_are_understood(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    words = words[: words.index("|")] if "|" in words else words
    parse_args("nlpreg", words)  # ends the process if not


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_of_json_and_python_are_such(page: Path) -> None:
    for block in blocks(page, "json"):
        json.loads(block)
    for block in blocks(page, "python"):
        compile(block, str(page), "exec")


def table_of_old_keys() -> list[tuple[str, str]]:
    """Rows of the table in migrating.md that give values."""
    text = (ROOT / "docs" / "migrating.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+: .+)` \| `([\w.]+: .+)` \|$", text, re.MULTILINE)
    return [(old, new) for old, new in rows if "..." not in old + new]


def as_config(entry: str) -> str:
    """`a.b: value` as a config; parts of readers and models are put where they stand."""
    path, _, value = entry.partition(": ")
    steps = path.split(".")
    places = {"tokenizer": "dataset_reader", "text_field_embedder": "model", "initializer": "model"}
    for step in reversed([places[steps[0]], *steps] if steps[0] in places else steps):
        value = f"{{ {step}: {value} }}"
    return value


@pytest.mark.parametrize(("old", "new"), table_of_old_keys())
def test_the_table_of_old_keys_is_what_migrate_does(old: str, new: str, tmp_path: Path) -> None:
    path = tmp_path / "c.jsonnet"
    path.write_text(as_config(old))
    migrated = evaluate_jsonnet("new", migrate_config(str(path), MigrationLog())[str(path)], {})
    expected = evaluate_jsonnet("expected", as_config(new), {})
    assert {key: migrated.get(key) for key in expected} == expected


def test_the_table_has_rows() -> None:
    assert len(table_of_old_keys()) >= 10
