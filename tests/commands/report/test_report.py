"""`nlpreg report` as a command, and in a browser."""

import shutil
import subprocess
from pathlib import Path

import pytest

from nlpreg.commands import main
from nlpreg.commands.report.analysis import Analysis, Example
from nlpreg.commands.report.page import run_page
from nlpreg.commands.report.run_record import RunRecord


def make_run(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text('{"model": {"type": "simple_tagger"}}')
    (folder / "metrics.json").write_text('{"best_epoch": 0, "best_validation_loss": 0.5}')
    return folder


def test_the_page_is_written_into_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "a")
    main(argv=["report", str(run)])
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    assert "best" in (run / "report.html").read_text(encoding="utf-8")


def test_several_runs_and_another_path(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name) for name in "ab"]
    main(argv=["report", *map(str, runs), "-o", str(tmp_path / "both.html")])
    assert "2 runs" in (tmp_path / "both.html").read_text(encoding="utf-8")


PROBE = """<script>
const parts = (text) => text.match(/[\\d.]+/g).map(Number);
const over = (top, below) => {
  const alpha = top.length > 3 ? top[3] : 1;
  return below.map((value, i) => alpha * top[i] + (1 - alpha) * value);
};
const background = (node) => {
  if (!node) return matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0] : [255, 255, 255];
  return over(parts(getComputedStyle(node).backgroundColor), background(node.parentElement));
};
const luminance = (colour) => {
  const [r, g, b] = colour.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const colour = (selector) => getComputedStyle(document.querySelector(selector)).color;
let least = 21;
for (const node of document.body.querySelectorAll("*")) {
  if (![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())) continue;
  if (node.matches("script, style, title")) continue;
  const style = getComputedStyle(node), below = background(node);
  const text = over(parts(node.ownerSVGElement ? style.fill : style.color), below);
  const [low, high] = [luminance(text), luminance(below)].sort((a, b) => a - b);
  least = Math.min(least, (high + 0.05) / (low + 0.05));
}
document.title = [document.documentElement.scrollWidth, innerWidth, least.toFixed(2),
                  matchMedia("(prefers-color-scheme: dark)").matches,
                  ...["gold", "predicted"].map((name) => colour(`.words .${name}`) === colour(`summary .${name}`)),
                 ].join(" ");
</script>"""
"""Puts into the title: needed width, width, the least contrast of a text, whether the scheme is dark, and whether gold and
predicted labels below words have the colours of the legend."""


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_legibly_and_without_scrolling_sideways(
    width: int, is_dark: bool, tmp_path: Path
) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium")
    run = make_run(tmp_path / ("a_rather_long_name_of_a_run" * 3))
    words = [f"word{number}" for number in range(30)]
    gold = [f"B-LABEL{number % 17}" for number in range(30)]
    example = Example(words, gold, gold[1:15] + gold[:1] + gold[15:], [0.5] * 30)
    analysis = Analysis(f"{'/a_rather_long_name_of_a_folder' * 5}/dev.conllu", [example], set(words[:20]))
    page = run_page(RunRecord.read(str(run)), analysis).replace("</body>", f"{PROBE}</body>")
    page = page.replace("<details>", "<details open>")
    # A browser window cannot be narrower than about 500 pixels; a frame can.
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    frame = (
        f"<iframe id='f' src='page.html' width='{width}' height='900'></iframe><p id='out'></p><script>"
        "f.onload = () => { out.textContent = f.contentDocument.title }</script>"
    )
    (tmp_path / "frame.html").write_text(frame, encoding="utf-8")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-sync",
        "--disable-quic",
        "--no-first-run",
        "--disable-component-update",
        "--allow-file-access-from-files",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=2000",
        f"--blink-settings=preferredColorScheme={0 if is_dark else 1}",
        "--dump-dom",
    ]
    result = subprocess.run(
        [chromium, *options, (tmp_path / "frame.html").as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found = result.stdout.partition('<p id="out">')[2].partition("</p>")[0].split()
    needed, there, contrast, dark, *labels = found
    assert int(needed) <= int(there) == width
    assert dark == str(is_dark).lower()
    assert labels == ["true", "true"]
    assert float(contrast) >= 4.5  # what WCAG 2 (AA) asks of text
