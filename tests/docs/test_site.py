"""The documentation site builds without a warning."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_the_site_builds(tmp_path: Path) -> None:
    for package in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(package)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    # The generated pages go beside a copy of the sources, so that the checkout stays as it is.
    source = tmp_path / "docs"
    source.mkdir()
    for path in (ROOT / "docs").iterdir():
        if path.name not in ("_build", "reference"):
            (source / path.name).symlink_to(path)
    result = subprocess.run(
        [*command, str(source), str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "site" / "reference" / "seq2seq_encoder.html").is_file()
