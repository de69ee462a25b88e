"""A reader whose token indexer looks up lower-cased tokens, as `quickstart_lm` has it."""

import pytest
import torch

from nlpreg.common import Params
from nlpreg.data import Token, Vocabulary
from nlpreg.data.dataset_readers import SimpleLanguageModelingDatasetReader
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer
from nlpreg.data.tokenizers import WhitespaceTokenizer
from nlpreg.models import Model
from nlpreg.models.generation import GenerationOptions
from nlpreg.predictors.generator import Generator
from nlpreg.predictors.language_model_texts import LanguageModelTexts

WORDS = ["</s>", "the", "<s>", "dog", "ate"]


@pytest.fixture
def model() -> Model:
    torch.manual_seed(2)
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(WORDS)
    config = {
        "type": "language_model",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
        "contextualizer": {"type": "lstm", "input_size": 4, "hidden_size": 4},
    }
    return Model.from_params(Params(config), vocab=vocab).eval()


def make_reader(**more: TokenCharactersIndexer) -> SimpleLanguageModelingDatasetReader:
    return SimpleLanguageModelingDatasetReader(
        tokenizer=WhitespaceTokenizer(),
        token_indexers={"tokens": SingleIdTokenIndexer(lowercase_tokens=True), **more},
        start_tokens=["<S>"],
        end_tokens=["</S>"],
    )


def test_tokens_are_looked_up_as_the_indexer_does(model: Model) -> None:
    texts = LanguageModelTexts(model, make_reader(characters=TokenCharactersIndexer(min_padding_length=1)))
    ids = model.vocab.get_token_to_index_vocabulary()
    assert (texts.entry_of("The"), texts.entry_of("</S>")) == ("the", "</s>")
    assert texts.id_of(Token("DOG")) == ids["dog"]
    assert not texts.is_unknown(Token("The")) and texts.is_unknown(Token("Cat"))
    assert texts.end_ids() == [ids["</s>"]]
    assert texts.forbidden_ids() == [ids["<s>"], 0, 1]
    assert texts.text_of([Token("The"), Token("dog"), Token("</s>")]) == "The dog"


def test_what_is_generated_ends_at_the_end_token(model: Model) -> None:
    with torch.no_grad():  # the end is the most probable token everywhere
        model._softmax_loss.softmax_b[model.vocab.get_token_index("</s>") - 1] = 50.0  # type: ignore[union-attr,operator]
    generator = Generator(model, make_reader())
    (written,) = generator.generate("The dog", GenerationOptions(max_tokens=5))
    assert (written.text, written.finished) == ("", "end")
