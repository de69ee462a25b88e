"""Reading the vectors of a vocabulary's words from a file."""

import logging
from collections.abc import Mapping

import numpy as np
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.embeddings_file import EmbeddingsTextFile, parse_embeddings_file_uri
from nlpreg.common.file_utils import cached_path, get_file_extension
from nlpreg.common.imports import optional
from nlpreg.common.tqdm import Tqdm
from nlpreg.data.vocabulary import Vocabulary

logger = logging.getLogger(__name__)


def read_pretrained_embeddings_file(
    file_uri: str, embedding_dim: int, vocab: Vocabulary, namespace: str = "tokens"
) -> torch.Tensor:
    """The matrix of word vectors for a vocabulary, from a text or HDF5 file.

    Args:
        file_uri: path, URL or `(ARCHIVE)#MEMBER`. `.h5` and `.hdf5` hold the finished matrix under the name `embedding`;
            anything else is text, a word and its `embedding_dim` numbers on each line, single spaces between.
        embedding_dim: width D of the vectors.
        vocab: whose words to read.
        namespace: the part of the vocabulary.

    Returns:
        (V, D) float. From text, words that the file lacks get draws from a normal distribution with the mean and the
        standard deviation of all numbers read.

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
    """Keep the lines of the vocabulary's words; the last line of a word wins."""
    vectors: dict[str, np.ndarray] = {}
    wrong = 0
    with EmbeddingsTextFile(file_uri) as file:
        for line in Tqdm.tqdm(file, desc="reading word vectors"):
            word, space, numbers = line.partition(" ")
            if not space:  # some files are separated by tabs
                word, _, numbers = line.partition("\t")
            if word not in index_of:
                continue
            fields = numbers.rstrip().split("\t" if "\t" in numbers else " ")
            if len(fields) == embedding_dim and fields[0]:
                vectors[word] = _parse(fields, f"{file_uri}, line {file.line_number}")
            else:
                wrong += 1
                if wrong == 1:
                    logger.warning("%s: skipping %r, expected %d numbers", file_uri, line[:80], embedding_dim)
    if wrong > 1:
        logger.warning("%s: skipped %d lines that do not hold %d numbers", file_uri, wrong, embedding_dim)
    if not vectors:
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
        ConfigurationError: one of them is no number, or not finite.
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
