"""Generated texts against a model that reads everything again for each token."""

import math

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.data.batch import Batch
from nlpreg.data.dataset_readers import (
    ConlluLanguageModelingReader,
    NextTokenLMReader,
    SimpleLanguageModelingDatasetReader,
)
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer
from nlpreg.data.tokenizers import CharacterTokenizer, WhitespaceTokenizer
from nlpreg.models import LanguageModel, NextTokenLM
from nlpreg.models.generation import GenerationOptions
from nlpreg.modules.language_model_heads import LinearLanguageModelHead
from nlpreg.modules.seq2seq_encoders import Seq2SeqEncoder
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding
from nlpreg.predictors.generator import Generator

WORDS = ["<S>", "</S>", "the", "dog", "ate", "an", "apple", ",", ".", "and", "slept"]
PROMPTS = ["the dog", "", "an apple and the dog ate the apple .", "unheard of"]
TRANSFORMER = {"type": "transformer_lm", "input_dim": 8, "num_layers": 2, "num_attention_heads": 2}
PYTORCH_TRANSFORMER = {
    "type": "pytorch_transformer",
    "input_dim": 8,
    "num_layers": 1,
    "num_attention_heads": 2,
    "feedforward_hidden_dim": 16,
    "positional_encoding": "embedding",
    "positional_embedding_size": 40,
    "causal": True,
}
ENCODERS = {
    "lstm": {"type": "lstm", "input_size": 8, "hidden_size": 6, "num_layers": 2},
    "stateful": {"type": "gru", "input_size": 8, "hidden_size": 6, "stateful": True},
    "augmented": {"type": "augmented_lstm", "input_size": 8, "hidden_size": 6},
    "rotary": {**TRANSFORMER, "num_key_value_heads": 1},
    "learned": {**TRANSFORMER, "positions": "learned", "max_length": 40, "activation": "gelu"},
    "pytorch": PYTORCH_TRANSFORMER,
    "composed": {
        "type": "compose",
        "encoders": [{"type": "lstm", "input_size": 8, "hidden_size": 8}, PYTORCH_TRANSFORMER],
    },
    "convolutional": {"type": "gated-cnn-encoder", "input_dim": 8, "layers": [[[2, 8]], [[3, 8]]]},
    "both_lstm": {"type": "lstm", "input_size": 8, "hidden_size": 6, "bidirectional": True},
    "both_transformer": {
        "type": "bidirectional_language_model_transformer",
        "input_dim": 8,
        "hidden_dim": 8,
        "num_layers": 2,
    },
}


def make_vocab(words=WORDS):
    vocab = Vocabulary()
    for word in words:
        vocab.add_token_to_namespace(word)
    return vocab


def make_model(encoder="lstm", vocab=None):
    torch.manual_seed(4)
    vocab = vocab or make_vocab()
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=8, vocab=vocab)})
    contextualizer = Seq2SeqEncoder.from_params(Params(dict(ENCODERS[encoder])))
    bidirectional = contextualizer.is_bidirectional()
    model = LanguageModel(vocab, embedder, contextualizer, bidirectional=bidirectional)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)  # distributions far from uniform
    return model.eval()


def make_reader():
    return SimpleLanguageModelingDatasetReader(
        tokenizer=WhitespaceTokenizer(), start_tokens=["<S>"], end_tokens=["</S>"]
    )


def expected_words(model, prompt, num_tokens):
    """The most likely words one after another, each from a new run over the whole text."""
    ids = [model.vocab.get_token_index(word) for word in ["<S>", *prompt.split()]]
    words, total = [], 0.0
    for _ in range(num_tokens):
        for module in model.modules():
            if hasattr(module, "reset_states"):
                module.reset_states()
        with torch.no_grad():
            state = model(source={"tokens": torch.tensor([ids])})["lm_embeddings"][
                0, -1, : model._forward_dim
            ]
            softmax = model._softmax_loss
            scores = (state @ softmax.softmax_w + softmax.softmax_b).log_softmax(0)
        scores[-1] = -torch.inf
        total_scores = scores.clone()
        for forbidden in (1, model.vocab.get_token_index("<S>")):
            scores[forbidden - 1] = -torch.inf
        best = int(scores.argmax()) + 1
        total += float(total_scores[best - 1])
        word = model.vocab.get_token_from_index(best)
        if word == "</S>":
            return words, total, "end"
        ids.append(best)
        words.append(word)
    return words, total, "length"


@pytest.mark.parametrize("encoder", ENCODERS)
def test_greedy_texts_are_those_of_reading_everything_again(encoder):
    model = make_model(encoder)
    generator = Generator(model, make_reader())
    texts = generator.generate_batch(PROMPTS, GenerationOptions(temperature=0, max_tokens=12))
    for prompt, (text,) in zip(PROMPTS, texts, strict=True):
        words, total, finished = expected_words(model, prompt, 12)
        assert (text.tokens, text.finished) == (words, finished)
        assert text.log_probability == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("options", [{"temperature": 0}, {"num_beams": 3}, {"seed": 7, "top_p": 0.9}])
def test_a_batch_gives_what_each_prompt_gives_alone(encoder, options):
    generator = Generator(make_model(encoder), make_reader())
    settings = GenerationOptions(max_tokens=8, **options)
    together = generator.generate_batch(PROMPTS, settings)
    for number, prompt in enumerate(PROMPTS):
        (alone,) = generator.generate_batch([prompt], settings, first_number=number)
        for one, other in zip(alone, together[number], strict=True):
            assert (one.text, one.tokens, one.finished) == (other.text, other.tokens, other.finished)
            assert one.log_probability == pytest.approx(other.log_probability, abs=1e-5)


@pytest.mark.parametrize("encoder", ["lstm", "stateful", "rotary", "learned", "convolutional"])
def test_a_prompt_of_ten_thousand_words_and_one_of_one(encoder):
    model = make_model(encoder)
    generator = Generator(model, make_reader())
    for prompt in ("the dog ate an apple . " * 1700, "dog"):
        (text,) = generator.generate(prompt, GenerationOptions(temperature=0, max_tokens=2))
        if encoder == "learned":  # has 40 positions, and reads the end of the prompt
            assert text.tokens and math.isfinite(text.log_probability)
        else:
            words, total, finished = expected_words(model, prompt, 2)
            assert (text.tokens, text.finished) == (words, finished)
            assert text.log_probability == pytest.approx(total, abs=1e-4)


def test_many_prompts_in_batches_of_any_size():
    generator = Generator(make_model(), make_reader())
    settings = GenerationOptions(seed=1, max_tokens=6, num=2)
    expected = list(generator.generate_many(PROMPTS, settings, batch_size=len(PROMPTS)))
    found = list(generator.generate_many(iter(PROMPTS), settings, batch_size=3))
    assert [[text.tokens for text in texts] for texts in found] == [
        [text.tokens for text in texts] for texts in expected
    ]
    assert list(generator.generate_many([], settings)) == []


def test_characters_beside_words():
    vocab = make_vocab()
    for character in sorted(set("".join(WORDS))):
        vocab.add_token_to_namespace(character, "token_characters")
    torch.manual_seed(2)
    embedder = BasicTextFieldEmbedder.from_params(
        Params(
            {
                "token_embedders": {
                    "tokens": {"type": "empty"},
                    "token_characters": {
                        "type": "character_encoding",
                        "embedding": {"embedding_dim": 4, "vocab_namespace": "token_characters"},
                        "encoder": {
                            "type": "cnn",
                            "embedding_dim": 4,
                            "num_filters": 4,
                            "ngram_filter_sizes": [2, 3],
                        },
                    },
                }
            }
        ),
        vocab=vocab,
    )
    model = LanguageModel(vocab, embedder, Seq2SeqEncoder.from_params(Params(dict(ENCODERS["lstm"]))))
    reader = SimpleLanguageModelingDatasetReader(
        tokenizer=WhitespaceTokenizer(),
        token_indexers={
            "tokens": SingleIdTokenIndexer(),
            "token_characters": TokenCharactersIndexer(min_padding_length=3),
        },
    )
    (text,) = Generator(model, reader).generate("the dog", GenerationOptions(temperature=0, max_tokens=5))
    instance = reader.text_to_instance("the dog " + " ".join(text.tokens))
    reader.apply_token_indexers(instance)
    batch = Batch([instance])
    batch.index_instances(vocab)
    with torch.no_grad():
        states = model.eval()(**batch.as_tensor_dict())["lm_embeddings"][0]
    scores = states @ model._softmax_loss.softmax_w + model._softmax_loss.softmax_b
    scores[:, [0, vocab.get_vocab_size() - 1]] = -torch.inf  # the unknown word, and the class that is no word
    assert [vocab.get_token_from_index(int(i) + 1) for i in scores.argmax(1)[1:-1]] == text.tokens


def character_generator(max_length=None):
    vocab = make_vocab(list("abcdefgh .\n"))
    torch.manual_seed(4)
    encoder = Seq2SeqEncoder.from_params(Params({**TRANSFORMER, "max_length": max_length}))
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=8, vocab=vocab)})
    reader = SimpleLanguageModelingDatasetReader(tokenizer=CharacterTokenizer())
    return Generator(LanguageModel(vocab, embedder, encoder), reader)


def test_characters_are_put_together_without_spaces():
    (text,) = character_generator().generate("bad cab", GenerationOptions(seed=0, max_tokens=30))
    assert len(text.text) == 30 and text.text == "".join(text.tokens)
    assert text.finished == "length"


def test_a_text_may_be_longer_than_the_model_reads():
    generator = character_generator(max_length=8)
    (text,) = generator.generate("a bad cab." * 3, GenerationOptions(seed=0, max_tokens=40))
    assert len(text.text) == 40


def test_pieces_of_a_stream_are_the_text():
    generator = character_generator()
    options = GenerationOptions(seed=3, max_tokens=40)
    (text,) = generator.generate("abc", options)
    pieces = list(generator.stream("abc", options))
    assert "".join(pieces) == text.text and len(pieces) > 10
    stop = text.text[20:23]
    cut = text.text[: text.text.index(stop)]
    (stopped,) = generator.generate("abc", options, stop=[stop, ""])
    assert (stopped.text, stopped.finished) == (cut, "stop")
    shown = ""
    for piece in generator.stream("abc", options, stop=[stop]):
        shown += piece
        assert cut.startswith(shown)  # no part of the stop text is ever shown
    assert shown == cut
    with pytest.raises(ConfigurationError, match="stream: expected one continuation"):
        next(generator.stream("abc", GenerationOptions(num=2)))


def test_next_token_models_generate_the_same_way():
    torch.manual_seed(1)
    vocab = make_vocab()
    encoder = Seq2SeqEncoder.from_params(Params(dict(ENCODERS["rotary"])))
    head = LinearLanguageModelHead(vocab, 8, "tokens")
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=8, vocab=vocab)})
    model = NextTokenLM(vocab, embedder, head, encoder, target_namespace="tokens", n_best=len(WORDS) + 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
    reader = NextTokenLMReader(token_indexers={"tokens": SingleIdTokenIndexer()})
    (text,) = Generator(model, reader).generate("the dog", GenerationOptions(temperature=0, max_tokens=6))
    sentence = "the dog"
    for token in text.tokens:
        instance = reader.text_to_instance(sentence=sentence)
        reader.apply_token_indexers(instance)
        best = [choice[0] for choice in model.forward_on_instance(instance)["top_tokens"]]
        best = [word for word in best if word not in ("@@UNKNOWN@@", "@@PADDING@@")]
        assert token == best[0]
        sentence += " " + token


def test_a_reader_of_treebanks_reads_a_plain_prompt():
    reader = ConlluLanguageModelingReader(start_tokens=["<S>"], end_tokens=["</S>"])
    (text,) = Generator(make_model(), reader).generate(
        "the dog ate, and", GenerationOptions(temperature=0, max_tokens=5)
    )
    words, _, finished = expected_words(make_model(), "the dog ate , and", 5)
    assert (text.tokens, text.finished) == (words, finished)


def test_texts_continue_the_prompt_as_it_is_written():
    generator = Generator(make_model(), make_reader())
    (text,) = generator.generate("the dog", GenerationOptions(seed=0, max_tokens=5, min_tokens=5))
    assert text.text.startswith((" ", ",", "."))
    assert " ," not in text.text and " ." not in text.text


def test_unknown_words_are_generated_on_request_only():
    texts = [
        Generator(make_model(), make_reader(), allow_unknown=allowed).generate(
            "the", GenerationOptions(seed=0, num=50, max_tokens=10)
        )
        for allowed in (False, True)
    ]
    has_unknown = [any("@@UNKNOWN@@" in text.tokens for text in some) for some in texts]
    assert has_unknown == [False, True]
    assert not any("<S>" in text.tokens for some in texts for text in some)


def test_without_a_start_token_a_prompt_is_needed():
    reader = SimpleLanguageModelingDatasetReader(tokenizer=WhitespaceTokenizer())
    generator = Generator(make_model(), reader)
    with pytest.raises(ConfigurationError, match="prompt: there is no token in it"):
        generator.generate("")
    reader = SimpleLanguageModelingDatasetReader(tokenizer=WhitespaceTokenizer(), end_tokens=["</S>"])
    assert Generator(make_model(), reader).generate("", GenerationOptions(seed=0))[0].finished


def test_models_of_other_kinds_are_refused(tagger, tagging_reader):
    with pytest.raises(
        ConfigurationError, match="SimpleTagger: text can be generated from a model that predicts the next"
    ):
        Generator(tagger, tagging_reader)


def test_a_model_without_its_softmax_is_refused():
    model = make_model()
    model.delete_softmax()
    with pytest.raises(ConfigurationError, match="its softmax has been deleted"):
        Generator(model, make_reader()).generate("the")
