"""A reader whose token indexer looks up lower-cased tokens, as `quickstart_lm` has it."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from nlpreg.common import Params
from nlpreg.data import Token, Vocabulary
from nlpreg.data.dataset_readers import SimpleLanguageModelingDatasetReader
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer
from nlpreg.data.tokenizers import CharacterTokenizer, SubwordTokenizer, Tokenizer, WhitespaceTokenizer
from nlpreg.data.tokenizers.subword_tokenizer import train_subwords
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
        model._softmax_loss.softmax_b[model.vocab.get_token_index("</s>") - 1] = 50.0
    generator = Generator(model, make_reader())
    (written,) = generator.generate("The dog", GenerationOptions(max_tokens=5))
    assert (written.text, written.finished) == ("", "end")


TEXT = 'He said : " I do n\'t know 1 @,@ 000 names ( yet ) , Zoë " – über 日本 café .'


def tokenizers(folder: Path) -> dict[str, Tokenizer]:
    pytest.importorskip("tokenizers")
    made: dict[str, Tokenizer] = {"words": WhitespaceTokenizer(), "characters": CharacterTokenizer()}
    for kind in ("bpe", "unigram", "byte-level"):
        path = folder / f"{kind}.json"
        train_subwords([TEXT] * 5, vocab_size=300, model=kind).save(str(path))
        made[kind] = SubwordTokenizer(str(path))
    return made


def test_a_text_that_grows_is_the_text_of_all_its_tokens(model: Model, tmp_path: Path) -> None:
    draw = random.Random(1)
    for kind, tokenizer in tokenizers(tmp_path).items():
        reader = SimpleLanguageModelingDatasetReader(tokenizer=tokenizer)
        texts = LanguageModelTexts(model, reader)
        words = [str(token) for token in tokenizer.tokenize(TEXT)]
        for num_before in (0, 1, 100):
            tokens = [Token(draw.choice(words)) for _ in range(num_before + 300)]
            before = len(texts.text_of(tokens[:num_before]))
            growing = texts.continuation(tokens[:num_before])
            for count, token in enumerate(tokens[num_before:], num_before + 1):
                texts.extend(growing, token)
                expected = texts.text_of(tokens[:count])[before:]
                assert (growing.since(0), len(growing)) == (expected, len(expected)), kind
                assert growing.since(len(expected) // 2) == expected[len(expected) // 2 :]


def test_the_cost_of_a_token_does_not_grow_with_the_text(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def detokenize(self: CharacterTokenizer, tokens: Sequence[str]) -> str:
        sizes.append(len(tokens))
        return "".join(tokens)

    monkeypatch.setattr(CharacterTokenizer, "detokenize", detokenize)
    texts = LanguageModelTexts(model, SimpleLanguageModelingDatasetReader(tokenizer=CharacterTokenizer()))
    growing = texts.continuation([Token("a")] * 1000)
    for _ in range(1000):
        texts.extend(growing, Token("b"))
    assert growing.since(0) == "b" * 1000
    assert max(sizes) <= 65
    assert sum(sizes) / 1000 < 65
