"""Texts of every length and of unknown words, generated from and scored with every kind of language model."""

import math
import shutil

import pytest
import torch

from nlpreg.commands.train import train_model
from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import NextTokenLMReader, SimpleLanguageModelingDatasetReader
from nlpreg.data.token_indexers import SingleIdTokenIndexer
from nlpreg.data.tokenizers import CharacterTokenizer, SubwordTokenizer
from nlpreg.data.tokenizers.subword_tokenizer import train_subwords
from nlpreg.models import Model, NextTokenLM
from nlpreg.models.generation import GenerationOptions
from nlpreg.modules.language_model_heads import LinearLanguageModelHead
from nlpreg.modules.seq2seq_encoders import Seq2SeqEncoder
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding
from nlpreg.predictors import LanguageModelPredictor, Predictor
from nlpreg.predictors.generator import Generator
from nlpreg.predictors.scorer import Scorer
from tests.predictors.test_generator import ENCODERS, make_model, make_reader, make_vocab
from tests.predictors.test_scorer import make_masked_model

# one token, none, unknown words, and other lengths beside them
TEXTS = ["dog", "", "zebra unheard-of Ω", "the dog ate an apple , and the dog slept .", "ate the"]
LONG_TEXT = "the dog ate an apple . " * 1670


def words(encoder):
    return lambda _: (make_model(encoder), make_reader())


def with_softmax(softmax):
    def make(_):
        torch.manual_seed(4)
        config = {
            "type": "causal_language_model",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}},
            "contextualizer": {"type": "lstm", "input_size": 8, "hidden_size": 8},
            "softmax": softmax,
        }
        return Model.from_params(Params(config), vocab=make_vocab()), make_reader()

    return make


def parts(tokenizer, texts):
    """A transformer over the tokens of a tokenizer."""
    known = sorted({token for text in texts for token in tokenizer.split_words(text)})
    reader = SimpleLanguageModelingDatasetReader(
        tokenizer=tokenizer, start_tokens=["<S>"], end_tokens=["</S>"]
    )
    return make_model("rotary", make_vocab(["<S>", "</S>", *known])), reader


def characters(_):
    return parts(CharacterTokenizer(), [LONG_TEXT[:30]])


def subwords(folder):
    pytest.importorskip("tokenizers")
    path = folder / "subwords.json"
    train_subwords([LONG_TEXT[:200]] * 20, vocab_size=40).save(str(path))
    return parts(SubwordTokenizer(str(path)), [LONG_TEXT[:60]])


def next_token(_):
    torch.manual_seed(1)
    vocab = make_vocab()
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=8, vocab=vocab)})
    encoder = Seq2SeqEncoder.from_params(Params(dict(ENCODERS["rotary"])))
    head = LinearLanguageModelHead(vocab, 8, "tokens")
    model = NextTokenLM(vocab, embedder, head, encoder, target_namespace="tokens")
    return model, NextTokenLMReader(token_indexers={"tokens": SingleIdTokenIndexer()})


LEFT_TO_RIGHT = {
    "words": words("lstm"),
    "carried state": words("stateful"),
    "convolutional": words("convolutional"),
    "transformer": words("learned"),
    "transformer of torch": words("pytorch"),
    "composed": words("composed"),
    "both directions": words("both_lstm"),
    "both directions of a transformer": words("both_transformer"),
    "tied": with_softmax("tied_softmax"),
    "adaptive": with_softmax({"type": "adaptive_softmax", "cutoffs": [4], "div_value": 2.0}),
    "sampled": with_softmax({"type": "sampled_softmax", "num_samples": 4}),
    "characters": characters,
    "subwords": subwords,
}
SCORED = {**LEFT_TO_RIGHT, "masked": lambda _: make_masked_model(), "next token": next_token}
GENERATED = {**LEFT_TO_RIGHT, "next token": next_token}


def long_text(kind):
    """Ten thousand tokens and some more."""
    return LONG_TEXT[:10_050] if kind == "characters" else LONG_TEXT


def check_equal_scores(together, alone):
    assert (together.text, together.tokens) == (alone.text, alone.tokens)
    for one, other in zip(together.log_probabilities, alone.log_probabilities, strict=True):
        assert one == (None if other is None else pytest.approx(other, abs=1e-5))
        assert one is None or -math.inf < one <= 0


@pytest.mark.parametrize("kind", SCORED)
def test_scores(kind, tmp_path):
    scorer = Scorer(*SCORED[kind](tmp_path))
    together = list(scorer.score_many(TEXTS))
    for text, scored in zip(TEXTS, together, strict=True):
        check_equal_scores(scored, scorer.score(text))
    assert together[2].num_unknown > 0
    for one, again in zip(together, scorer.score_many(iter(TEXTS)), strict=True):
        check_equal_scores(one, again)


@pytest.mark.parametrize(
    "kind",
    # a next_token_lm reads token by token
    [pytest.param(kind, marks=pytest.mark.slow if kind == "next token" else ()) for kind in SCORED],
)
def test_scores_of_ten_thousand_tokens(kind, tmp_path):
    model, reader = SCORED[kind](tmp_path)
    scored = Scorer(model, reader, masked_context=16).score(long_text(kind))
    assert len(scored.tokens) > 10_000
    # in both directions the first token is predicted too
    num_scored = sum(value is not None for value in scored.log_probabilities)
    assert 10_000 <= scored.num_targets <= num_scored <= scored.num_targets + 1
    assert math.isfinite(scored.log_probability)


@pytest.mark.parametrize("kind", GENERATED)
def test_generated_texts(kind, tmp_path):
    generator = Generator(*GENERATED[kind](tmp_path))
    settings = GenerationOptions(temperature=0, max_tokens=5)
    prompts = [text for text in TEXTS if text or kind != "next token"]  # its texts have no start token
    for prompt, (together,) in zip(prompts, generator.generate_batch(prompts, settings), strict=True):
        (alone,) = generator.generate(prompt, settings)
        assert (alone.prompt, alone.text, alone.finished) == (prompt, together.text, together.finished)
        assert alone.log_probability == pytest.approx(together.log_probability, abs=1e-5)
        assert "".join(generator.stream(prompt, settings)) == alone.text


@pytest.mark.parametrize("kind", GENERATED)
def test_a_prompt_of_ten_thousand_tokens(kind, tmp_path):
    generator = Generator(*GENERATED[kind](tmp_path))
    (text,) = generator.generate(long_text(kind), GenerationOptions(temperature=0, max_tokens=2))
    assert text.finished in ("end", "length")
    assert math.isfinite(text.log_probability)


def test_next_token_models_give_the_probabilities_of_their_predictions(tmp_path):
    model, reader = next_token(tmp_path)
    model._n_best = model.vocab.get_vocab_size("tokens")
    scored = Scorer(model, reader).score("the dog ate an apple")
    assert scored.log_probabilities[0] is None
    for count in range(1, 5):
        instance = reader.text_to_instance(" ".join(scored.tokens[:count]))
        reader.apply_token_indexers(instance)
        output = model.forward_on_instance(instance)
        place = [choice[0] for choice in output["top_tokens"]].index(scored.tokens[count])
        expected = math.log(output["probabilities"][place])
        assert scored.log_probabilities[count] == pytest.approx(expected, abs=1e-5)


def test_a_text_beyond_the_positions_of_a_transformer_is_refused(tmp_path):
    model, reader = LEFT_TO_RIGHT["both directions of a transformer"](tmp_path)
    with pytest.raises(
        ConfigurationError, match="there are 5000 positions, .* nlpreg score reads long texts"
    ):
        LanguageModelPredictor(model, reader).predict(LONG_TEXT)


def test_a_subword_model_needs_its_archive_only(tmp_path):
    pytest.importorskip("tokenizers")
    path, text, texts = tmp_path / "subwords.json", tmp_path / "text.txt", [LONG_TEXT[:40]] * 8
    train_subwords(texts, vocab_size=40).save(str(path))
    text.write_text("\n".join(texts))
    part = {"type": "subword", "model_path": str(path)}
    config = {
        "dataset_reader": {
            "type": "simple_language_modeling",
            "tokenizer": part,
            "token_indexers": {"tokens": part},
        },
        "train_data_path": str(text),
        "model": {
            "type": "causal_language_model",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}},
            "contextualizer": ENCODERS["rotary"],
        },
        "data_loader": {"batch_size": 4},
        "trainer": {"num_epochs": 2, "optimizer": "adam", "cuda_device": -1},
    }
    model = train_model(Params(config), str(tmp_path / "run"))
    archive = (tmp_path / "run" / "model.tar.gz").rename(tmp_path / "model.tar.gz")
    shutil.rmtree(tmp_path / "run")
    path.unlink()
    predictor = Predictor.from_path(archive)
    sentence = "the apple slept"
    prediction = predictor.predict_json({"sentence": sentence})
    scored = Scorer(predictor._model, predictor._dataset_reader).score(sentence)
    assert prediction["tokens"] == scored.tokens and len(scored.tokens) > len(sentence.split())
    assert prediction["loss"] == pytest.approx(-scored.log_probability / scored.num_targets, abs=1e-5)
    ids = {"tokens": torch.tensor([[2, 3, 4]])}
    torch.testing.assert_close(predictor._model(ids)["loss"], model.eval()(ids)["loss"])
    (generated,) = Generator.from_path(archive).generate(
        "the", GenerationOptions(temperature=0, max_tokens=3)
    )
    assert len(generated.tokens) <= 3 and "\u2581" not in generated.text
