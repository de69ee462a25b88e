"""Softmaxes that share the input embedding, against the plain ones with the same weights."""

import copy

import pytest
import torch
from torch import nn

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.data.token_indexers import TokenCharactersIndexer
from nlpreg.data.tokenizers import Token
from nlpreg.modules import SampledSoftmaxLoss, SoftmaxLoss, TiedSampledSoftmaxLoss, TiedSoftmaxLoss
from nlpreg.modules.text_field_embedders import TextFieldEmbedder
from nlpreg.modules.tied_softmax_loss import TiedCharacterSampledSoftmaxLoss, TiedCharacterSoftmaxLoss
from nlpreg.modules.token_embedders import Embedding


@pytest.mark.parametrize("num_words", [9, 10])
@pytest.mark.parametrize("width", [4, 6])
@pytest.mark.parametrize("chunk_size", [None, 2])
def test_loss_and_gradients_are_those_of_the_plain_softmax(num_words, width, chunk_size):
    torch.manual_seed(0)
    embedding = Embedding(4, 10, padding_index=0)
    tied = TiedSoftmaxLoss(num_words, width, embedding, chunk_size=chunk_size).double()
    embedding.double()
    nn.init.normal_(tied.shared.bias)
    plain = SoftmaxLoss(num_words, 4).double()
    # Class k is the word of row k + 1; the class after the last row is that of padding.
    rows = [(k + 1) % 10 for k in range(num_words)]
    with torch.no_grad():
        plain.softmax_w.copy_(embedding.weight[rows].t())
        plain.softmax_b.copy_(tied.shared.bias)
    states = torch.randn(5, width, dtype=torch.double, requires_grad=True)
    targets = torch.tensor([0, 8, 3, -1, 3])
    projected = tied.shared.project(states)
    loss, expected = tied(states, targets), plain(projected, targets)
    torch.testing.assert_close(loss, expected)
    leaves = [states, embedding.weight, tied.shared.bias]
    by_states, by_table, by_bias = torch.autograd.grad(loss, leaves)
    found_states, by_weight, found_bias = torch.autograd.grad(
        expected, [states, plain.softmax_w, plain.softmax_b]
    )
    torch.testing.assert_close(by_states, found_states)
    torch.testing.assert_close(by_bias, found_bias)
    torch.testing.assert_close(by_table[rows], by_weight.t())
    torch.testing.assert_close(tied.log_probabilities(states), plain.log_probabilities(projected))
    torch.testing.assert_close(
        tied.target_log_probabilities(states, targets.clamp(min=0)),
        plain.target_log_probabilities(projected, targets.clamp(min=0)),
    )


def choose(num_words, num_samples):
    return torch.arange(num_samples), 7


@pytest.mark.parametrize("width", [4, 6])
def test_the_sampled_softmax_shares_weights_too(width):
    torch.manual_seed(0)
    embedding = Embedding(4, 10)
    tied = TiedSampledSoftmaxLoss(9, width, num_samples=3, embedding=embedding)
    plain = SampledSoftmaxLoss(9, 4, num_samples=3)
    tied.choice_func = plain.choice_func = choose
    with torch.no_grad():
        plain.softmax_w.copy_(embedding.weight[1:])
    states, targets = torch.randn(5, width), torch.tensor([0, 8, 3, -1, 3])
    for training in (True, False):
        tied.train(training), plain.train(training)
        torch.testing.assert_close(tied(states, targets), plain(tied.shared.project(states), targets))
    tied.train()
    (gradient,) = torch.autograd.grad(tied(states, targets), embedding.weight)
    assert gradient[1:4].abs().sum(1).all() and not gradient[0].any()
    torch.testing.assert_close(
        tied.log_probabilities(states), plain.log_probabilities(tied.shared.project(states))
    )


def test_the_table_is_saved_once_and_stays_shared():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = Embedding(4, 10)
            self.softmax = TiedSoftmaxLoss(9, 4, self.embedding)

    model = Model()
    assert set(model.state_dict()) == {"embedding.weight", "softmax.shared.bias"}
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.embedding.weight.zero_()
    states = torch.randn(2, 4)
    log_nine = torch.full((2, 9), 9.0).log()
    torch.testing.assert_close(twin.softmax.log_probabilities(states), -log_nine)
    assert not torch.allclose(model.softmax.log_probabilities(states), -log_nine)
    twin.embedding.weight = nn.Parameter(torch.ones(10, 4))
    assert twin.softmax.shared.weight().shape == (9, 4) and (twin.softmax.shared.weight() == 1).all()


def test_tables_that_do_not_fit():
    with pytest.raises(ConfigurationError, match="softmax over 12 words from row 1 on .* the table has 10"):
        TiedSoftmaxLoss(12, 4, Embedding(4, 10))
    with pytest.raises(ConfigurationError, match=r"embedding\.sparse: .* dense gradients"):
        TiedSoftmaxLoss(9, 4, Embedding(4, 10, sparse=True))


WORDS = ["the", "cat", "cats", "sat", "a", "antidisestablishment"]


@pytest.fixture
def spelling():
    """An embedder of characters, its indexer, the vocabulary, and the tensor of all words by class."""
    torch.manual_seed(0)
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(WORDS, "tokens")
    vocab.add_tokens_to_namespace(list("abcehinstm"), "token_characters")
    encoder = {"type": "cnn", "embedding_dim": 3, "num_filters": 2, "ngram_filter_sizes": [1, 2]}
    characters = {"type": "character_encoding", "embedding": {"embedding_dim": 3}, "encoder": encoder}
    config = {"token_embedders": {"token_characters": characters}}
    config["token_embedders"]["token_characters"]["embedding"]["vocab_namespace"] = "token_characters"
    embedder = TextFieldEmbedder.from_params(Params(config), vocab=vocab)
    indexer = TokenCharactersIndexer(min_padding_length=2)
    words = [Token(vocab.get_token_from_index((k + 1) % 8)) for k in range(8)]
    indexed = indexer.tokens_to_indices(words, vocab)
    ids = indexer.as_padded_tensor_dict(indexed, indexer.get_padding_lengths(indexed))["token_characters"]
    return embedder, indexer, vocab, ids


def vectors(embedder, ids):
    return embedder({"token_characters": {"token_characters": ids.unsqueeze(0)}}).squeeze(0)


@pytest.mark.parametrize("width", [4, 6])
@pytest.mark.parametrize("at_once", [3, 8192])
def test_the_vectors_of_characters_are_those_of_the_input(spelling, width, at_once, monkeypatch):
    monkeypatch.setattr("nlpreg.modules.tied_softmax_loss._SPELLED_AT_ONCE", at_once)
    embedder, indexer, vocab, ids = spelling
    tied = TiedCharacterSoftmaxLoss(8, width, embedder, vocab, indexer)
    nn.init.normal_(tied.shared.bias)
    plain = SoftmaxLoss(8, 4)
    with torch.no_grad():
        plain.softmax_w.copy_(vectors(embedder, ids).t())
        plain.softmax_b.copy_(tied.shared.bias)
    states, targets = torch.randn(5, width), torch.tensor([0, 6, 3, -1, 3])
    loss, expected = tied(states, targets), plain(tied.shared.project(states), targets)
    torch.testing.assert_close(loss, expected)
    (by_vectors,) = torch.autograd.grad(expected, [plain.softmax_w])
    parameters = list(embedder.parameters())
    found = torch.autograd.grad(loss, parameters)
    chained = torch.autograd.grad((vectors(embedder, ids) * by_vectors.t()).sum(), parameters)
    for gradient, by_hand in zip(found, chained, strict=True):
        torch.testing.assert_close(gradient, by_hand)
    torch.testing.assert_close(
        tied.log_probabilities(states), plain.log_probabilities(tied.shared.project(states))
    )
    # The embedder is saved with the model, and not a second time with the softmax.
    assert set(tied.state_dict()) == {"shared.bias"} | ({"shared.projection.weight"} if width == 6 else set())


def test_the_sampled_softmax_spells_the_sampled_words_only(spelling):
    embedder, indexer, vocab, ids = spelling
    tied = TiedCharacterSampledSoftmaxLoss(8, 6, 3, embedder, vocab, indexer)
    plain = SampledSoftmaxLoss(8, 4, num_samples=3)
    tied.choice_func = plain.choice_func = choose
    with torch.no_grad():
        plain.softmax_w.copy_(vectors(embedder, ids))
    states, targets = torch.randn(5, 6), torch.tensor([0, 6, 3, -1, 3])
    for training in (True, False):
        tied.train(training), plain.train(training)
        torch.testing.assert_close(tied(states, targets), plain(tied.shared.project(states), targets))
    seen = []
    hook = embedder.token_embedder_token_characters.register_forward_hook(
        lambda _, inputs, __: seen.append(inputs[0].size(1))
    )
    tied.train()(states, targets).backward()
    assert seen == [5 + 3]
    hook.remove()


def test_both_directions_share_the_vectors_of_characters_in_evaluation(spelling):
    embedder, indexer, vocab, _ = spelling
    tied = TiedCharacterSampledSoftmaxLoss(8, 4, 3, embedder, vocab, indexer).eval()
    groups = [(torch.randn(2, 4), torch.tensor([0, 6])), (torch.randn(3, 4), torch.tensor([1, -1, 2]))]
    expected = [tied(*group) for group in groups]
    calls = []
    embedder.token_embedder_token_characters.register_forward_hook(lambda *_: calls.append(1))
    torch.testing.assert_close(tied.losses(groups), expected)
    assert calls == [1]


def test_vectors_of_characters_are_computed_once_in_evaluation(spelling):
    embedder, indexer, vocab, ids = spelling
    tied = TiedCharacterSoftmaxLoss(8, 4, embedder, vocab, indexer).eval()
    table = embedder.token_embedder_token_characters._embedding.module.weight
    with torch.no_grad():
        before = tied.shared.weight()
        assert tied.shared.weight() is before
        table.add_(1.0)
        tied.train().eval()
        torch.testing.assert_close(tied.shared.weight(), vectors(embedder, ids))
        table.add_(1.0)
        tied.load_state_dict(tied.state_dict())
        torch.testing.assert_close(tied.shared.weight(), vectors(embedder, ids))


def test_characters_that_do_not_fit(spelling):
    embedder, indexer, vocab, _ = spelling
    with pytest.raises(
        ConfigurationError, match=r"a token embedder of the model \(token_characters\), got 'chars'"
    ):
        TiedCharacterSoftmaxLoss(8, 4, embedder, vocab, indexer, embedder="chars")
