"""Softmaxes over a vocabulary whose word vectors are those of the input: from its embedding, or from the characters of words."""

import torch
from torch import Tensor, nn

from nlpreg.common.checks import ConfigurationError, PositiveInt
from nlpreg.data import Token, TokenIndexer, Vocabulary
from nlpreg.modules.sampled_softmax_loss import SampledSoftmaxLoss
from nlpreg.modules.softmax_loss import LinearWordDistribution, WordDistribution
from nlpreg.modules.text_field_embedders import TextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding, TokenEmbedder

# N states, D width of the states, E width of the word vectors, V words, C characters of a word

_SPELLED_AT_ONCE = 8192


class WordVectors(nn.Module):
    """Word vectors that belong to another part of the model, as the weights of a softmax, which adds a bias of its own.

    Args:
        num_words: number of classes V.
        embedding_dim: width D of the states.
        width: width E of the word vectors. If it is another one, a linear layer projects the states.
    """

    def __init__(self, num_words: int, embedding_dim: int, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(embedding_dim, width, bias=False) if width != embedding_dim else None
        self.bias = nn.Parameter(torch.zeros(num_words))

    def weight(self) -> Tensor:
        """The vectors of all classes, (V, E)."""
        raise NotImplementedError(f"{type(self).__name__} does not implement weight")

    def of(self, classes: Tensor) -> Tensor:
        """The vectors of some classes, (n,) -> (n, E)."""
        return nn.functional.embedding(classes, self.weight())

    def project(self, states: Tensor) -> Tensor:
        """States as wide as the word vectors, (N, D) -> (N, E)."""
        if self.projection is None:
            return states
        projected: Tensor = self.projection(states)
        return projected


class SharedWordVectors(WordVectors):
    """The word vectors of an embedding as the weights of a softmax, which adds a bias of its own.

    The embedding stays a part of the model that it came from: it is not a submodule of this one, so its weights are
    saved once, under the name that they have there, and are still shared after the embedding was extended.

    Args:
        num_words: number of classes V, that of the rows of the table, or fewer.
        embedding_dim: width D of the states.
        embedding: the table.
        first_row: row of the first class. The language models leave out padding, whose row is 0; with as many classes as
            there are rows, the last class gets row 0.

    Raises:
        ConfigurationError: the table has too few rows, or gives sparse gradients.
    """

    def __init__(self, num_words: int, embedding_dim: int, embedding: Embedding, first_row: int) -> None:
        num_rows, width = embedding.weight.shape
        super().__init__(num_words, embedding_dim, width)
        if num_words != num_rows and num_words + first_row > num_rows:
            raise ConfigurationError(
                f"embedding: a softmax over {num_words} words from row {first_row} on needs as many rows, and the table has "
                f"{num_rows}; tie it to the embedding of the words that the model predicts"
            )
        if embedding.sparse:
            raise ConfigurationError(
                "embedding.sparse: an embedding that shares its weights with the softmax gets dense gradients; leave it out"
            )
        self._num_words = num_words
        self._first_row = first_row
        self._embedding = (embedding,)  # in a tuple, where torch does not look for submodules

    def weight(self) -> Tensor:
        """The vectors of all classes, (V, E)."""
        table = self._embedding[0].weight
        if self._num_words == table.size(0):
            return table.roll(-self._first_row, 0) if self._first_row else table
        return table[self._first_row : self._first_row + self._num_words]


class SpelledWordVectors(WordVectors):
    """The vectors that a token embedder makes of the characters of each word of a vocabulary.

    The embedder stays a part of the model that it came from, as in `SharedWordVectors`. In evaluation without gradients the
    vectors of all words are computed once; they are forgotten when the training continues or weights are loaded.

    Args:
        num_words: number of classes V, at most the size of the vocabulary.
        embedding_dim: width D of the states.
        text_field_embedder: has the token embedder.
        embedder: name of the token embedder, and of its indexer.
        indexer: gives the characters of words as the data has them.
        vocab: has the words.
        namespace: that of the words to predict. Class k is the word with the id k + 1, since padding is not a word; with as many
            classes as ids, the last class is padding.

    Raises:
        ConfigurationError: there is no such embedder, or the indexer gives more than one tensor.
    """

    def __init__(
        self,
        num_words: int,
        embedding_dim: int,
        text_field_embedder: TextFieldEmbedder,
        embedder: str,
        indexer: TokenIndexer,
        vocab: Vocabulary,
        namespace: str,
    ) -> None:
        embedders: dict[str, TokenEmbedder] = getattr(text_field_embedder, "token_embedders", {})
        spelling = embedders.get(embedder)
        if spelling is None:
            raise ConfigurationError(
                f"model.softmax.embedder: expected a token embedder of the model ({', '.join(sorted(embedders))}), "
                f"got {embedder!r}"
            )
        super().__init__(num_words, embedding_dim, spelling.get_output_dim())
        self._embedder = (spelling,)  # in a tuple, where torch does not look for submodules
        size = vocab.get_vocab_size(namespace)
        words = [vocab.get_token_from_index((k + 1) % size, namespace) for k in range(num_words)]
        indexed = indexer.tokens_to_indices([Token(word) for word in words], vocab)
        tensors = indexer.as_padded_tensor_dict(indexed, indexer.get_padding_lengths(indexed))
        if len(tensors) != 1:
            raise ConfigurationError(
                f"model.softmax.indexer: expected an indexer of characters, with one tensor, got {sorted(tensors)} of "
                f"{type(indexer).__name__}"
            )
        self.register_buffer("characters", next(iter(tensors.values())), persistent=False)  # (V, C)
        self.register_buffer("_known", None, persistent=False)
        self.characters: Tensor
        self._known: Tensor | None
        self.register_load_state_dict_post_hook(type(self)._forget)  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def train(self, mode: bool = True) -> "SpelledWordVectors":
        """Switch to training or evaluation, and forget the vectors."""
        self._forget()
        super().train(mode)
        return self

    def _forget(self, *_: object) -> None:
        self._known = None

    def weight(self) -> Tensor:
        """The vectors of all classes, (V, E)."""
        if self.training or torch.is_grad_enabled():
            return self._spell(self.characters)
        if self._known is None:
            self._known = self._spell(self.characters)
        return self._known

    def of(self, classes: Tensor) -> Tensor:
        """The vectors of some classes, (n,) -> (n, E)."""
        return self._spell(self.characters[classes])

    def _spell(self, characters: Tensor) -> Tensor:
        """The vectors of words with these characters, (n, C) -> (n, E)."""
        (embedder,) = self._embedder
        # A few at a time, because an encoder of characters may need much memory for each word.
        parts = [embedder(part.unsqueeze(0)).squeeze(0) for part in torch.split(characters, _SPELLED_AT_ONCE)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)


class TiedWordDistribution(LinearWordDistribution):
    """Base of softmaxes with the word vectors of another part of the model; subclasses set `shared`."""

    tie_embeddings = True
    shared: WordVectors

    def project(self, states: Tensor) -> Tensor:
        """See `LinearWordDistribution.project`."""
        return self.shared.project(states)

    def layer(self) -> tuple[Tensor, Tensor]:
        """See `LinearWordDistribution.layer`."""
        return self.shared.weight().t(), self.shared.bias


@WordDistribution.register("tied_softmax")
class TiedSoftmaxLoss(TiedWordDistribution):
    """The softmax over all words with the word vectors of the input embedding.

    Where the states have another width than the word vectors, a linear layer without a bias projects them first.

    Args:
        num_words: number of classes.
        embedding_dim: width of the states.
        embedding: whose table is shared.
        first_row: row of the first class, see `SharedWordVectors`.
        chunk_size: how many states to treat at a time, see `linear_softmax_nll`.

    Shape:
        embeddings (N, embedding_dim), targets (N,) from 0 to num_words - 1, or -1 for states that do not count
        -> scalar, a sum over the N.

    Raises:
        ConfigurationError: the table does not fit.

    Source: Press and Wolf (2017), https://aclanthology.org/E17-2025; Inan et al. (2017),
    https://arxiv.org/abs/1611.01462
    """

    def __init__(
        self,
        num_words: PositiveInt,
        embedding_dim: PositiveInt,
        embedding: Embedding,
        first_row: int = 1,
        chunk_size: PositiveInt | None = None,
    ) -> None:
        super().__init__()
        self.chunk_size = chunk_size
        self.shared = SharedWordVectors(num_words, embedding_dim, embedding, first_row)


class TiedSampledWordDistribution(TiedWordDistribution, SampledSoftmaxLoss):
    """Base of sampled softmaxes with the word vectors of another part of the model; subclasses set `shared`."""

    def _make_weights(self, num_words: int, embedding_dim: int) -> None:
        """Nothing: the weights are those of `shared`."""

    def rows_of(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """See `SampledSoftmaxLoss.rows_of`."""
        return self.shared.of(words), self.shared.bias.index_select(0, words)


@WordDistribution.register("tied_sampled_softmax")
class TiedSampledSoftmaxLoss(TiedSampledWordDistribution):
    """The sampled softmax with the word vectors of the input embedding, see `TiedSoftmaxLoss`.

    Args:
        num_words: number of classes.
        embedding_dim: width of the states.
        num_samples: how many words to sample, less than `num_words`.
        embedding: whose table is shared.
        first_row: row of the first class, see `SharedWordVectors`.
        chunk_size: how many states to treat at a time, see `linear_softmax_nll`.

    Shape:
        as in `SampledSoftmaxLoss`.

    Raises:
        ConfigurationError: the table does not fit.
        AssertionError: there are not fewer samples than words.
    """

    def __init__(
        self,
        num_words: PositiveInt,
        embedding_dim: PositiveInt,
        num_samples: PositiveInt,
        embedding: Embedding,
        first_row: int = 1,
        chunk_size: PositiveInt | None = None,
    ) -> None:
        super().__init__(num_words, embedding_dim, num_samples, chunk_size=chunk_size)
        self.shared = SharedWordVectors(num_words, embedding_dim, embedding, first_row)


@WordDistribution.register("tied_character_softmax")
class TiedCharacterSoftmaxLoss(TiedWordDistribution):
    """The softmax over all words with the vectors that the model's input makes of their characters.

    The vectors of the whole vocabulary are computed for every batch of the training; with many words, take
    `tied_character_sampled_softmax`. Where the states have another width, a linear layer without a bias projects them.

    Args:
        num_words: number of classes.
        embedding_dim: width of the states.
        text_field_embedder: that of the model; given by it.
        vocab: that of the model; given by it.
        indexer: the indexer of characters, as in the dataset reader.
        embedder: its name there, which is that of the token embedder too.
        namespace: vocabulary namespace of the words to predict.
        chunk_size: how many states to treat at a time, see `linear_softmax_nll`.

    Shape:
        as in `TiedSoftmaxLoss`.

    Raises:
        ConfigurationError: see `SpelledWordVectors`.

    Source: Jozefowicz et al. (2016), section 3.3, https://arxiv.org/abs/1602.02410
    """

    def __init__(
        self,
        num_words: PositiveInt,
        embedding_dim: PositiveInt,
        text_field_embedder: TextFieldEmbedder,
        vocab: Vocabulary,
        indexer: TokenIndexer,
        embedder: str = "token_characters",
        namespace: str = "tokens",
        chunk_size: PositiveInt | None = None,
    ) -> None:
        super().__init__()
        self.chunk_size = chunk_size
        self.shared = SpelledWordVectors(
            num_words, embedding_dim, text_field_embedder, embedder, indexer, vocab, namespace
        )


@WordDistribution.register("tied_character_sampled_softmax")
class TiedCharacterSampledSoftmaxLoss(TiedSampledWordDistribution):
    """The sampled softmax with the vectors that the model's input makes of the characters of words.

    Args:
        num_words: number of classes.
        embedding_dim: width of the states.
        num_samples: how many words to sample, less than `num_words`.
        text_field_embedder: that of the model; given by it.
        vocab: that of the model; given by it.
        indexer: the indexer of characters, as in the dataset reader.
        embedder: its name there, which is that of the token embedder too.
        namespace: vocabulary namespace of the words to predict.
        chunk_size: how many states to treat at a time, see `linear_softmax_nll`.

    Shape:
        as in `SampledSoftmaxLoss`.

    Raises:
        ConfigurationError: see `SpelledWordVectors`.
        AssertionError: there are not fewer samples than words.
    """

    def __init__(
        self,
        num_words: PositiveInt,
        embedding_dim: PositiveInt,
        num_samples: PositiveInt,
        text_field_embedder: TextFieldEmbedder,
        vocab: Vocabulary,
        indexer: TokenIndexer,
        embedder: str = "token_characters",
        namespace: str = "tokens",
        chunk_size: PositiveInt | None = None,
    ) -> None:
        super().__init__(num_words, embedding_dim, num_samples, chunk_size=chunk_size)
        self.shared = SpelledWordVectors(
            num_words, embedding_dim, text_field_embedder, embedder, indexer, vocab, namespace
        )
