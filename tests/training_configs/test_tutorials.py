"""The configs of the tutorial learn its two sentences whatever the seed."""

from pathlib import Path

import pytest

from nlpreg.commands.train import train_model_from_file
from nlpreg.common.plugins import import_builtin_parts
from nlpreg.models.archival import load_archive
from nlpreg.predictors import Predictor

FOLDER = Path(__file__).parents[2] / "training_configs"
TUTORIALS = sorted(path.name for path in FOLDER.glob("tutorial_*.jsonnet"))
SENTENCES = {
    "The dog ate the apple": ["DET", "NOUN", "VERB", "DET", "NOUN"],
    "Everybody read that book": ["NOUN", "VERB", "DET", "NOUN"],
}


def test_there_are_four():
    assert len(TUTORIALS) == 4


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))])
@pytest.mark.parametrize("name", TUTORIALS)
def test_it_learns_the_sentences(name, seed, tmp_path, monkeypatch):
    monkeypatch.chdir(FOLDER.parent)
    import_builtin_parts()
    seeds = {"random_seed": seed, "numpy_seed": seed, "pytorch_seed": seed}
    train_model_from_file(FOLDER / name, tmp_path / "out", overrides=seeds)
    archive = load_archive(tmp_path / "out" / "model.tar.gz")
    predictor = Predictor.from_archive(archive, "sentence_tagger")
    for sentence, tags in SENTENCES.items():
        instance = archive.dataset_reader.text_to_instance(sentence.split())
        assert predictor.predict_instance(instance)["tags"] == tags
