"""Two tasks in one model, from a config to predictions, through the command line."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.evaluate import evaluate_from_archive
from nlpreg.data import Vocabulary
from nlpreg.models import Head, load_archive
from nlpreg.nn.util import sequence_cross_entropy_with_logits
from nlpreg.training.metrics import CategoricalAccuracy

FILES = {
    "mood": [("what a good film", "pos"), ("bad bad acting", "neg"), ("good", "pos"), ("so bad", "neg"),
             ("the dog ate the good apple", "pos")],
    "mood_valid": [("a good dog", "pos"), ("bad", "neg"), ("what a bad apple", "neg")],
    "names": [("the dog saw Anna", "O O O B-PER"), ("Anna Lee", "B-PER I-PER"), ("good", "O"),
              ("Rome is good", "B-LOC O O")],
    "names_valid": [("Anna saw Rome", "B-PER O B-LOC"), ("dog", "O")],
}  # fmt: skip


class NamesHead(Head):
    """Tags each word."""

    default_predictor = "sentence_tagger"

    def __init__(self, vocab: Vocabulary, input_dim: int) -> None:
        super().__init__(vocab)
        self.layer = torch.nn.Linear(input_dim, vocab.get_vocab_size("name_labels"))
        self.accuracy = CategoricalAccuracy()

    def forward(
        self, encoded_text: Tensor, encoded_text_mask: Tensor, tags: Tensor | None = None
    ) -> dict[str, Any]:
        output: dict[str, Any] = {"logits": self.layer(encoded_text)}
        if tags is not None:
            output["loss"] = sequence_cross_entropy_with_logits(output["logits"], tags, encoded_text_mask)
            self.accuracy(output["logits"], tags, encoded_text_mask)
        return output

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        if "logits" in output_dict:
            best = output_dict["logits"].argmax(-1).tolist()
            names = self.vocab.get_index_to_token_vocabulary("name_labels")
            output_dict["tags"] = [[names[tag] for tag in row] for row in best]
        return output_dict

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        return {"accuracy": self.accuracy.get_metric(reset)}


@pytest.fixture(autouse=True)
def registered() -> None:
    Head.register("test_names")(NamesHead)


def paths(folder: Path, suffix: str = "") -> dict[str, str]:
    return {"mood": f"{folder}/mood{suffix}", "names": f"{folder}/names{suffix}"}


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    for name, lines in FILES.items():
        if name.startswith("mood"):
            text = "\n".join(json.dumps({"text": words, "label": label}) for words, label in lines)
        else:
            text = "\n\n".join(
                "\n".join(f"{word} X X {tag}" for word, tag in zip(words.split(), tags.split(), strict=True))
                for words, tags in lines
            )
        (tmp_path / name).write_text(text + "\n")
    encoder = {"type": "lstm", "input_size": 4, "hidden_size": 3}
    embedder = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
    mean = {"type": "boe", "embedding_dim": 3, "averaged": True}
    return {
        "dataset_reader": {
            "type": "multitask",
            "readers": {
                "mood": {"type": "text_classification_json", "tokenizer": "whitespace"},
                "names": {"type": "conll2003", "label_namespace": "name_labels"},
            },
        },
        "train_data_path": paths(tmp_path),
        "validation_data_path": paths(tmp_path, "_valid"),
        "model": {
            "type": "multitask",
            "backbone": {"type": "text", "text_field_embedder": embedder, "encoder": encoder},
            "heads": {
                "mood": {"type": "classifier", "seq2vec_encoder": mean},
                "names": {"type": "test_names", "input_dim": 3},
            },
            "loss_weights": {"names": 0.5},
            "arg_name_mapping": {"backbone": {"tokens": "text"}},
        },
        "data_loader": {"type": "multitask", "scheduler": {"batch_size": 2}},
        "validation_data_loader": {"type": "multitask", "scheduler": {"batch_size": 2}, "shuffle": False},
        "trainer": {
            "num_epochs": 3,
            "optimizer": {"type": "adam", "lr": 0.05},
            "validation_metric": ["+mood_accuracy", "+names_accuracy", "-loss"],
            "cuda_device": -1,
            "metrics_interval": 1,
            "checkpointer": {"save_every_num_batches": 1, "keep_most_recent_by_count": None},
        },
    }


def train(config: dict[str, Any], folder: Path, *options: str) -> Path:
    (folder.parent / "config.json").write_text(json.dumps(config))
    words = ["train", str(folder.parent / "config.json"), "-s", str(folder), "-q", *options]
    assert main("nlpreg", words) == 0
    return folder


def by_hand(run: Path, task: str, suffix: str) -> list[tuple[Tensor, list[int], list[str]]]:
    """Scores and gold labels of each text of a task, one text at a time and without heads or backbone."""
    model: Any = load_archive(run / "model.tar.gz").model.eval()
    namespace = "labels" if task == "mood" else "name_labels"
    results = []
    with torch.no_grad():
        for words, labels in FILES[task + suffix]:
            ids = torch.tensor([[model.vocab.get_token_index(word) for word in words.split()]])
            embedded = model._backbone._text_field_embedder.token_embedder_tokens.weight[ids]
            encoded = model._backbone._encoder._module(embedded)[0][0]
            if task == "mood":
                scores = model._heads["mood"]._classification_layer(encoded.mean(0, keepdim=True))
            else:
                scores = model._heads["names"].layer(encoded)
            gold = [model.vocab.get_token_index(label, namespace) for label in labels.split()]
            names = [model.vocab.get_token_from_index(i, namespace) for i in scores.argmax(-1).tolist()]
            results.append((scores, gold, names))
    return results


def test_losses_and_metrics_are_those_by_hand(config: dict[str, Any], tmp_path: Path) -> None:
    run = train(config, tmp_path / "out")
    text_losses, expected = [], {}
    for task, weight in (("mood", 1.0), ("names", 0.5)):
        texts = by_hand(run, task, "_valid")
        losses = [float(cross_entropy(scores, torch.tensor(gold))) for scores, gold, _ in texts]
        text_losses += [weight * loss for loss in losses]
        right = [
            best == label
            for scores, gold, _ in texts
            for best, label in zip(scores.argmax(-1).tolist(), gold, strict=True)
        ]
        expected[f"{task}_accuracy"] = sum(right) / len(right)
    expected["loss"] = sum(text_losses) / len(text_losses)
    metrics = json.loads((run / "metrics.json").read_text())
    data = json.dumps(paths(tmp_path, "_valid"))
    for measured in (
        {name: metrics[f"best_validation_{name}"] for name in expected},
        evaluate_from_archive(run / "model.tar.gz", data),
    ):
        assert measured == pytest.approx(expected, abs=1e-6)
    together = evaluate_from_archive(run / "model.tar.gz", data, batch_size=3)
    assert together == pytest.approx(expected, abs=1e-6), "whatever the batches"


def test_predictions_of_both_tasks(
    config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(config, tmp_path / "out")
    texts = {task: [words for words, _ in FILES[f"{task}_valid"]] for task in ("mood", "names")}
    expected = {task: [names for _, _, names in by_hand(run, task, "_valid")] for task in ("mood", "names")}
    lines = [("mood", 0), ("names", 0), ("names", 1), ("mood", 1), ("mood", 2)]
    (tmp_path / "in.jsonl").write_text(
        "\n".join(json.dumps({"task": task, "sentence": texts[task][i]}) for task, i in lines)
    )

    def predicted(*words: object) -> list[dict[str, Any]]:
        assert main("nlpreg", ["predict", str(run), *map(str, words), "--output-file", f"{tmp_path}/o"]) == 0
        return [json.loads(line) for line in (tmp_path / "o").read_text().splitlines()]

    for size in (1, 3):
        for (task, i), result in zip(
            lines, predicted(tmp_path / "in.jsonl", "--batch-size", size), strict=True
        ):
            found = [result["mood_label"]] if task == "mood" else result["names_tags"]
            assert found[: len(expected[task][i])] == expected[task][i]
    reading = ("--use-dataset-reader", "--multitask-head", "names")
    results = predicted(tmp_path / "names_valid", *reading)
    assert [result["names_tags"] for result in results] == expected["names"]
    capsys.readouterr()
    assert main("nlpreg", ["predict", str(run), f"{tmp_path}/names_valid", "--use-dataset-reader"]) == 2
    assert "needs one of mood, names, got None" in capsys.readouterr().err


LOADERS: dict[str, tuple[dict[str, Any], int]] = {
    "everything": ({}, 5),
    "shares": ({"sampler": {"type": "weighted", "weights": {"mood": 1, "names": 2}}, "instances_per_epoch": 9}, 5),
    "equal shares": ({"sampler": "uniform", "instances_per_epoch": 10, "max_instances_in_memory": {"mood": 2}}, 6),
    "by size": ({"sampler": "proportional", "instances_per_epoch": 18}, 9),
    "one task more at once": ({"scheduler": {"batch_size": {"mood": 5, "names": 1}}}, 5),
}  # fmt: skip


@pytest.mark.parametrize("case", LOADERS)
def test_a_run_goes_on_to_the_same_bits(case: str, config: dict[str, Any], tmp_path: Path) -> None:
    options, steps = LOADERS[case]
    config["data_loader"].update(options)
    whole = train(config, tmp_path / "out")
    assert (whole / f"model_state_e0_b{steps}.th").exists()
    assert not (whole / f"model_state_e0_b{steps + 1}.th").exists()
    stopped = tmp_path / "stopped"
    shutil.copytree(whole, stopped)
    for file in stopped.iterdir():
        place = re.search(r"_e(\d+)_b(\d+)", file.name)
        is_later = place is not None and (int(place[1]), int(place[2])) > (1, 1)
        if is_later or file.name in ("model.tar.gz", "metrics.json"):
            file.unlink()
    train(config, stopped, "-r")
    for name in ("model_state_e3_b0.th", "best.th", "model_state_e2_b1.th"):
        first, second = (torch.load(run / name, weights_only=True) for run in (whole, stopped))
        assert all(torch.equal(first[key], second[key]) for key in first)
    first, second = (json.loads((run / "metrics.json").read_text()) for run in (whole, stopped))
    ignored = ("training_duration", "_memory_MB")
    assert {key: value for key, value in first.items() if not key.endswith(ignored)} == {
        key: value for key, value in second.items() if not key.endswith(ignored)
    }


def test_validation_of_a_share_is_warned_of(
    config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config["data_loader"] |= {"sampler": "uniform", "instances_per_epoch": 4}
    del config["validation_data_loader"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert main("nlpreg", ["train", f"{tmp_path}/config.json", "-s", f"{tmp_path}/out", "--dry-run"]) == 0
    shown = "".join(capsys.readouterr())
    assert "data_loader.instances_per_epoch also limits the validation data" in shown


@pytest.mark.timeout(600)
@pytest.mark.parametrize("to", ["torch", pytest.param("onnx", marks=pytest.mark.slow)])
def test_the_exported_program_has_the_outputs_of_every_head(
    to: str, config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if to == "onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
    folder = train(config, tmp_path / "run")
    words = ["export", str(folder), "--to", to, "-o", str(tmp_path / "out"), "--data"]
    assert main("nlpreg", [*words, str(tmp_path / "mood")]) == 2
    assert '--data: expected a file for each task, such as {"mood": "FILE", "names": "FILE"}' in (
        capsys.readouterr().err
    )
    assert main("nlpreg", [*words, json.dumps(paths(tmp_path, "_valid"))]) == 0
    record = json.loads((tmp_path / "out" / "export.json").read_text())
    assert set(record["outputs"]) == {
        "encoded_text",
        "encoded_text_mask",
        "mood_logits",
        "mood_probs",
        "names_logits",
    }
    assert len(record["sizes"]) == 8  # those of both tasks
    assert max(record["largest_differences"].values()) < 1e-5
