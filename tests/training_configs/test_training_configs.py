"""Every config that comes with the package passes the check, and trains."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from nlpreg.commands.check.checking import check_file, raise_problems
from nlpreg.commands.evaluate import evaluate_from_archive
from nlpreg.commands.train import train_model_from_file
from nlpreg.common.plugins import import_builtin_parts
from nlpreg.data.id_corpus import corpus_cache

FOLDER = Path(__file__).parents[2] / "training_configs"
CONFIGS = sorted(path.name for path in FOLDER.glob("*.jsonnet"))
COUNTED = {"tnt_tagger_ewt.jsonnet", "tutorial_hmm.jsonnet"}  # they have no epochs
WORDS = "the dog barks and a cat sleeps while it rains all day on every roof".split()  # noqa: SIM905


@pytest.fixture
def data(tmp_path, monkeypatch):
    """What the configs find under the names of their variables: very little of each kind."""
    monkeypatch.chdir(FOLDER.parent)
    sentences = [WORDS[start : start + 2 + start % 5] for start in range(len(WORDS) - 7)] * 4
    text = "".join(" ".join(words) + "\n" for words in sentences)
    rows = [
        "".join(
            f"{n}\t{word}\t_\tX{len(word) % 4}\tT{len(word) % 3}\tLength={len(word) % 2}\t0\t_\t_\t_\n"
            for n, word in enumerate(words, 1)
        )
        for words in sentences
    ]
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.conllu").write_text("".join(row + "\n" for row in rows))
    for name in ("test.txt", "valid.txt"):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("UD_ENGLISH_EWT", str(tmp_path))
    write_spans(tmp_path, sentences)
    texts = [{"text": " ".join(words), "label": f"l{len(words) % 2}"} for words in sentences]
    for name in ("train.jsonl", "dev.jsonl"):
        (tmp_path / name).write_text("".join(json.dumps(text) + "\n" for text in texts))
    for name in ("CONLL2000", "CONLL2003", "TEXTS", "TEXT", "SHAKESPEARE"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "vectors.txt").write_text("".join(f"{word}{' 0.1' * 100}\n" for word in WORDS[:5]))
    monkeypatch.setenv("VECTORS", str(tmp_path / "vectors.txt"))
    monkeypatch.setenv("WIKITEXT2", str(tmp_path))
    monkeypatch.setattr(corpus_cache, "CORPUS_CACHE", tmp_path / "corpora")
    import_builtin_parts()
    return tmp_path


def write_spans(folder, sentences):
    """Sentences in the columns of CoNLL-2000 and, with entities, of CoNLL-2003."""
    chunks = [[(word, "N", "B-NP" if n % 2 else "O") for n, word in enumerate(words)] for words in sentences]
    text = "\n".join("".join(f"{' '.join(row)}\n" for row in rows) for rows in chunks)
    for name in ("train.txt", "test.txt"):
        (folder / name).write_text(text)
    text = "\n".join(
        "".join(f"{word} N I-NP {chunk[-2:].replace('NP', 'I-PER')}\n" for word, _, chunk in rows)
        for rows in chunks
    )
    for name in ("eng.train", "eng.testa", "eng.testb"):
        (folder / name).write_text(text)


@pytest.fixture
def transformer(tmp_path, monkeypatch):
    """A tiny BERT, under the name that `transformer_tagger.jsonnet` asks for."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path / "bert"
    config = transformers.BertConfig(
        vocab_size=40,
        hidden_size=768,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=512,
    )
    transformers.BertModel(config).save_pretrained(folder)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(WORDS))]
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    monkeypatch.setenv("TRANSFORMER", str(folder))


@pytest.fixture
def tokenizer(tmp_path, monkeypatch):
    """A tokenizer of few subwords, under the name that `lm_transformer_124m.jsonnet` asks for."""
    tokenizers = pytest.importorskip("tokenizers")
    subwords = tokenizers.Tokenizer(tokenizers.models.BPE())
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=60, show_progress=False)
    subwords.train_from_iterator([" ".join(WORDS)], trainer)
    subwords.save(str(tmp_path / "tokenizer.json"))
    monkeypatch.setenv("TOKENIZER", str(tmp_path / "tokenizer.json"))


@pytest.fixture
def character_lm(data, monkeypatch):
    """A language model of characters that is hardly trained, for `pos_tagger_ewt_character_lm.jsonnet`."""
    overrides = json.dumps({"trainer.num_epochs": 1, "data_loader.batches_per_epoch": 2})
    train_model_from_file(FOLDER / "lm_characters_ewt.jsonnet", data / "characters", overrides=overrides)
    monkeypatch.setenv("CHARACTER_LM", str(data / "characters" / "model.tar.gz"))


FEW_UPDATES = {"trainer.max_steps": 2, "trainer.learning_rate_scheduler.warmup_steps": 1}
FEW_WORDS = {
    loader: {"type": "running_text", "batch_size": 2, "bptt": 4, "targets": True}
    for loader in ("data_loader", "validation_data_loader")
}
SMALL = {
    "model.text_field_embedder.token_embedders.tokens.embedding_dim": 8,
    "model.contextualizer.input_dim": 8,
    "model.contextualizer.num_layers": 1,
    "model.contextualizer.num_attention_heads": 2,
    "trainer.compile": False,
    "trainer.num_gradient_accumulation_steps": 1,
}
OVERRIDES = {
    "lm_shakespeare_cpu.jsonnet": {**FEW_UPDATES, **FEW_WORDS},
    "lm_shakespeare_cpu_modern.jsonnet": {**FEW_UPDATES, **FEW_WORDS},
    "lm_shakespeare_gpu.jsonnet": {**FEW_UPDATES, **FEW_WORDS, **SMALL},
    "lm_transformer_124m.jsonnet": {**FEW_UPDATES, **FEW_WORDS, **SMALL},
    "lm_bidirectional_transformer.jsonnet": {"model.num_samples": 3},
    "lm_awd_lstm.jsonnet": {"model.contextualizer.hidden_size": 8},
    "lm_zaremba.jsonnet": {
        "model.contextualizer.hidden_size": 8,
        "model.contextualizer.input_size": 8,
        "model.text_field_embedder.token_embedders.tokens.embedding_dim": 8,
    },
}
"""Changes to configs whose runs go by updates, or are too large for a test."""


def test_there_are_configs():
    assert len(CONFIGS) > 4


@pytest.mark.parametrize("name", CONFIGS)
def test_two_steps_of(name, data, request):
    path = FOLDER / name
    if "transformer_tagger" in name:
        request.getfixturevalue("transformer")
    if "124m" in name:
        request.getfixturevalue("tokenizer")
    if "character_lm" in name:
        request.getfixturevalue("character_lm")
    raise_problems(check_file(path), str(path))
    if name in COUNTED:
        train_model_from_file(path, data / "out")
        assert (data / "out" / "model.tar.gz").is_file()
        return
    overrides = {**OVERRIDES.get(name, {}), "trainer.num_epochs": 1}
    if "data_loader" in overrides:
        overrides["data_loader"] = {**overrides["data_loader"], "batches_per_epoch": 2}
    else:
        overrides["data_loader.batches_per_epoch"] = 2
    train_model_from_file(path, data / "out", overrides=json.dumps(overrides))
    metrics = json.loads((data / "out" / "metrics.json").read_text())
    assert math.isfinite(metrics["training_loss"])
    assert metrics["epoch"] == 0
    lines = (data / "out" / "metrics.jsonl").read_text().splitlines()
    assert max(json.loads(line)["step"] for line in lines) == 2


@pytest.mark.parametrize("name", ["lm_running_text.jsonnet", "lm_word.jsonnet"])
def test_evaluation_repeats_the_last_validation_of(name, data):
    (data / "valid.txt").write_text("a dog sleeps\n" + (data / "test.txt").read_text())
    overrides = json.dumps({"trainer.num_epochs": 2})
    train_model_from_file(FOLDER / name, data / "out", overrides=overrides)
    metrics = json.loads((data / "out" / "metrics.json").read_text())
    assert metrics["best_epoch"] == 1
    found = evaluate_from_archive(data / "out" / "model.tar.gz", str(data / "valid.txt"))
    assert found["perplexity"] == metrics["validation_perplexity"]
    assert found["loss"] == metrics["validation_loss"]
