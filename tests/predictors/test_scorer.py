"""Scores of texts against the loss of the model, one text at a time."""

import math

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.data.batch import Batch
from nlpreg.data.dataset_readers import MaskedLanguageModelingReader, SimpleLanguageModelingDatasetReader
from nlpreg.data.token_indexers import SingleIdTokenIndexer
from nlpreg.data.tokenizers import CharacterTokenizer, WhitespaceTokenizer
from nlpreg.models import LanguageModel, MaskedLanguageModel
from nlpreg.modules.language_model_heads import LinearLanguageModelHead
from nlpreg.modules.seq2seq_encoders import Seq2SeqEncoder
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding
from nlpreg.predictors.scorer import Scorer, ScoreTotals, perplexity_of
from tests.predictors.test_generator import ENCODERS, TRANSFORMER, make_model, make_reader, make_vocab

TEXTS = ["the dog ate", "the", "", "an unheard of apple , and the dog slept .", "dog " * 30, "ate the dog"]


def loss_of(model, reader, text):
    """Minus the log probability of a text by the model's own loss, and the number of predicted words."""
    for module in model.modules():
        if hasattr(module, "reset_states"):
            module.reset_states()
    instance = reader.text_to_instance(text)
    reader.apply_token_indexers(instance)
    batch = Batch([instance])
    batch.index_instances(model.vocab)
    with torch.no_grad():
        output = model(**batch.as_tensor_dict())
    return float(output["loss"]) * float(output["batch_weight"]), int(output["batch_weight"])


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_sum_over_tokens_is_the_loss_of_the_model(encoder):
    model, reader = make_model(encoder), make_reader()
    texts = [text for text in TEXTS if len(text.split()) < 30]
    for text, scored in zip(texts, Scorer(model, reader).score_many(texts), strict=True):
        total, num_targets = loss_of(model, reader, text)
        assert scored.tokens == ["<S>", *text.split(), "</S>"]
        assert -scored.log_probability == pytest.approx(total, abs=1e-4)
        assert scored.num_targets == num_targets


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_batch_gives_what_each_text_gives_alone(encoder):
    scorer = Scorer(make_model(encoder), make_reader(), tokens_per_batch=64)
    for text, together in zip(TEXTS, scorer.score_many(iter(TEXTS)), strict=True):
        alone = scorer.score(text)
        assert (together.text, together.tokens) == (text, alone.tokens)
        assert [v is None for v in together.log_probabilities] == [v is None for v in alone.log_probabilities]
        assert together.log_probability == pytest.approx(alone.log_probability, rel=1e-6, abs=1e-5)
        assert together.perplexity == pytest.approx(alone.perplexity, rel=1e-5)


def test_tokens_have_the_probabilities_of_the_softmax():
    model, reader = make_model(), make_reader()
    scored = Scorer(model, reader).score("the dog")
    ids = [model.vocab.get_token_index(word) for word in ["<S>", "the", "dog", "</S>"]]
    with torch.no_grad():
        states = model({"tokens": torch.tensor([ids])})["lm_embeddings"][0]
        softmax = model._softmax_loss
        table = (states @ softmax.softmax_w + softmax.softmax_b).log_softmax(1)
    assert scored.log_probabilities[0] is None
    expected = [table[i, ids[i + 1] - 1].item() for i in range(3)]
    assert scored.log_probabilities[1:] == pytest.approx(expected, abs=1e-5)
    assert scored.perplexity == pytest.approx(math.exp(-sum(expected) / 3), rel=1e-5)
    assert (scored.num_words, scored.num_characters, scored.num_unknown) == (3, 8, 0)
    assert Scorer(model, reader).score("the cow ate").num_unknown == 1


def test_a_state_that_is_carried_from_batch_to_batch_is_left_alone():
    model = make_model("stateful")
    scorer = Scorer(model, make_reader())
    first = scorer.score("the dog ate")
    assert scorer.score("the dog ate") == first == scorer.score("the dog ate")


def test_without_start_token_the_first_word_is_not_counted():
    reader = SimpleLanguageModelingDatasetReader(tokenizer=WhitespaceTokenizer())
    scorer = Scorer(make_model(), reader)
    assert scorer.score("").log_probability == 0.0 and scorer.score("").perplexity is None
    one = scorer.score("dog")
    assert (one.tokens, one.log_probabilities, one.num_words, one.num_characters) == (["dog"], [None], 0, 0)
    three = scorer.score("the dog ate")
    assert (three.num_targets, three.num_words, three.num_characters) == (2, 2, 8)


def make_character_model(max_length=None):
    vocab = make_vocab(list("abcdefgh .\n"))
    torch.manual_seed(4)
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=8, vocab=vocab)})
    encoder = Seq2SeqEncoder.from_params(Params({**TRANSFORMER, "max_length": max_length}))
    reader = SimpleLanguageModelingDatasetReader(tokenizer=CharacterTokenizer())
    return LanguageModel(vocab, embedder, encoder), reader


def test_bits_per_character_and_perplexity_per_word():
    scorer = Scorer(*make_character_model())
    scored = scorer.score("bad cab.")
    totals = ScoreTotals()
    for _ in range(2):
        totals.add(scored)
    sums = totals.as_dict()
    assert (sums["num_texts"], sums["num_targets"]) == (2, 14)
    assert sums["bits_per_character"] == pytest.approx(-scored.log_probability / math.log(2) / 7)
    assert sums["word_perplexity"] == pytest.approx(math.exp(-scored.log_probability / 2))
    assert sums["perplexity"] == pytest.approx(scored.perplexity)
    assert ScoreTotals().as_dict()["perplexity"] is None


def test_a_text_longer_than_the_model_reads_is_scored_in_overlapping_parts():
    model, reader = make_character_model(max_length=8)
    text = "a bad cab. he had a bag. " * 3
    scored = Scorer(model, reader).score(text)
    assert scored.num_targets == len(text) - 1
    # by hand: every character after the first part is predicted from at least four before it
    expected, position = 0.0, 0
    while position < len(text):
        start = max(0, position - 4) if position else 0
        part = text[start : start + 8]
        directions, _ = model.word_log_probabilities(
            {"tokens": torch.tensor([[model.vocab.get_token_index(c) for c in part]])}
        )
        expected += directions[0][0, position - start :].nansum().item()
        position = start + 8
    assert scored.log_probability == pytest.approx(expected, abs=1e-4)


@pytest.mark.timeout(60)
def test_a_model_that_reads_one_token_scores_none():
    model, reader = make_character_model(max_length=1)
    assert Scorer(model, reader).score("a bad cab.").num_targets == 0


@pytest.mark.parametrize("encoder", ["lstm", "rotary", "convolutional"])
def test_ten_thousand_words(encoder):
    scored = Scorer(make_model(encoder), make_reader()).score("the dog ate an apple . " * 1700)
    assert scored.num_targets == 10201
    assert math.isfinite(scored.log_probability)


def make_masked_model():
    torch.manual_seed(3)
    vocab = Vocabulary()
    for word in ["the", "dog", "ate", "[MASK]"]:
        vocab.add_token_to_namespace(word)
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=4, vocab=vocab)})
    encoder = Seq2SeqEncoder.from_params(
        Params({"type": "lstm", "input_size": 4, "hidden_size": 3, "bidirectional": True})
    )
    head = LinearLanguageModelHead(vocab, 6, "tokens")
    model = MaskedLanguageModel(vocab, embedder, head, encoder, target_namespace="tokens")
    reader = MaskedLanguageModelingReader(
        tokenizer=WhitespaceTokenizer(), token_indexers={"tokens": SingleIdTokenIndexer()}
    )
    return model, reader


def test_masked_models_give_the_pseudo_log_likelihood():
    model, reader = make_masked_model()
    scored = Scorer(model, reader, tokens_per_batch=4).score("the dog ate")
    words = ["the", "dog", "ate"]
    for place, value in enumerate(scored.log_probabilities):
        masked = [*words[:place], "[MASK]", *words[place + 1 :]]
        ids = torch.tensor([[model.vocab.get_token_index(word) for word in masked]])
        target = {"tokens": {"tokens": torch.tensor([[model.vocab.get_token_index(words[place])]])}}
        output = model({"tokens": {"tokens": ids}}, torch.tensor([[[place]]]), target)
        assert value == pytest.approx(-output["loss"].item(), abs=1e-5)
    assert scored.num_targets == 3
    assert Scorer(model, reader).score("").num_targets == 0


def test_models_of_other_kinds_are_refused(tagger, tagging_reader):
    with pytest.raises(ConfigurationError, match="SimpleTagger: texts can be scored by a language model"):
        Scorer(tagger, tagging_reader)


def test_a_perplexity_that_overflows_is_infinite():
    assert perplexity_of(-1e6, 1) == math.inf
    assert perplexity_of(0.0, 0) is None
    assert perplexity_of(-math.log(8) * 3, 3) == pytest.approx(8)
