"""Tables of vectors: where they come from, looking up, and growing with the vocabulary."""

import gzip
import logging

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.modules.token_embedders import DropoutEmbedding, Embedding, TokenEmbedder, UnknownDropoutEmbedding


def test_look_up_with_any_number_of_dimensions():
    weight = torch.randn(5, 3)
    embedding = Embedding(3, 5, weight=weight)
    for shape in [(4,), (2, 4), (2, 3, 4), (2, 1, 3, 4)]:
        ids = torch.randint(0, 5, shape)
        assert torch.equal(embedding(ids), weight[ids])
    assert embedding.get_output_dim() == 3


def test_projection():
    embedding = Embedding(3, 5, projection_dim=2)
    ids = torch.tensor([[[1, 4], [0, 2]]])
    torch.testing.assert_close(embedding(ids), embedding._projection(embedding.weight[ids]))
    assert embedding.get_output_dim() == 2
    assert set(embedding.state_dict()) == {"weight", "_projection.weight", "_projection.bias"}


def test_options_reach_torch():
    embedding = Embedding(3, 5, padding_index=2, sparse=True)
    assert not embedding.weight[2].any()
    embedding(torch.tensor([1, 2])).sum().backward()
    assert embedding.weight.grad.is_sparse
    assert not embedding.weight.grad.to_dense()[2].any()
    limited = Embedding(2, 1, weight=torch.tensor([[3.0, 4.0]]), max_norm=1.0)
    torch.testing.assert_close(limited(torch.tensor([0])), torch.tensor([[0.6, 0.8]]), atol=1e-5, rtol=1e-5)
    frequent = Embedding(1, 1, scale_grad_by_freq=True)
    frequent(torch.tensor([0, 0, 0])).sum().backward()
    assert frequent.weight.grad.item() == 1.0
    assert not Embedding(3, 5, trainable=False).weight.requires_grad


def test_size_from_the_vocabulary(vocab):
    embedding = TokenEmbedder.from_params(Params({"embedding_dim": 3}), vocab=vocab)
    assert embedding.num_embeddings == 6
    labels = TokenEmbedder.from_params(Params({"embedding_dim": 3, "vocab_namespace": "labels"}), vocab=vocab)
    assert labels.weight.shape == (2, 3)
    bound = (6 / (6 + 3)) ** 0.5
    assert embedding.weight.abs().max() <= bound


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "num_embeddings, or a vocabulary"),
        ({"num_embeddings": 4, "weight": torch.zeros(5, 3)}, r"shape \(4, 3\), got \(5, 3\)"),
        ({"num_embeddings": 4, "weight": torch.zeros(4, 3), "pretrained_file": "x"}, "got both"),
        ({"num_embeddings": 4, "pretrained_file": "x"}, "needs a vocabulary"),
    ],
)
def test_contradictions(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        Embedding(3, **arguments)


@pytest.fixture
def vectors(tmp_path):
    """Vectors of three words, one of them twice, with lines that do not fit between them."""
    file = tmp_path / "vectors.txt.gz"
    with gzip.open(file, "wt", encoding="utf-8") as text:
        text.write("the 1.0 2.0 3.0\ncat 0 0\ndog 9 9 9\n日本 -1 0.5 1e1 \r\nthe 4.0 5.0 6.0\ncat\n")
    return str(file)


def test_pretrained_vectors(vocab, vectors, caplog):
    torch.manual_seed(0)
    with caplog.at_level(logging.WARNING):
        embedding = Embedding(3, pretrained_file=vectors, vocab=vocab)
    index = vocab.get_token_index
    assert embedding.weight[index("the")].tolist() == [4, 5, 6]
    assert embedding.weight[index("日本")].tolist() == [-1, 0.5, 10]
    assert "expected 3 numbers" in caplog.text and "'cat 0 0" in caplog.text
    others = [0, 1, index("cat"), index("naïve")]
    assert embedding.weight[others].unique().numel() == 12


def test_missing_words_are_drawn_with_the_moments_of_the_file(vocab, tmp_path):
    file = tmp_path / "vectors.txt"
    file.write_text("the " + " ".join(["9", "11"] * 1000) + "\n")
    embedding = Embedding(2000, pretrained_file=str(file), vocab=vocab)
    drawn = embedding.weight[vocab.get_token_index("cat")]
    assert abs(drawn.mean().item() - 10) < 0.2 and abs(drawn.std().item() - 1) < 0.1


def test_a_file_without_usable_lines(vocab, tmp_path):
    file = tmp_path / "vectors.txt"
    file.write_text("elephant 1 2 3\n")
    with pytest.raises(ConfigurationError, match="found none; check embedding_dim and vocab_namespace"):
        Embedding(3, pretrained_file=str(file), vocab=vocab)
    word = vocab.get_token_from_index(2)
    file.write_text(f"{word} 1 2\n")
    with pytest.raises(ConfigurationError, match=r"expected 3 numbers on each line \(embedding_dim\), got 2"):
        Embedding(3, pretrained_file=str(file), vocab=vocab)


def test_pretrained_matrix(vocab, tmp_path):
    h5py = pytest.importorskip("h5py")
    file = str(tmp_path / "matrix.h5")
    matrix = torch.randn(6, 3)
    with h5py.File(file, "w") as target:
        target["embedding"] = matrix.numpy()
    assert torch.equal(Embedding(3, pretrained_file=file, vocab=vocab).weight, matrix)
    with pytest.raises(ConfigurationError, match=r"shape \(6, 2\), got \(6, 3\)"):
        Embedding(2, pretrained_file=file, vocab=vocab)


def test_file_with_a_size_of_ones_own(vocab, vectors):
    """The file is read for the vocabulary even where the number of rows is given."""
    embedding = Embedding(3, num_embeddings=6, pretrained_file=vectors, vocab=vocab)
    assert embedding.weight[vocab.get_token_index("the")].tolist() == [4, 5, 6]


class TestExtending:
    @pytest.fixture
    def larger(self, vocab) -> Vocabulary:
        larger = Vocabulary()
        larger.extend_from_vocab(vocab)
        larger.add_tokens_to_namespace(["dog", "emu"])
        return larger

    def test_rows_are_added(self, vocab, larger):
        embedding = Embedding(3, vocab=vocab, trainable=False)
        before = embedding.weight.clone()
        embedding.extend_vocab(larger)
        assert embedding.num_embeddings == 8 and embedding.weight.shape == (8, 3)
        assert torch.equal(embedding.weight[:6], before)
        assert embedding.weight[6:].any(1).all()
        assert not embedding.weight.requires_grad
        embedding.extend_vocab(larger)
        assert embedding.num_embeddings == 8

    def test_from_the_file_it_came_from(self, vocab, larger, vectors):
        embedding = Embedding(3, vocab=vocab, pretrained_file=vectors)
        embedding.extend_vocab(larger)
        assert embedding.weight[larger.get_token_index("dog")].tolist() == [9, 9, 9]

    def test_from_another_file(self, vocab, larger, vectors):
        embedding = Embedding(3, vocab=vocab)
        embedding.extend_vocab(larger, extension_pretrained_file=vectors)
        assert embedding.weight[larger.get_token_index("dog")].tolist() == [9, 9, 9]
        with pytest.raises(ConfigurationError, match=r"tagger.embedder: there is no file gone.txt"):
            Embedding(3, vocab=vocab).extend_vocab(
                larger, extension_pretrained_file="gone.txt", model_path="tagger.embedder"
            )

    def test_a_file_that_is_gone_is_done_without(self, vocab, larger, vectors, caplog):
        embedding = Embedding(3, vocab=vocab, pretrained_file=vectors)
        embedding._pretrained_file = "/gone/vectors.txt"
        with caplog.at_level(logging.WARNING):
            embedding.extend_vocab(larger)
        assert "cannot be reached" in caplog.text
        assert embedding.weight.shape == (8, 3)

    def test_a_table_of_ones_own_size_stays(self, vocab, larger):
        embedding = Embedding(3, num_embeddings=6)
        embedding.extend_vocab(larger)
        assert embedding.num_embeddings == 6
        embedding.extend_vocab(larger, vocab_namespace="tokens")
        assert embedding.num_embeddings == 8

    def test_a_smaller_vocabulary_is_refused(self, vocab, larger):
        with pytest.raises(ConfigurationError, match="at least 8 entries in the namespace 'tokens', got 6"):
            Embedding(3, vocab=larger).extend_vocab(vocab)


@pytest.mark.parametrize(
    ("line", "wrong"), [("a 0,1 0,2", "0,1"), ("a nan 0.2", "nan"), ("a 0.1 inf", "inf"), ("a x 1", "x")]
)
def test_a_bad_number_is_named_with_its_line(tmp_path, line, wrong):
    (tmp_path / "vec.txt").write_text(f"zz 1 2\n{line}\n")
    vocab = Vocabulary(tokens_to_add={"tokens": ["a"]})
    with pytest.raises(ConfigurationError, match=rf"vec.txt, line 2: expected a number, got {wrong};"):
        Embedding(embedding_dim=2, vocab=vocab, pretrained_file=str(tmp_path / "vec.txt"))


def test_a_file_separated_by_tabs(tmp_path):
    (tmp_path / "vec.txt").write_text("a\t0.1\t0.2\n")
    vocab = Vocabulary(tokens_to_add={"tokens": ["a"]})
    embedding = Embedding(embedding_dim=2, vocab=vocab, pretrained_file=str(tmp_path / "vec.txt"))
    torch.testing.assert_close(embedding.weight[2].detach(), torch.tensor([0.1, 0.2]))


class TestDropoutEmbedding:
    def test_words_are_dropped_whole_and_values_singly(self):
        tokens = torch.arange(1, 400).repeat(2, 1)
        words = DropoutEmbedding(word_dropout=0.5, embedding_dim=8, num_embeddings=400)
        embedded = words(tokens)
        is_there = embedded.ne(0).all(-1)
        assert torch.equal(is_there, embedded.ne(0).any(-1)) and torch.equal(is_there[0], is_there[1])
        assert 100 < is_there[0].sum() < 300
        torch.testing.assert_close(embedded[is_there], 2 * words.weight[tokens[is_there]])
        values = DropoutEmbedding(word_dropout=0.0, dropout=0.5, embedding_dim=8, num_embeddings=400)
        kept = values(tokens).ne(0)
        assert 0.4 < kept.float().mean() < 0.6 and not torch.equal(kept[0], kept[1])
        for embedder in (words, values):
            torch.testing.assert_close(embedder.eval()(tokens), embedder.weight[tokens])


class TestUnknownDropoutEmbedding:
    def vocab(self) -> Vocabulary:
        return Vocabulary(counter={"tokens": {"the": 99, "dog": 1, "cat": 3}})

    def test_replaces_words_as_often_as_their_frequency_says(self):
        torch.manual_seed(0)
        vocab = self.vocab()
        embedder = UnknownDropoutEmbedding(vocab, alpha=1.0, embedding_dim=1)
        embedder.weight.data = torch.arange(5.0).unsqueeze(1)  # the vector of a word is its id
        unknown = vocab.get_token_index("never seen")
        for word, count in {"the": 99, "cat": 3, "dog": 1}.items():
            index = vocab.get_token_index(word)
            found = embedder(torch.full((40, 500), index)).squeeze(-1)
            assert set(found.unique().tolist()) == {float(unknown), float(index)}
            share = (found == unknown).float().mean().item()
            probability = 1 / (count + 1)
            # five standard deviations of the mean of 20,000 draws
            assert abs(share - probability) < 5 * (probability * (1 - probability) / 20000) ** 0.5

    def test_replaces_nothing_in_evaluation_nor_padding(self):
        embedder = UnknownDropoutEmbedding(self.vocab(), alpha=1e9, embedding_dim=3)
        ids = torch.tensor([[2, 3, 4, 1, 0]])
        trained = embedder(ids)
        assert torch.equal(trained[0, :3], embedder.weight[[1, 1, 1]])
        assert torch.equal(trained[0, 4], embedder.weight[0])
        assert torch.equal(embedder.eval()(ids)[0], embedder.weight[[2, 3, 4, 1, 0]])

    def test_saved_probabilities_replace_missing_counts(self, tmp_path, caplog):
        embedder = UnknownDropoutEmbedding(self.vocab(), embedding_dim=2)
        self.vocab().save_to_files(str(tmp_path))
        read = Vocabulary.from_files(str(tmp_path))
        other = UnknownDropoutEmbedding(read, embedding_dim=2)
        other(torch.tensor([[2]]))
        assert "no word is replaced by the unknown one" in caplog.text
        other.load_state_dict(embedder.state_dict())
        assert torch.equal(other.unknown_probabilities, embedder.unknown_probabilities)
        assert other.unknown_probabilities.tolist() == pytest.approx(
            [0, 0, 0.25 / 99.25, 0.25 / 3.25, 0.25 / 1.25]
        )

    def test_grows_with_the_vocabulary(self):
        vocab = self.vocab()
        embedder = UnknownDropoutEmbedding(vocab, embedding_dim=2)
        before = embedder.unknown_probabilities
        vocab.add_token_to_namespace("elk")
        embedder.extend_vocab(vocab)
        assert torch.equal(embedder.unknown_probabilities[:5], before)
        assert embedder.unknown_probabilities.tolist()[5:] == [0.0]
        embedder(torch.tensor([[5]]))

    def test_needs_an_unknown_word(self):
        vocab = Vocabulary(counter={"labels": {"x": 1}})
        with pytest.raises(
            ConfigurationError, match="expected the unknown word '@@UNKNOWN@@' in the namespace 'labels'"
        ):
            UnknownDropoutEmbedding(vocab, vocab_namespace="labels", embedding_dim=2)
        with pytest.raises(ConfigurationError, match="alpha: expected 0 or more"):
            UnknownDropoutEmbedding(self.vocab(), alpha=-1.0, embedding_dim=2)
