import json
import math

import numpy
import pytest
import torch

from nlpreg.data import Vocabulary
from nlpreg.data.dataset_readers import SimpleLanguageModelingDatasetReader
from nlpreg.data.tokenizers import WhitespaceTokenizer
from nlpreg.models import LanguageModel
from nlpreg.modules.seq2seq_encoders import LstmSeq2SeqEncoder
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding
from nlpreg.predictors import LanguageModelPredictor


@pytest.fixture
def predictor() -> LanguageModelPredictor:
    torch.manual_seed(0)
    vocab = Vocabulary()
    for word in ("the", "dog", "ate"):
        vocab.add_token_to_namespace(word)
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=4, num_embeddings=5)})
    model = LanguageModel(vocab, embedder, LstmSeq2SeqEncoder(4, 3))
    return LanguageModelPredictor(model, SimpleLanguageModelingDatasetReader(tokenizer=WhitespaceTokenizer()))


def test_scores(predictor: LanguageModelPredictor) -> None:
    result = predictor.predict("the dog ate")
    model = predictor._model
    ids = torch.tensor([[model.vocab.get_token_index(word) for word in ("the", "dog", "ate")]])
    with torch.no_grad():
        hidden = model(source={"tokens": ids})["lm_embeddings"][0]
        loss = model._softmax_loss
        log_probs = torch.log_softmax(hidden[:2] @ loss.softmax_w + loss.softmax_b, dim=-1)
    expected = -(log_probs[0, ids[0, 1] - 1] + log_probs[1, ids[0, 2] - 1]) / 2
    assert result["tokens"] == ["the", "dog", "ate"]
    assert result["num_targets"] == 2
    assert result["loss"] == pytest.approx(float(expected), rel=1e-5) == result["forward_loss"]
    assert result["perplexity"] == pytest.approx(math.exp(float(expected)), rel=1e-5)
    assert "backward_loss" not in result


def test_each_sentence_has_its_own_score(predictor: LanguageModelPredictor) -> None:
    sentences = ["the dog ate", "dog the", "ate"]
    together = predictor.predict_batch_json([{"sentence": text} for text in sentences])
    assert together == [predictor.predict(text) for text in sentences]
    assert together[2]["loss"] == 0 and together[2].get("num_targets", 0) == 0


def test_embeddings_on_request(predictor: LanguageModelPredictor) -> None:
    more = LanguageModelPredictor(predictor._model, predictor._dataset_reader, include_embeddings=True)
    result = more.predict("the dog")
    assert numpy.array(result["lm_embeddings"]).shape == (2, 3)
    assert numpy.array(result["noncontextual_token_embeddings"]).shape == (2, 4)


@pytest.mark.parametrize("text", ["", "dog"])
def test_there_is_no_perplexity_of_nothing(text: str, predictor: LanguageModelPredictor) -> None:
    result = predictor.predict(text)
    assert result["num_targets"] == 0
    assert result["perplexity"] is None


def test_a_perplexity_too_large_for_a_number_is_infinity(predictor: LanguageModelPredictor) -> None:
    with torch.no_grad():
        predictor._model._softmax_loss.softmax_b[0] = 1e5
    result = predictor.predict("dog dog ate")  # whose words are any but the one with that bias
    assert result["loss"] > 1e4
    assert result["perplexity"] == "Infinity"
    json.loads(json.dumps(result, allow_nan=False))
