"""Configs as users of AllenNLP wrote them train, with tiny data, vectors and pretrained models in place of the real ones."""

import gzip
import importlib.util
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nlpreg.commands.command_line import exit_status as main

Run = Callable[..., dict[str, Any]]


def _configs() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location(
        "ordinary_configs", Path(__file__).with_name("test_ordinary_configs.py")
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    configs: dict[str, str] = module.CONFIGS
    return configs


CONFIGS = _configs()

CONLL = """-DOCSTART- -X- O O

Anna NNP I-NP I-PER
Lopez NNP I-NP I-PER
sees VBZ I-VP O
日本 NNP I-NP I-LOC

He PRP I-NP O
sleeps VBZ I-VP O

"""
TREES = "(3 (2 the) (3 (4 good) (2 film)))\n(1 (2 a) (1 (0 bad) (2 cat)))\n(2 the)\n"
BOOLQ = '{"question": "is it so", "passage": "it is so .", "label": true}\n{"question": "is it", "passage": "no", "label": false}\n'
ONTONOTES = """#begin document (a); part 000
a 0 0 Anna NNP (TOP(S(NP* - - - - (PERSON) -
a 0 1 Lopez NNP *) - - - - * -
a 0 2 sees VBZ (VP*))) - - - - * -

a 0 0 Rome NNP (TOP*) - - - - (GPE) -

#end document
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Trains one of the configs after changes of its text, and returns the metrics."""

    def run_config(name: str, data: str, **changes: str) -> dict[str, Any]:
        monkeypatch.setenv("DATA", data)
        text = CONFIGS[name]
        for old, new in {"num_epochs: 60": "num_epochs: 2", "num_epochs: 20": "num_epochs: 2"}.items():
            text = text.replace(old, new)
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        (tmp_path / "c.jsonnet").write_text(text)
        assert main("nlpreg", ["train", str(tmp_path / "c.jsonnet"), "-s", str(tmp_path / "out")]) == 0
        assert (tmp_path / "out" / "model.tar.gz").exists()
        metrics: dict[str, Any] = json.loads((tmp_path / "out" / "metrics.json").read_text())
        return metrics

    return run_config


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a BERT of the usual width with one layer and random weights."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("bert")
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "the",
        "good",
        "bad",
        "##s",
        "a",
        "b",
        "1",
        "2",
        "anna",
    ]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(pieces),
        hidden_size=768,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    transformers.BertModel(config).save_pretrained(folder)
    return str(folder)


def write_elmo(folder: Path) -> tuple[str, str]:
    """Options and weights of an ELMo with the output width of the published ones, small otherwise."""
    h5py = pytest.importorskip("h5py")
    draw = np.random.default_rng(0)
    width, cell = 512, 8
    shapes: dict[str, tuple[int, ...]] = {
        "char_embed": (261, 4),
        "CNN_proj/W_proj": (3, width),
        "CNN_proj/b_proj": (width,),
        "CNN/W_cnn_0": (1, 1, 4, 3),
        "CNN/b_cnn_0": (3,),
        "CNN_high_0/W_transform": (3, 3),
        "CNN_high_0/b_transform": (3,),
        "CNN_high_0/W_carry": (3, 3),
        "CNN_high_0/b_carry": (3,),
    }
    for direction in range(2):
        for layer in range(2):
            name = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
            shapes |= {
                f"{name}/W_0": (2 * width, 4 * cell),
                f"{name}/B": (4 * cell,),
                f"{name}/W_P_0": (cell, width),
            }
    with h5py.File(folder / "w.hdf5", "w") as file:
        for name, shape in shapes.items():
            file[name] = draw.normal(0, 0.1, shape).astype(np.float32)
    lstm = {
        "use_skip_connections": True,
        "projection_dim": width,
        "dim": cell,
        "n_layers": 2,
        "cell_clip": 3,
        "proj_clip": 3,
    }
    characters = {"activation": "relu", "embedding": {"dim": 4}, "filters": [[1, 3]], "n_highway": 1}
    characters |= {"max_characters_per_token": 50, "n_characters": 262}
    (folder / "o.json").write_text(json.dumps({"lstm": lstm, "char_cnn": characters}))
    return str(folder / "o.json"), str(folder / "w.hdf5")


def test_a_bidirectional_language_model(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    vocabulary = tmp_path / "vocabulary"
    data.mkdir()
    vocabulary.mkdir()
    for shard in range(2):
        (data / f"shard{shard}").write_text("the w1 w2\nw3 w4 w5 w6\n" * 5)
    words = ["@@UNKNOWN@@", "the", "<S>", "</S>", *(f"w{i}" for i in range(4200))]
    (vocabulary / "tokens.txt").write_text("\n".join(words) + "\n")
    (vocabulary / "non_padded_namespaces.txt").write_text("*tags\n*labels\n")
    metrics = run(
        "language_model",
        str(data),
        **{
            "local gpus = 2": "local gpus = 1",
            'directory: std.extVar("DATA")': f"directory: {json.dumps(str(vocabulary))}",
            "num_epochs: 10": "num_epochs: 1",
        },
    )
    assert metrics["training_sampled_perplexity"] > 1


@pytest.mark.filterwarnings("default:.*coding_scheme:DeprecationWarning")
def test_entities_with_all_kinds_of_embeddings(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ner.txt").write_text(CONLL * 3, encoding="utf-8")
    with gzip.open(tmp_path / "vectors.txt.gz", "wt", encoding="utf-8") as file:
        for word in ("anna", "sees", "日本"):
            file.write(" ".join([word, *["0.5"] * 64]) + "\n")
    options, weights = write_elmo(tmp_path)
    metrics = run(
        "entities",
        str(tmp_path / "ner.txt"),
        **{
            "https://host/vectors.txt.gz": str(tmp_path / "vectors.txt.gz"),
            "https://host/o.json": options,
            "https://host/w.hdf5": weights,
        },
    )
    assert '"convert_to_coding_scheme"' in capsys.readouterr().out
    assert 0 <= metrics["test_f1-measure-overall"] <= 1 and metrics["epoch"] == 1


def test_a_tagger_on_a_transformer(run: Run, bert: str, tmp_path: Path) -> None:
    (tmp_path / "o.gold_conll").write_text(ONTONOTES)
    changes = {
        '"some-encoder"': json.dumps(bert),
        "trainer: {": "validation_data_path: self.train_data_path, trainer: {",
    }
    metrics = run("transformer_tagger", str(tmp_path), **changes)
    assert metrics["training_loss"] > 0 and "validation_f1-measure-overall" in metrics


def test_a_classifier_on_a_transformer(run: Run, bert: str, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(TREES * 3)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("dir/dev.txt", TREES)
    changes = {
        '"some-encoder"': json.dumps(bert),
        "https://host/train.txt": str(tmp_path / "train.txt"),
        "https://host/test.txt": str(tmp_path / "train.txt"),
        "https://host/x.zip": str(tmp_path / "x.zip"),
        "num_epochs: 6, num_gradient": "num_epochs: 1, cuda_device: -1, num_gradient",
    }
    metrics = run("classifier", "", **changes)
    assert metrics["validation_accuracy"] <= 1


def test_a_classifier_on_an_lstm(run: Run, tmp_path: Path) -> None:
    lines = [json.dumps({"text": "the good film", "label": "a"}), json.dumps({"text": "bad", "label": 3})]
    (tmp_path / "data.jsonl").write_text("\n".join(lines * 4))
    validation = {"trainer: {": "validation_data_path: self.train_data_path, trainer: {"}
    metrics = run("lstm_classifier", str(tmp_path / "data.jsonl"), **validation)
    assert metrics["epoch"] <= 2 and "validation_accuracy" in metrics


def test_questions_with_tiny_batches(run: Run, bert: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("dir/train.jsonl", BOOLQ * 3)
    changes = {
        '"some-encoder"': json.dumps(bert),
        'type: "sst_tokens", granularity: "5-class", use_subtrees: true': 'type: "boolq"',
        "validation_dataset_reader: self.dataset_reader + {use_subtrees: false},": "",
        '"https://host/train.txt"': 'std.extVar("DATA") + "!dir/train.jsonl"',
        "https://host/x.zip!dir/dev.txt": f"{tmp_path / 'x.zip'}!dir/train.jsonl",
        "https://host/test.txt": f"{tmp_path / 'x.zip'}!dir/train.jsonl",
        "num_labels: 5": "num_labels: 2",
        "batch_size: 8": "batch_size: 2",
        "num_epochs: 6, num_gradient": "num_epochs: 1, cuda_device: -1, num_gradient",
    }
    assert 0 <= run("classifier", str(tmp_path / "x.zip"), **changes)["validation_accuracy"] <= 1


def test_biattention(run: Run, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(TREES * 3)
    reader = {'type: "boolq"': 'type: "sst_tokens", use_subtrees: true, granularity: "5-class"'}
    assert run("bcn", str(tmp_path / "train.txt"), **reader)["training_accuracy"] <= 1


def test_parts_of_an_archive(run: Run, trained_tagger: Path, tmp_path: Path) -> None:
    archive = trained_tagger / "model.tar.gz"
    (tmp_path / "more.txt").write_text("a###DET walrus###NOUN\n" * 3)
    changes = {
        "https://host/model.tar.gz": str(archive),
        "_text_field_embedder": "text_field_embedder",
        "https://host/best.th": str(trained_tagger / "best.th"),
        'directory: std.extVar("DATA")': f"directory: {json.dumps(str(trained_tagger / 'vocabulary'))}",
        "input_size: 30, hidden_size: 30": "input_size: 4, hidden_size: 30",
        '["a", ': '["^tag_projection_layer.*bias", ',
        "trainer: {": "trainer: {num_epochs: 1,",
    }
    run("from_an_archive", str(tmp_path / "more.txt"), **changes)
    before = torch.load(trained_tagger / "best.th")
    after = torch.load(tmp_path / "out" / "best.th")
    name = "text_field_embedder.token_embedder_tokens.weight"
    assert after[name].shape[0] == before[name].shape[0] + 1  # the new word
    assert torch.equal(after[name][10], before[name][10])  # of a word that the new data have not
