"""Every registered model is exported, with outputs equal to its own at several sizes, or says why it is not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from every_model import (
    CASES,
    CHARACTERS,
    LSTM,
    RUNNING,
    SENTENCES,
    TAGGING,
    WITH_GAPS,
    make_predictor,
)

from nlpreg.commands.export.exporting import write_program
from nlpreg.commands.export.program import Program, tensors_of
from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import DatasetReader, Instance, Vocabulary
from nlpreg.data.fields import MetadataField
from nlpreg.models import LanguageModel, Model, NextTokenLM
from nlpreg.modules import Seq2SeqEncoder
from nlpreg.modules.softmax_loss import WordDistribution
from nlpreg.nn.beam_search import BeamSearch
from nlpreg.nn.beam_search_generators import TransformerBeamSearchGenerator

QUICK = {("hmm_tagger", "onnx"), ("next_token_lm", "torch")}

# of the same encoders, what is computed in another way than by default
VARIANTS: dict[str, dict[str, Any]] = {
    "augmented_lstm": {"use_highway": False, "go_forward": False},
    "alternating_lstm": {"use_highway": False},
    "stacked_bidirectional_lstm": {"use_highway": False},
    "awd_lstm": {"stateful": True, "output_size": 6},
    "gru": {"stateful": True, "num_layers": 2},
    "lstm": {"bias": False, "bidirectional": True},
    "rnn": {"nonlinearity": "relu", "bidirectional": True},
}
ENCODERS: dict[str, dict[str, Any]] = {
    "awd_lstm": {"input_size": 4, "hidden_size": 4, "num_layers": 2},
    "augmented_lstm": {"input_size": 4, "hidden_size": 4},
    "alternating_lstm": {"input_size": 4, "hidden_size": 4, "num_layers": 2},
    "stacked_bidirectional_lstm": {"input_size": 4, "hidden_size": 4, "num_layers": 2},
    "gated-cnn-encoder": {"input_dim": 4, "layers": [[[2, 4]], [[2, 4]]]},
    "bidirectional_language_model_transformer": {"input_dim": 8, "hidden_dim": 4, "num_layers": 2},
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
        for to in ("torch", "onnx")
    ],
)
def test_every_model(name: str, to: str, tmp_path: Path) -> None:
    needed(to)
    record = check(*case(name), to, tmp_path)
    assert set(record["outputs"]) - {"mask", "token_ids"}
    assert (tmp_path / "crf_decoder.py").exists() == (
        name.startswith(("crf", "hmm")) or name == "tagger_ensemble, crf"
    )
    assert (tmp_path / "tnt_decoder.py").exists() == name.startswith("tnt")


@pytest.mark.parametrize("name", CASES)
def test_the_documentation_lists_the_outputs(name: str) -> None:
    model, instances = case(name)
    page = (Path(__file__).parents[3] / "docs" / "howto" / "exporting.md").read_text(encoding="utf-8")
    rows = page.partition("## What the program gives")[2].partition("## What cannot")[0].splitlines()
    kind = name.partition(",")[0]
    of_kind = [row for row in rows if row.startswith("|") and f"`{kind}`" in row.split("|")[1]]
    (row,) = [row for row in of_kind if ("of `crf_tagger`" in row) == name.endswith(", crf")]
    for output in Program(model, tensors_of(model, instances)).output_names:
        assert f"`{output.replace('.tags', '.<head>').replace('sentiment_', '<head>_')}`" in row


class AnyEmbedder(TransformerBeamSearchGenerator):
    def validate_text_field_embedder(self, text_field_embedder: torch.nn.Module) -> None:
        pass


def test_what_is_no_program_says_why() -> None:
    model, instances = case("next_token_lm")
    config = {key: value for key, value in CASES["next_token_lm"][0].items() if key != "type"}
    generator = AnyEmbedder(BeamSearch(end_index=0, max_steps=2))
    searching = NextTokenLM.from_params(Params(config), vocab=model.vocab, beam_search_generator=generator)
    with pytest.raises(
        ConfigurationError, match="cannot be exported as a program: .*beam search.*safetensors"
    ):
        Program(searching, tensors_of(model, instances))


def test_tasks_whose_texts_have_different_names_say_why(tmp_path: Path) -> None:
    model, instances = case("multitask")
    for instance in instances[3:]:
        instance.fields["other"] = instance.fields.pop("tokens")
        instance.fields["task"] = MetadataField("other")
    with pytest.raises(ConfigurationError, match="one text for all tasks, .* the field 'tokens'"):
        write_program(model, "torch", instances, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("to", ["torch", "onnx"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in Seq2SeqEncoder.list_available() if name != "nlpreg_test"),
        *VARIANTS.items(),
    ],
)
def test_every_encoder(name: str, options: dict[str, Any], to: str, tmp_path: Path) -> None:
    needed(to)
    _, instances = case("simple_tagger")
    vocab = make_predictor("simple_tagger")._model.vocab
    embedding = {"type": "embedding", "embedding_dim": ENCODERS[name].get("input_dim", 4)}
    config = {
        "type": "simple_tagger",
        "text_field_embedder": {"token_embedders": {"tokens": embedding}},
        "encoder": {"type": name, **ENCODERS[name], **options},
    }
    check(Model.from_params(Params(config), vocab=vocab), instances, to, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("to", ["torch", "onnx"])
@pytest.mark.parametrize("kind", ["tagger", "classifier", "transformer_classification_tt"])
def test_pretrained_transformers(kind: str, to: str, tiny_transformer: str, tmp_path: Path) -> None:
    needed(to)
    name = tiny_transformer
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
    texts = ["the dogs saw the cat .", "the dogs b", "a dog", "cats", "the dog b the dog ."]
    instances = [reader.text_to_instance(text.split() if kind == "tagger" else text) for text in texts]
    for instance in instances:
        reader.apply_token_indexers(instance)
    check(Model.from_params(Params(config), vocab=vocab), instances, to, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("to", ["torch", "onnx"])
@pytest.mark.parametrize("cached", [None, ["@@PADDING@@", "@@UNKNOWN@@", "the", "dog"]])
def test_elmo(cached: list[str] | None, to: str, elmo_files: Any, tmp_path: Path) -> None:
    needed(to)
    indexers = {"elmo": {"type": "elmo_characters"}}
    elmo = {
        "type": "elmo_token_embedder",
        "options_file": elmo_files.options,
        "weight_file": elmo_files.weights,
        "vocab_to_cache": cached,
    }
    config = {
        "type": "simple_tagger",
        "text_field_embedder": {"token_embedders": {"elmo": elmo}},
        "encoder": {"type": "pass_through", "input_dim": 12},
    }
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(["x", "y"], "labels")
    reader = DatasetReader.from_params(Params({**TAGGING, "token_indexers": indexers}))
    instances = [reader.text_to_instance(text.split()) for text in SENTENCES if text]
    for instance in instances:
        reader.apply_token_indexers(instance)
    check(Model.from_params(Params(config), vocab=vocab), instances, to, tmp_path)


def language_model(softmax: str, **options: Any) -> tuple[LanguageModel, list[Instance]]:
    """A language model of words and their characters, and sentences."""
    vocab = make_predictor("language_model")._model.vocab
    characters: dict[str, Any] = {"type": "characters", "min_padding_length": 5}
    indexers = {"tokens": "single_id", "characters": characters}
    if "character" in softmax:
        options |= {"indexer": characters, "embedder": "characters"}
    if "sampled" in softmax:
        options["num_samples"] = 3
    if softmax == "adaptive_softmax":
        options |= {"cutoffs": [4, 8], "div_value": 2}
    tokens: dict[str, Any] = {"type": "embedding", "embedding_dim": 4}
    config = {
        "type": "causal_language_model",
        "text_field_embedder": {"token_embedders": {"tokens": tokens, **CHARACTERS["token_embedders"]}},
        "contextualizer": {**LSTM, "input_size": 8},
        "softmax": {"type": softmax, **options},
    }
    torch.manual_seed(0)
    model = Model.from_params(Params(config), vocab=vocab).eval()
    assert isinstance(model, LanguageModel)
    reader = DatasetReader.from_params(Params({**RUNNING, "token_indexers": indexers}))
    instances = [reader.text_to_instance(text) for text in SENTENCES if text]
    for instance in instances:
        reader.apply_token_indexers(instance)
    return model, instances


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("to", ["torch", "onnx"])
@pytest.mark.parametrize("name", WordDistribution.list_available())
def test_every_softmax(name: str, to: str, tmp_path: Path) -> None:
    needed(to)
    record = check(*language_model(name), to, tmp_path)
    assert record["outputs"][0] == "next_word_log_probabilities"


@pytest.mark.parametrize("name", ["language_model", "bidirectional-language-model"])
def test_a_program_scores_words_as_the_model_does(name: str) -> None:
    model, instances = case(name)
    assert isinstance(model, LanguageModel)
    tensors = tensors_of(model, instances)
    program = Program(model, tensors)
    with torch.no_grad():
        found = dict(zip(program.output_names, program(*program.inputs_of(tensors)), strict=True))
    ids = tensors["source"]["tokens"]["tokens"]
    expected, _ = model.word_log_probabilities(tensors["source"])
    by_next = found["next_word_log_probabilities"][:, :-1].gather(2, ids[:, 1:, None]).squeeze(2)
    is_scored = ~expected[0].isnan()
    torch.testing.assert_close(by_next[is_scored[:, 1:]], expected[0][is_scored])
    if len(expected) > 1:
        by_previous = found["previous_word_log_probabilities"][:, 1:].gather(2, ids[:, :-1, None]).squeeze(2)
        is_scored = ~expected[1].isnan()
        torch.testing.assert_close(by_previous[is_scored[:, :-1]], expected[1][is_scored])
    distribution = found["next_word_log_probabilities"].exp().sum(2)
    assert (distribution < 1 + 1e-5).all()


def test_a_stateful_program_starts_every_batch_anew(tmp_path: Path) -> None:
    model, instances = case("language_model, stateful")
    tensors = tensors_of(model, instances)
    program = Program(model, tensors)
    with torch.no_grad():
        first, second = (program(*program.inputs_of(tensors)) for _ in range(2))
        model(**tensors)  # moves the state that the model itself carries
        third = program(*program.inputs_of(tensors))
        expected = program.expected(tensors)
    for name, *found in zip(program.output_names, first, second, third, strict=True):
        for one in found:
            torch.testing.assert_close(one, expected[name])
