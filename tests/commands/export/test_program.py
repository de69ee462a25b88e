"""Every registered model is exported, with outputs equal to its own at several sizes, or says why it is not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from every_model import CASES, EMBEDDER, LSTM, SENTENCES, TAGGING, WITH_GAPS, make_predictor

from nlpreg.commands.export.exporting import write_program
from nlpreg.commands.export.program import Program, tensors_of
from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import DatasetReader, Instance, Vocabulary
from nlpreg.models import Model
from nlpreg.modules import Seq2SeqEncoder

REFUSED = {
    "tnt_tagger": "guesses the tags of unknown words from their letters",
    "multitask": "chosen by the name of each instance's task",
    "language_model, stateful": "_contextualizer is stateful",
}
QUICK = {("hmm_tagger", "onnx"), ("next_token_lm", "torch")}

NOT_EXPORTED = {"awd_lstm"}
NOT_IN_ONNX = {"augmented_lstm", "alternating_lstm", "stacked_bidirectional_lstm"}
ENCODERS: dict[str, dict[str, Any]] = {
    "awd_lstm": {"input_size": 4, "hidden_size": 4, "num_layers": 2},
    "augmented_lstm": {"input_size": 4, "hidden_size": 4},
    "alternating_lstm": {"input_size": 4, "hidden_size": 4, "num_layers": 2},
    "stacked_bidirectional_lstm": {"input_size": 4, "hidden_size": 4, "num_layers": 2},
    "gated-cnn-encoder": {"input_dim": 4, "layers": [[[2, 4]], [[2, 4]]]},
    "bidirectional_language_model_transformer": {
        "input_dim": 4,
        "hidden_dim": 4,
        "num_layers": 2,
    },
    "feedforward": {
        "feedforward": {"input_dim": 4, "num_layers": 1, "hidden_dims": 4, "activations": "relu"}
    },
    "pass_through": {"input_dim": 4},
    "compose": {"encoders": [LSTM, LSTM]},
    "gru": {"input_size": 4, "hidden_size": 4, "bidirectional": True},
    "rnn": {"input_size": 4, "hidden_size": 4},
    "lstm": {"input_size": 4, "hidden_size": 4, "num_layers": 2},
    "pytorch_transformer": {"input_dim": 4, "num_layers": 1, "num_attention_heads": 2},
    "transformer_lm": {"input_dim": 4, "num_layers": 1, "num_attention_heads": 2},
}


def needed(to: str) -> None:
    if to == "onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package)


def case(name: str) -> tuple[Model, list[Instance]]:
    predictor = make_predictor(name)
    model = predictor._model.eval()
    torch.manual_seed(0)
    for parameter in model.parameters():  # an untrained model may score everything alike
        torch.nn.init.uniform_(parameter, -0.5, 0.5)
    sentences = WITH_GAPS if name.startswith("masked") else [text for text in SENTENCES if text]
    task = {"task": "sentiment"} if name == "multitask" else {}
    instances = [predictor._json_to_instance({"sentence": text, **task}) for text in sentences]
    for instance in instances:
        predictor._dataset_reader.apply_token_indexers(instance)
    return model, instances


def check(model: Model, instances: list[Instance], to: str, folder: Path) -> dict[str, Any]:
    record = write_program(model.eval(), to, instances, folder)
    assert len({tuple(size) for size in record["sizes"]}) > 2
    assert max(record["largest_differences"].values()) < 1e-5
    return record


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "to"),
    [
        pytest.param(
            name,
            to,
            marks=[] if (name, to) in QUICK else [pytest.mark.slow],
            id=f"{name.replace(', ', '-')}-{to}",
        )
        for name in CASES
        if name not in REFUSED
        for to in ("torch", "onnx")
    ],
)
def test_every_model(name: str, to: str, tmp_path: Path) -> None:
    needed(to)
    record = check(*case(name), to, tmp_path)
    assert set(record["outputs"]) - {"mask", "token_ids"}
    assert (tmp_path / "crf_decoder.py").exists() == name.startswith(("crf", "hmm"))


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_program_says_why(name: str) -> None:
    model, instances = case(name)
    with pytest.raises(
        ConfigurationError, match=f"cannot be exported as a program: .*{REFUSED[name]}.*safetensors"
    ):
        Program(model, tensors_of(model, instances))


def test_an_ensemble_of_random_fields_says_why() -> None:
    _, instances = case("crf_tagger")
    vocab = make_predictor("crf_tagger")._model.vocab
    member = {"type": "crf_tagger", "text_field_embedder": EMBEDDER, "encoder": LSTM}
    model = Model.from_params(Params({"type": "tagger_ensemble", "members": [member]}), vocab=vocab)
    with pytest.raises(ConfigurationError, match="cannot be exported as a program: .*marginals"):
        Program(model, tensors_of(model, instances))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("to", ["torch", "onnx"])
@pytest.mark.parametrize("name", [name for name in Seq2SeqEncoder.list_available() if name != "nlpreg_test"])
def test_every_encoder(name: str, to: str, tmp_path: Path) -> None:
    needed(to)
    _, instances = case("simple_tagger")
    vocab = make_predictor("simple_tagger")._model.vocab
    config = {
        "type": "simple_tagger",
        "text_field_embedder": EMBEDDER,
        "encoder": {"type": name, **ENCODERS[name]},
    }
    model = Model.from_params(Params(config), vocab=vocab)
    if name in NOT_EXPORTED or (name in NOT_IN_ONNX and to == "onnx"):
        with pytest.raises(ConfigurationError, match="cannot be (exported|written as ONNX)"):
            write_program(model.eval(), to, instances, tmp_path)
    else:
        check(model, instances, to, tmp_path)


def transformer(folder: Path) -> str:
    """The folder of a BERT of one layer with random weights, and of its tokenizer."""
    transformers = pytest.importorskip("transformers")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "ate", "##s", "a", "apple", "."]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    transformers.BertModel(transformers.BertConfig(vocab_size=len(pieces), **sizes)).save_pretrained(folder)
    return str(folder)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("to", ["torch", "onnx"])
@pytest.mark.parametrize("kind", ["classifier"])  # the others are not verified yet
def test_pretrained_transformers(kind: str, to: str, tmp_path: Path) -> None:
    needed(to)
    name = transformer(tmp_path / "bert")
    indexer = "pretrained_transformer" + ("_mismatched" if kind == "tagger" else "")
    indexers = {"tokens": {"type": indexer, "model_name": name}}
    if kind == "tagger":
        reader_config = {**TAGGING, "token_indexers": indexers}
    else:
        tokenizer = {"type": "pretrained_transformer", "model_name": name}
        reader_config = {
            "type": "text_classification_json",
            "tokenizer": tokenizer,
            "token_indexers": indexers,
        }
    embedder = {"token_embedders": {"tokens": {"type": indexer, "model_name": name}}}
    config: dict[str, Any] = {
        "tagger": {
            "type": "simple_tagger",
            "text_field_embedder": embedder,
            "encoder": {"type": "pass_through", "input_dim": 8},
        },
        "classifier": {
            "type": "basic_classifier",
            "text_field_embedder": embedder,
            "seq2vec_encoder": {"type": "bert_pooler", "pretrained_model": name},
        },
        "transformer_classification_tt": {
            "type": "transformer_classification_tt",
            "transformer_model": name,
        },
    }[kind]
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(["x", "y"], "labels")
    reader = DatasetReader.from_params(Params(reader_config))
    texts = ["the dog ate the apple .", "the dogs ate", "a dog", "apples", "the dog ate the dog ."]
    instances = [reader.text_to_instance(text.split() if kind == "tagger" else text) for text in texts]
    for instance in instances:
        reader.apply_token_indexers(instance)
    (tmp_path / "out").mkdir()
    check(Model.from_params(Params(config), vocab=vocab), instances, to, tmp_path / "out")
