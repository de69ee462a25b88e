"""Embedding tables, and reading of pretrained vectors."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nlpreg.common.checks import ConfigurationError, PositiveInt, Probability, check_at_least

# AllenNLP has these four names in this module.
from nlpreg.common.embeddings_file import EmbeddingsFileURI as EmbeddingsFileURI
from nlpreg.common.embeddings_file import EmbeddingsTextFile as EmbeddingsTextFile
from nlpreg.common.embeddings_file import format_embeddings_file_uri as format_embeddings_file_uri
from nlpreg.common.embeddings_file import parse_embeddings_file_uri as parse_embeddings_file_uri
from nlpreg.common.file_utils import cached_path, get_file_extension, is_url_or_existing_file
from nlpreg.common.imports import optional
from nlpreg.common.tqdm import Tqdm
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder
from nlpreg.nn.cpu_layers import Dropout

logger = logging.getLogger(__name__)


def _read_pretrained_embeddings_file(
    file_uri: str, embedding_dim: int, vocab: Vocabulary, namespace: str = "tokens"
) -> torch.Tensor:
    """The matrix of word vectors for a vocabulary, from a text or HDF5 file.

    Args:
        file_uri: path, URL or `(ARCHIVE)#MEMBER`. `.h5` and `.hdf5` files contain the matrix under the name `embedding`; other
            files are text: on each line a word and its `embedding_dim` numbers, separated by single spaces.
        embedding_dim: width D of the vectors.
        vocab: the vocabulary.
        namespace: the namespace of the words to read.

    Returns:
        (V, D) float. Words that a text file lacks get random vectors, normally distributed with the mean and the standard
        deviation of all numbers read.

    Raises:
        ConfigurationError: the matrix in the HDF5 file has another shape, or no line of the text file fits.
    """
    main_file = parse_embeddings_file_uri(file_uri).main_file_uri
    if get_file_extension(main_file) in (".h5", ".hdf5"):
        return _read_hdf5(file_uri, embedding_dim, vocab.get_vocab_size(namespace))
    return _read_text(file_uri, embedding_dim, vocab.get_token_to_index_vocabulary(namespace), namespace)


def _read_hdf5(file_uri: str, embedding_dim: int, num_embeddings: int) -> torch.Tensor:
    """The data set `embedding`, which must be the whole matrix."""
    h5py = optional("h5py", extra="hdf5")
    with h5py.File(cached_path(file_uri), "r") as file:
        matrix = np.asarray(file["embedding"], dtype=np.float32)
    if matrix.shape != (num_embeddings, embedding_dim):
        raise ConfigurationError(
            f"pretrained_file {file_uri}: expected the data set 'embedding' to have the shape "
            f"{(num_embeddings, embedding_dim)}, got {matrix.shape}"
        )
    return torch.from_numpy(matrix)


def _read_text(
    file_uri: str, embedding_dim: int, index_of: Mapping[str, int], namespace: str
) -> torch.Tensor:
    """Read the vectors of the vocabulary's words; the last line of a word counts."""
    vectors: dict[str, np.ndarray] = {}
    wrong = 0
    with EmbeddingsTextFile(file_uri) as file:
        for line in Tqdm.tqdm(file, desc="reading word vectors"):
            word, space, numbers = line.partition(" ")
            if not space:  # some files use tabs as separators
                word, _, numbers = line.partition("\t")
            if word not in index_of:
                continue
            fields = numbers.rstrip().split("\t" if "\t" in numbers else " ")
            if len(fields) == embedding_dim and fields[0]:
                vectors[word] = _parse(fields, f"{file_uri}, line {file.line_number}")
            else:
                wrong += 1
                if wrong == 1:
                    width_found = len(fields)
                    logger.warning("%s: skipping %r, expected %d numbers", file_uri, line[:80], embedding_dim)
    if wrong > 1:
        logger.warning("%s: skipped %d lines that do not hold %d numbers", file_uri, wrong, embedding_dim)
    if not vectors:
        if wrong:
            raise ConfigurationError(
                f"pretrained_file {file_uri}: expected {embedding_dim} numbers on each line (embedding_dim), got {width_found}"
            )
        raise ConfigurationError(
            f"pretrained_file {file_uri}: expected lines of a word and {embedding_dim} numbers for words of the "
            f"namespace {namespace!r}, found none; check embedding_dim and vocab_namespace"
        )
    found = np.stack(list(vectors.values()))
    logger.info("%s has vectors for %d of the %d words of %r", file_uri, len(found), len(index_of), namespace)
    matrix = torch.empty(len(index_of), embedding_dim).normal_(float(found.mean()), float(found.std()))
    rows = torch.tensor([index_of[word] for word in vectors])
    matrix[rows] = torch.from_numpy(found)
    return matrix


def _parse(fields: list[str], where: str) -> np.ndarray:
    """The numbers of one line.

    Raises:
        ConfigurationError: a component is not a number, or not finite.
    """
    try:
        vector = np.array(fields, dtype=np.float32)
    except ValueError:
        vector = np.array([_float_or_nan(field) for field in fields], dtype=np.float32)
    if not np.isfinite(vector).all():
        wrong = fields[int(np.flatnonzero(~np.isfinite(vector))[0])]
        raise ConfigurationError(f"{where}: expected a number, got {wrong}; correct the file of word vectors")
    return vector


def _float_or_nan(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


class UnknownIdError(ConfigurationError):
    """An id for which a table has no vector."""


@TokenEmbedder.register("embedding")
class Embedding(TokenEmbedder):
    """Looks each id up in a table of vectors, read from a file or learned, and may project the result.

    Args:
        embedding_dim: width of the vectors in the table.
        num_embeddings: number of vectors; without it, the size of `vocab_namespace` in the vocabulary.
        projection_dim: width of a linear projection after the look-up; None for no projection.
        weight: the table itself (num_embeddings, embedding_dim); without it and without a file, Xavier-uniform.
        padding_index: an id whose vector is zero and not trained.
        trainable: whether the table is trained.
        max_norm: vectors of a larger norm are scaled down to it, in the table, when they are looked up.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide gradients by the number of times that an id occurs in the batch.
        sparse: make the gradient of the table a sparse tensor.
        vocab_namespace: the namespace of the ids.
        pretrained_file: path, URL or `(ARCHIVE)#MEMBER` of pretrained vectors: text, or HDF5 with the whole table.
        vocab: the vocabulary, passed by nlpreg.

    Shape:
        tokens (d1, ..., dn, T) ids -> (d1, ..., dn, T, projection_dim or embedding_dim).

    Raises:
        ConfigurationError: neither `num_embeddings` nor `vocab`; both `weight` and `pretrained_file`; a file without
            `vocab`; a table of the wrong shape. In `forward`, on the CPU, an id outside the table (on other devices it aborts
            the program, because a check would require a synchronization).
    """

    def __init__(
        self,
        embedding_dim: PositiveInt,
        num_embeddings: PositiveInt | None = None,
        projection_dim: PositiveInt | None = None,
        weight: torch.Tensor | None = None,
        padding_index: int | None = None,
        trainable: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        vocab_namespace: str = "tokens",
        pretrained_file: str | None = None,
        vocab: Vocabulary | None = None,
    ) -> None:
        super().__init__()
        # A table whose size is given does not follow the vocabulary, so extend_vocab does not change it.
        self._vocab_namespace = vocab_namespace if num_embeddings is None else None
        if num_embeddings is None:
            if vocab is None:
                raise ConfigurationError(
                    "embedding: expected num_embeddings, or a vocabulary to take it from, got neither"
                )
            num_embeddings = vocab.get_vocab_size(vocab_namespace)
        self.num_embeddings = num_embeddings
        self.padding_index = padding_index
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        self.output_dim = projection_dim or embedding_dim
        self._pretrained_file = pretrained_file

        if pretrained_file is not None:
            if weight is not None:
                raise ConfigurationError("embedding: expected weight or pretrained_file, got both")
            if vocab is None:
                raise ConfigurationError(
                    f"embedding: reading pretrained_file {pretrained_file} needs a vocabulary"
                )
            weight = _read_pretrained_embeddings_file(pretrained_file, embedding_dim, vocab, vocab_namespace)
        elif weight is None:
            weight = nn.init.xavier_uniform_(torch.empty(num_embeddings, embedding_dim))
        if weight.shape != (num_embeddings, embedding_dim):
            raise ConfigurationError(
                f"embedding: expected a table of the shape {(num_embeddings, embedding_dim)}, got {tuple(weight.shape)}"
            )
        self.weight = nn.Parameter(weight.detach(), requires_grad=trainable)
        if padding_index is not None:
            self.weight.data[padding_index].zero_()
        self._projection = nn.Linear(embedding_dim, projection_dim) if projection_dim else None

    @property
    def follows_vocabulary(self) -> bool:
        """Whether the table has a row for each entry of a namespace of the vocabulary."""
        return self._vocab_namespace is not None

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Look up the vectors of `tokens`."""
        if torch.compiler.is_compiling():
            embedded = self._look_up(tokens)
        else:
            try:
                embedded = self._look_up(tokens)
            except IndexError as error:
                raise UnknownIdError(self._explain(tokens)) from error
        if self._projection is not None:
            embedded = self._projection(embedded)
        return embedded

    def _look_up(self, tokens: torch.Tensor) -> torch.Tensor:
        return functional.embedding(
            tokens,
            self.weight,
            padding_idx=self.padding_index,
            max_norm=self.max_norm,
            norm_type=self.norm_type,
            scale_grad_by_freq=self.scale_grad_by_freq,
            sparse=self.sparse,
        )

    def _explain(self, tokens: torch.Tensor) -> str:
        """The error for `tokens` with an id outside the table."""
        smallest, largest = int(tokens.min()), int(tokens.max())
        unknown = smallest if smallest < 0 else largest
        if self._vocab_namespace is None:
            origin = "num_embeddings, as it was made with"
            advice = (
                f"raise num_embeddings to {largest + 1} or more, or leave it out and name vocab_namespace"
            )
        else:
            origin = f"the size of the vocabulary's namespace {self._vocab_namespace!r} when it was made"
            advice = "set vocab_namespace to the namespace of the indexer whose ids these are"
        return (
            f"expected ids from 0 to {self.weight.size(0) - 1}, since the table has {self.weight.size(0)} rows "
            f"({origin}), got {unknown}; {advice}"
        )

    def extend_vocab(
        self,
        extended_vocab: Vocabulary,
        vocab_namespace: str | None = None,
        extension_pretrained_file: str | None = None,
        model_path: str | None = None,
    ) -> None:
        """Add rows for new entries of the vocabulary; the old rows do not change.

        Args:
            extended_vocab: the vocabulary, old entries first.
            vocab_namespace: the namespace; by default the one that the table was made for. Without either, nothing happens.
            extension_pretrained_file: file with vectors for the new rows; by default the file that the table was read from,
                if it is still available. Without a file the rows are Xavier-uniform.
            model_path: the table's name in its model, for messages only.

        Raises:
            ConfigurationError: the vocabulary is smaller than the table, or `extension_pretrained_file` is not there.
        """
        where = model_path or "embedding"
        namespace = vocab_namespace or self._vocab_namespace
        if not namespace:
            logger.info("%s: not extended, since it was not made for a namespace of the vocabulary", where)
            return
        num_new = extended_vocab.get_vocab_size(namespace) - self.num_embeddings
        if num_new == 0:
            return
        if num_new < 0:
            raise ConfigurationError(
                f"{where}: expected at least {self.num_embeddings} entries in the namespace {namespace!r}, "
                f"got {self.num_embeddings + num_new}; the vocabulary is not an extension of the one it was made for"
            )
        file = self._file_for_extension(extension_pretrained_file, where)
        embedding_dim = self.weight.shape[-1]
        if file is None:
            rows = nn.init.xavier_uniform_(torch.empty(num_new, embedding_dim))
        else:
            rows = _read_pretrained_embeddings_file(file, embedding_dim, extended_vocab, namespace)[-num_new:]
        extended = torch.cat([self.weight.data, rows.to(self.weight)])
        self.weight = nn.Parameter(extended, requires_grad=self.weight.requires_grad)
        self.num_embeddings += num_new

    def _file_for_extension(self, given: str | None, where: str) -> str | None:
        """The file to read new rows from, if any."""
        if given is not None:
            if not is_url_or_existing_file(_main_file(given)):
                raise ConfigurationError(f"{where}: there is no file {given} to read the new vectors from")
            return given
        if self._pretrained_file is None:
            return None
        if is_url_or_existing_file(_main_file(self._pretrained_file)):
            return self._pretrained_file
        logger.warning(
            "%s: its pretrained file %s cannot be reached any more, so the new vectors are random; "
            "name the file to use as extension_pretrained_file",
            where,
            self._pretrained_file,
        )
        return None


def _main_file(uri: str) -> str:
    """The path or URL without the member inside it."""
    return parse_embeddings_file_uri(uri).main_file_uri


@TokenEmbedder.register("dropout_embedding")
class DropoutEmbedding(Embedding):
    """An embedding with dropout of words, with the same mask for all occurrences in a batch, and of single values.

    Args:
        word_dropout: dropout probability of a word's vector, from 0 to 1.
        dropout: dropout probability of each value of a vector, from 0 to 1.
        **kwargs: arguments of `Embedding`.

    Shape:
        as in `Embedding`.

    Source: Gal and Ghahramani (2016), https://arxiv.org/abs/1512.05287 (words); Zaremba et al. (2014),
    https://arxiv.org/abs/1409.2329 (values)
    """

    def __init__(self, word_dropout: Probability = 0.1, dropout: Probability = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.word_dropout = word_dropout
        self.dropout = Dropout(dropout)

    def _look_up(self, tokens: torch.Tensor) -> torch.Tensor:
        embedded = super()._look_up(tokens)
        if self.training and self.word_dropout > 0.0:
            # One number for each row of the table, so that all occurrences of a word are dropped together.
            kept = functional.dropout(self.weight.new_ones(self.num_embeddings), self.word_dropout)
            embedded = embedded * kept[tokens].unsqueeze(-1)
        dropped: torch.Tensor = self.dropout(embedded)
        return dropped


@TokenEmbedder.register("unknown_dropout_embedding")
class UnknownDropoutEmbedding(Embedding):
    """An embedding that replaces words by the unknown word in training, rare words more often than frequent ones.

    Each occurrence of a word that occurs n times in the training data is replaced with the probability
    `alpha / (n + alpha)`. So even words that occur only once can have a vector, and the vector of the unknown word is
    trained in the contexts of rare words, which resemble those of unknown words.

    Args:
        alpha: strength of the replacement: with the default, a word that occurs once is replaced with probability 0.2.
        vocab: the vocabulary, passed by nlpreg. It has the counts of words if it is made from the training data; if it is
            read from files, the probabilities are those saved with the weights, or else zero.
        vocab_namespace: the namespace of the ids.
        **kwargs: arguments of `Embedding`.

    Shape:
        as in `Embedding`.

    Raises:
        ConfigurationError: `alpha` below 0, or a namespace without the unknown word.

    Source: Kiperwasser and Goldberg (2016), https://arxiv.org/abs/1603.04351, section 4
    """

    unknown_probabilities: torch.Tensor

    def __init__(
        self,
        vocab: Vocabulary,
        alpha: float = 0.25,
        vocab_namespace: str = "tokens",
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab=vocab, vocab_namespace=vocab_namespace, **kwargs)
        check_at_least(0, alpha=alpha)
        ids = vocab.get_token_to_index_vocabulary(vocab_namespace)
        unknown = vocab.oov_token
        if unknown not in ids:
            raise ConfigurationError(
                f"unknown_dropout_embedding: expected the unknown word {unknown!r} in the namespace {vocab_namespace!r}, "
                "which has no such entry; use a namespace with padding"
            )
        self._alpha = alpha
        self._is_checked = False
        self._unknown_id = ids[unknown]
        self.register_buffer("unknown_probabilities", self._probabilities(vocab, vocab_namespace))

    def extend_vocab(
        self,
        extended_vocab: Vocabulary,
        vocab_namespace: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Add rows for new entries of the vocabulary, see `Embedding`; old words keep their probabilities."""
        super().extend_vocab(extended_vocab, vocab_namespace, *args, **kwargs)
        namespace = vocab_namespace or self._vocab_namespace
        known = self.unknown_probabilities
        if namespace and self.num_embeddings > len(known):
            new = self._probabilities(extended_vocab, namespace)[len(known) :]
            self.unknown_probabilities = torch.cat([known, new.to(known)])

    def _probabilities(self, vocab: Vocabulary, namespace: str) -> torch.Tensor:
        """The probability of replacement of each word of the namespace (num_embeddings,); 0 for words without a count."""
        counts = vocab.get_counts(namespace)
        names = vocab.get_index_to_token_vocabulary(namespace)
        numbers = [counts.get(names.get(index, ""), 0) for index in range(self.num_embeddings)]
        probabilities = [self._alpha / (number + self._alpha) if number else 0.0 for number in numbers]
        return torch.tensor(probabilities)

    def _look_up(self, tokens: torch.Tensor) -> torch.Tensor:
        if self.training and self._alpha > 0:
            if not self._is_checked and not torch.compiler.is_compiling():
                self._is_checked = True
                if not bool(self.unknown_probabilities.any()):
                    logger.warning(
                        "unknown_dropout_embedding: the vocabulary was read from files, which hold no counts of words, so no "
                        "word is replaced by the unknown one; make the vocabulary from the training data"
                    )
            replaced = torch.rand(tokens.shape, device=tokens.device) < self.unknown_probabilities[tokens]
            tokens = tokens.masked_fill(replaced, self._unknown_id)
        return super()._look_up(tokens)
