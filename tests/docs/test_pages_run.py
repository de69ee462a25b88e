"""The code on the how-to and tutorial pages runs from the first block to the last."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs" / "howto").glob("*.md"), *(ROOT / "docs" / "tutorials").glob("*.md")])
# A fenced block: its language, or `{code-block} language` with a caption that names a file.
BLOCK = re.compile(
    r"^```(?:\{code-block\} )?(\w+)\n(?::caption: (\S+)\n)?(.*?)^```$", re.MULTILINE | re.DOTALL
)


def run_console(block: str, folder: Path) -> None:
    """Run the lines that begin with `$ `; the lines below each must be in its output, `...` stands for any."""
    folder_of_commands = folder / "bin"
    if not folder_of_commands.exists():
        folder_of_commands.mkdir()
        (folder_of_commands / "nlpreg").write_text(f'#!/bin/sh\nexec {sys.executable} -m nlpreg "$@"\n')
        (folder_of_commands / "nlpreg").chmod(0o755)
    path = f"{folder_of_commands}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *expected = part.rstrip("\n").split("\n")
        result = subprocess.run(
            command,
            shell=True,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
        output = [line.rstrip() for line in (result.stdout + result.stderr).splitlines()]
        for line in expected:
            if line.strip() != "...":
                assert line.rstrip() in output, f"{command}\nexpected {line!r} in\n" + "\n".join(output)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    namespace: dict[str, object] = {"__name__": "page"}
    for language, caption, code in BLOCK.findall(page.read_text(encoding="utf-8")):
        if caption:
            (tmp_path / caption).write_text(code, encoding="utf-8")
            if language == "python":
                compile(code, caption, "exec")
        elif language == "python":
            exec(compile(code, str(page), "exec"), namespace)
        elif language == "console":
            run_console(code, tmp_path)
