"""From one trained model to the next: `from_archive`, `_pretrained`, the initializer `pretrained`, larger vocabularies."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpreg.commands.command_line import exit_status as main
from nlpreg.models import load_archive
from nlpreg.predictors import Predictor, SentenceTaggerPredictor

EMBEDDING = "text_field_embedder.token_embedder_tokens.weight"

Train = Callable[..., Path]


@pytest.fixture
def new_data(tagger: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """The config of the tagger, for data with a word and a tag that the trained one has not seen."""
    (tmp_path / "new.txt").write_text("the###DET walrus###ANIMAL slept###VERB\n" * 2)
    trainer = tagger["trainer"] | {"num_epochs": 1, "optimizer": {"type": "sgd", "lr": 0.0}}
    return tagger | {
        "train_data_path": str(tmp_path / "new.txt"),
        "validation_data_path": str(tmp_path / "new.txt"),
        "trainer": trainer,
    }


def test_a_whole_model(new_data: dict[str, Any], trained_tagger: Path, train: Train, tmp_path: Path) -> None:
    archive = str(trained_tagger / "model.tar.gz")
    old = load_archive(archive).model
    # a tagger's last layer does not grow, so the new data have known tags
    (tmp_path / "new.txt").write_text("the###DET walrus###NOUN slept###VERB\n" * 2)
    folder = train(new_data | {"model": {"type": "from_archive", "archive_file": archive}})
    predictor = Predictor.from_path(str(folder / "model.tar.gz"), allow_remote=True)
    assert isinstance(predictor, SentenceTaggerPredictor)  # the default of the model inside
    new = predictor._model
    index = new.vocab.get_token_index("walrus")
    assert index == old.vocab.get_vocab_size("tokens")
    weights, before = new.state_dict(), old.state_dict()
    assert torch.equal(weights[EMBEDDING][:index], before[EMBEDDING])
    assert all(torch.equal(weights[name], value) for name, value in before.items() if name != EMBEDDING)
    arguments = ["evaluate", str(folder), str(tmp_path / "new.txt")]
    assert main("nlpreg", arguments) == 2  # the config names an archive outside the run's folder
    assert main("nlpreg", [*arguments, "--allow-remote"]) == 0


def test_a_part_of_a_model(new_data: dict[str, Any], trained_tagger: Path, train: Train) -> None:
    section = {"archive_file": str(trained_tagger / "model.tar.gz"), "module_path": "encoder", "freeze": True}
    config = new_data | {"model": new_data["model"] | {"encoder": {"_pretrained": section}}}
    weights = torch.load(train(config) / "best.th")
    before = torch.load(trained_tagger / "best.th")
    parts = [name for name in before if name.startswith("encoder.")]
    assert parts and all(torch.equal(weights[name], before[name]) for name in parts)
    model = load_archive(str(train(config, name="again") / "model.tar.gz"), allow_remote=True).model
    assert not any(parameter.requires_grad for parameter in model.encoder.parameters())


def test_weights_by_regex(new_data: dict[str, Any], trained_tagger: Path, train: Train) -> None:
    pretrained = {"type": "pretrained", "weights_file_path": str(trained_tagger / "best.th")}
    regexes = [["encoder.*weight_.*", pretrained], ["encoder.*", {"type": "constant", "val": 0.5}]]
    initializer = {"regexes": regexes, "prevent_regexes": ["bias_hh"]}
    config = new_data | {"model": new_data["model"] | {"initializer": initializer}}
    weights = torch.load(train(config) / "best.th")
    before = torch.load(trained_tagger / "best.th")
    for name, value in before.items():
        if name.startswith("encoder.") and "weight_" in name:
            assert torch.equal(weights[name], value)
        elif name.startswith("encoder.") and "bias_ih" in name:
            assert (weights[name] == 0.5).all()
        elif "bias_hh" in name:
            assert not (weights[name] == 0.5).any() and not torch.equal(weights[name], value)


def test_a_config_and_an_archive_of_1x(
    tagger: dict[str, Any], train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loader = {
        "type": "pytorch_dataloader",
        "pin_memory": True,
        "batch_sampler": {"type": "bucket", "batch_size": 2},
    }
    tagger["dataset_reader"]["lazy"] = False
    tagger["trainer"] |= {"checkpointer": {"num_serialized_models_to_keep": 1}, "epoch_callbacks": None}
    folder = train(tagger | {"data_loader": loader})
    assert "dataset_reader.lazy: a key of an earlier version of AllenNLP, left out" in capsys.readouterr().err
    assert len(list(folder.glob("model_state_*.th"))) == 1
    assert json.loads((folder / "config.json").read_text())["dataset_reader"]["lazy"] is False
    assert main("nlpreg", ["evaluate", f"{folder}/model.tar.gz", str(tmp_path / "valid.txt")]) == 0
    assert "lazy" not in capsys.readouterr().err


def test_an_extended_vocabulary(new_data: dict[str, Any], trained_tagger: Path, train: Train) -> None:
    old = load_archive(str(trained_tagger / "model.tar.gz")).model.vocab
    section = {"type": "extend", "directory": str(trained_tagger / "vocabulary")}
    vocab = load_archive(str(train(new_data | {"vocabulary": section}))).model.vocab
    for namespace in ("tokens", "labels"):
        entries = old.get_index_to_token_vocabulary(namespace)
        assert {i: vocab.get_token_from_index(i, namespace) for i in entries} == entries
    assert vocab.get_token_index("ANIMAL", "labels") == old.get_vocab_size("labels")


def test_vectors_for_new_words_in_evaluation(
    new_data: dict[str, Any], trained_tagger: Path, tmp_path: Path
) -> None:
    (tmp_path / "new.txt").write_text("a###DET walrus###NOUN\n")
    (tmp_path / "vectors.txt").write_text("walrus 9 9 9 9\ncat 1 1 1 1\n")
    arguments = ["evaluate", str(trained_tagger), str(tmp_path / "new.txt"), "--extend-vocab"]
    outputs = []
    for number in "12":
        (tmp_path / "vectors.txt").write_text(f"walrus 9 9 9 {number}\ncat 1 1 1 1\n")
        mapping = json.dumps({"text_field_embedder.token_embedder_tokens": str(tmp_path / "vectors.txt")})
        output = tmp_path / f"p{number}"
        assert (
            main(
                "nlpreg",
                [
                    *arguments,
                    "--embedding-sources-mapping",
                    mapping,
                    "--predictions-output-file",
                    str(output),
                ],
            )
            == 0
        )
        outputs.append(json.loads(output.read_text())["logits"])
    assert outputs[0] != outputs[1]
