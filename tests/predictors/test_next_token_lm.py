import pytest
import torch

from nlpreg.data import Vocabulary
from nlpreg.data.dataset_readers import NextTokenLMReader
from nlpreg.data.token_indexers import SingleIdTokenIndexer
from nlpreg.models import NextTokenLM
from nlpreg.modules.language_model_heads import LinearLanguageModelHead
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding
from nlpreg.predictors import NextTokenLMPredictor


@pytest.fixture
def predictor() -> NextTokenLMPredictor:
    torch.manual_seed(0)
    vocab = Vocabulary()
    for word in ("the", "dog", "ate"):
        vocab.add_token_to_namespace(word)
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=4, num_embeddings=5)})
    model = NextTokenLM(
        vocab, embedder, LinearLanguageModelHead(vocab, 4, "tokens"), target_namespace="tokens", n_best=2
    )
    return NextTokenLMPredictor(model, NextTokenLMReader(token_indexers={"tokens": SingleIdTokenIndexer()}))


def test_continuations(predictor: NextTokenLMPredictor) -> None:
    result = predictor.predict("the dog")
    assert len(result["top_tokens"]) == 2
    assert result["probabilities"] == sorted(result["probabilities"], reverse=True)


def test_the_best_continuation_as_target(predictor: NextTokenLMPredictor) -> None:
    (instance,) = predictor.json_to_labeled_instances({"sentence": "the dog"})
    best = predictor.predict("the dog")["top_tokens"][0][0]
    assert [token.text for token in instance["target_ids"]] == [best]
    loss = predictor._model.forward_on_instance(instance)["loss"]
    probability = predictor.predict("the dog")["probabilities"][0]
    assert float(loss) == pytest.approx(-torch.tensor(probability).log().item(), rel=1e-4)
