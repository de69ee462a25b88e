"""The benchmark of a large corpus: its text, its configs, and that it runs."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from nlpreg.commands.check.checking import check_config, raise_problems
from nlpreg.common.plugins import import_builtin_parts

ROOT = Path(__file__).parents[2]


@pytest.fixture
def large_corpus(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("large_corpus")


def test_words_are_all_different_and_as_many_as_it_says(large_corpus: Any, tmp_path: Path) -> None:
    assert len({large_corpus.spelt(rank) for rank in range(50_000)}) == 50_000
    corpus = large_corpus.write_corpus(tmp_path / "text.txt", 1)
    words = (tmp_path / "text.txt").read_text().split()
    assert len(words) == corpus.num_words
    assert 4 < (tmp_path / "text.txt").stat().st_size / len(words) < 8


@pytest.mark.parametrize("loader", ["running_text", "text_lines"])
def test_the_configs_pass_the_check(large_corpus: Any, tmp_path: Path, loader: str) -> None:
    (tmp_path / "text.txt").write_text("a b\n")
    import_builtin_parts()
    raise_problems(check_config(large_corpus.config(tmp_path / "text.txt", loader)), "the config")


@pytest.mark.slow
def test_it_runs(large_corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "results.md"
    monkeypatch.setattr("sys.argv", ["large_corpus.py", "--quick", "--output", str(output)])
    large_corpus.main()
    text = output.read_text(encoding="utf-8")
    assert text.count("| peak memory of `nlpreg train` |") == 2
