import pytest
import torch

from nlpreg.data import Vocabulary
from nlpreg.data.dataset_readers import MaskedLanguageModelingReader
from nlpreg.data.token_indexers import SingleIdTokenIndexer
from nlpreg.data.tokenizers import WhitespaceTokenizer
from nlpreg.models import MaskedLanguageModel
from nlpreg.modules.language_model_heads import LinearLanguageModelHead
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding
from nlpreg.predictors import MaskedLanguageModelPredictor


@pytest.fixture
def predictor() -> MaskedLanguageModelPredictor:
    torch.manual_seed(0)
    vocab = Vocabulary()
    for word in ("the", "dog", "ate", "[MASK]"):
        vocab.add_token_to_namespace(word)
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=4, num_embeddings=6)})
    model = MaskedLanguageModel(
        vocab, embedder, LinearLanguageModelHead(vocab, 4, "tokens"), target_namespace="tokens"
    )
    reader = MaskedLanguageModelingReader(WhitespaceTokenizer(), {"tokens": SingleIdTokenIndexer()})
    return MaskedLanguageModelPredictor(model, reader)


def test_words_for_gaps(predictor: MaskedLanguageModelPredictor) -> None:
    result = predictor.predict("the [MASK] ate [MASK]")
    assert len(result["words"]) == 2 and len(result["words"][0]) == 5
    given = predictor.predict_json({"tokens": ["the", "[MASK]", "ate", "[MASK]"]})
    assert given["words"] == result["words"]


def test_the_best_words_as_targets(predictor: MaskedLanguageModelPredictor) -> None:
    sentence = {"sentence": "the [MASK] ate [MASK]"}
    (instance,) = predictor.json_to_labeled_instances(sentence)
    best = [words[0] for words in predictor.predict_json(sentence)["words"]]
    assert [token.text for token in instance["target_ids"]] == best
    assert "loss" in predictor._model.forward_on_instance(instance)
