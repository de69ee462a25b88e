import json

import pytest
import torch

from nlpreg.commands import main
from nlpreg.common.checks import ConfigurationError
from nlpreg.models import TaggerEnsemble, load_archive

TEXT = "the###DET dog###NOUN barks###VERB\ncats###NOUN sleep###VERB\n"


@pytest.fixture
def train(tmp_path):
    """Train a small tagger and return its run's folder."""
    (tmp_path / "data.txt").write_text(TEXT)

    def run(name, seed, data=TEXT, **reader):
        (tmp_path / f"{name}.txt").write_text(data)
        config = {
            "random_seed": seed,
            "numpy_seed": seed,
            "pytorch_seed": seed,
            "dataset_reader": {"type": "sequence_tagging", **reader},
            "train_data_path": str(tmp_path / f"{name}.txt"),
            "model": {
                "type": "simple_tagger",
                "text_field_embedder": {"token_embedders": {"tokens": {"embedding_dim": 4}}},
                "encoder": {"type": "lstm", "input_size": 4, "hidden_size": 3},
            },
            "data_loader": {"batch_size": 2},
            "trainer": {"num_epochs": 1, "optimizer": "adam"},
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(config))
        assert main("nlpreg", ["train", str(tmp_path / f"{name}.json"), "-s", str(tmp_path / name)]) == 0
        return tmp_path / name

    return run


def test_one_archive_of_several(train, tmp_path, capsys):
    folders = [train(f"run{seed}", seed) for seed in (1, 2)]
    output = tmp_path / "both.tar.gz"
    assert main("nlpreg", ["ensemble", str(output), str(folders[0]), str(folders[1] / "model.tar.gz")]) == 0
    assert "an ensemble of 2 taggers" in capsys.readouterr().out
    archive = load_archive(output)
    assert isinstance(archive.model, TaggerEnsemble)
    members = [load_archive(folder).model for folder in folders]
    reader = archive.dataset_reader
    instance = reader.text_to_instance(["the", "dog"])
    reader.apply_token_indexers(instance)
    expected = [torch.as_tensor(one.forward_on_instance(instance)["class_probabilities"]) for one in members]
    found = torch.as_tensor(archive.model.forward_on_instance(instance)["class_probabilities"])
    torch.testing.assert_close(found, (expected[0] + expected[1]) / 2)
    assert not torch.allclose(expected[0], expected[1])
    with pytest.raises(ConfigurationError, match="both.tar.gz: exists; use --force"):
        main("nlpreg", ["ensemble", str(output), str(folders[0])])
    metrics = tmp_path / "metrics.json"
    assert (
        main("nlpreg", ["evaluate", str(output), str(tmp_path / "data.txt"), "--output-file", str(metrics)])
        == 0
    )
    assert 0 <= json.loads(metrics.read_text())["accuracy"] <= 1


def test_members_have_to_fit(train, tmp_path):
    first = train("first", 1)
    other_words = train("words", 1, data="a###DET b###NOUN\n")
    other_reader = train("reader", 1, max_instances=2)
    output = str(tmp_path / "both.tar.gz")
    for folder, message in (
        (other_words, "words: expected the vocabulary of .*first, got another"),
        (other_reader, "reader: expected the dataset_reader of .*first, got another"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            main("nlpreg", ["ensemble", output, str(first), str(folder)])
    with pytest.raises(ConfigurationError, match="ending in .tar.gz"):
        main("nlpreg", ["ensemble", str(tmp_path / "x.zip"), str(first)])
