"""The notebook of the Python tutorial holds what the page holds, and runs from its first cell to its last.

After a change of the page write it anew: `NLPREG_WRITE_NOTEBOOK=1 python -m pytest tests/docs/test_notebook.py`.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
PAGE, NOTEBOOK = TUTORIALS / "python.md", TUTORIALS / "python.ipynb"
BLOCK = re.compile(
    r"^```(?:\{code-block\} )?(\w+)\n(?::caption: (\S+)\n)?(.*?)^```\n", re.MULTILINE | re.DOTALL
)


def cell(kind: str, text: str) -> dict[str, Any]:
    common: dict[str, Any] = {
        "cell_type": kind,
        "metadata": {},
        "source": text.strip("\n").splitlines(keepends=True),
    }
    return common | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def notebook_of(page: str) -> dict[str, Any]:
    """The cells of a page: text, code, and files that are written from Python."""
    cells, end = [], 0
    for block in BLOCK.finditer(page):
        if page[end : block.start()].strip():
            cells.append(cell("markdown", page[end : block.start()]))
        _, caption, code = block.groups()
        cells.append(cell("code", f"%%writefile {caption}\n{code}" if caption else code))
        end = block.end()
    if page[end:].strip():
        cells.append(cell("markdown", page[end:]))
    for number, one in enumerate(cells):
        one["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def test_the_notebook_is_that_of_the_page() -> None:
    expected = notebook_of(PAGE.read_text(encoding="utf-8"))
    if os.environ.get("NLPREG_WRITE_NOTEBOOK"):
        NOTEBOOK.write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
    assert json.loads(NOTEBOOK.read_text(encoding="utf-8")) == expected, "write it anew, see above"


@pytest.mark.timeout(300)
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "notebook"}
    for number, one in enumerate(json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]):
        code = "".join(one["source"])
        if one["cell_type"] != "code":
            continue
        if code.startswith("%%writefile "):
            first, content = code.split("\n", 1)
            Path(first.split()[1]).write_text(content + "\n", encoding="utf-8")
        else:
            exec(compile(code, f"cell {number}", "exec"), namespace)
    assert {"vocab", "reader", "trainer", "predictor"} <= namespace.keys()
