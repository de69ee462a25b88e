"""What the report says of a language model's predictions, by hand; and a model that was really trained."""

import math
from collections.abc import Sequence

import pytest

from nlpreg.commands.report.language import LanguageAnalysis, analyse_language_model
from nlpreg.commands.report.page import run_page
from nlpreg.commands.report.run_record import RunRecord
from nlpreg.commands.train import train_model_from_file
from nlpreg.models import load_archive
from nlpreg.predictors.scorer import ScoredText


def text(tokens: Sequence[str], probabilities: Sequence[float | None]) -> ScoredText:
    logarithms = [None if p is None else math.log(p) for p in probabilities]
    return ScoredText(" ".join(tokens), list(tokens), logarithms, sum(p is not None for p in probabilities))


ANALYSIS = LanguageAnalysis(
    "dev",
    [text(["<S>", "the", "rare", "odd"], [None, 1 / 2, 1 / 8, 1 / 16]), text(["<S>", "the"], [None, 1 / 8])],
    ranks={"the": 1, "rare": 11},
    samples=["the <end>"],
)


def test_perplexity_by_frequency() -> None:
    found = {band.name: (band.count, band.perplexity) for band in ANALYSIS.by_frequency()}
    # "the": probabilities 1/2 and 1/8, whose geometric mean is 1/4
    assert found == {
        "1 to 10": (2, pytest.approx(4)),
        "11 to 100": (1, pytest.approx(8)),
        "unknown": (1, pytest.approx(16)),
    }


def test_perplexity_by_position() -> None:
    found = {band.name: (band.count, band.perplexity) for band in ANALYSIS.by_position()}
    assert found == {"2": (2, pytest.approx(4)), "3": (1, pytest.approx(8)), "4 to 5": (1, pytest.approx(16))}


def test_the_worst_come_first_and_impossible_tokens_are_infinite() -> None:
    assert [len(found.tokens) for found in ANALYSIS.worst()] == [2, 4]  # 8, and the cube root of 256
    impossible = LanguageAnalysis("dev", [ScoredText("a", ["a"], [-1e6], 1)])
    assert impossible.by_frequency()[0].perplexity == math.inf


def test_the_page_shows_and_escapes_them() -> None:
    page = run_page(RunRecord("/runs/lm", config={}), ANALYSIS)
    assert "the &lt;end&gt;" in page
    assert "<small>4.0</small>" in page  # 1/16 is 4 bits


def test_a_trained_model(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("the dog ate\nthe cat ate\n", encoding="utf-8")
    config = """{
      dataset_reader: { type: 'simple_language_modeling', tokenizer: 'whitespace', start_tokens: ['<S>'], end_tokens: ['</S>'] },
      train_data_path: 'text.txt',
      model: { type: 'language_model',
        text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: 4 } } },
        contextualizer: { type: 'lstm', input_size: 4, hidden_size: 4 } },
      data_loader: { batch_size: 2 }, trainer: { num_epochs: 1, optimizer: 'adam' },
    }"""
    (tmp_path / "c.jsonnet").write_text(config, encoding="utf-8")
    train_model_from_file("c.jsonnet", "out")
    archive = load_archive("out/model.tar.gz")
    analysis = analyse_language_model(archive, "text.txt", 10)
    assert analysis is not None
    assert [found.text for found in analysis.texts] == ["the dog ate", "the cat ate"]
    assert sum(band.count for band in analysis.by_frequency()) == 8  # three words and the end, twice
    assert len(analysis.samples) == 5
