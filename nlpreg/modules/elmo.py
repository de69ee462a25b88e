"""ELMo: word vectors from the layers of a bidirectional language model over characters."""

import json
import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpreg.common import FromParams
from nlpreg.common.checks import ConfigurationError, PositiveInt, Probability
from nlpreg.common.file_utils import cached_path
from nlpreg.common.imports import optional
from nlpreg.data.token_indexers.elmo_indexer import ELMoCharacterMapper
from nlpreg.modules.elmo_lstm import ElmoLstm
from nlpreg.modules.scalar_mix import ScalarMix
from nlpreg.modules.seq2vec_encoders import CnnHighwayEncoder
from nlpreg.nn.operators import is_exporting, run_uncompiled
from nlpreg.nn.util import add_sentence_boundary_token_ids, remove_sentence_boundaries
from nlpreg.nn.util.indexing import distinct_rows

logger = logging.getLogger(__name__)

# B rows, T words, P width of the projection


class _ElmoCharacterEncoder(CnnHighwayEncoder):
    """Vectors of words from their characters, by convolutions, highway layers and a projection.

    Each distinct word of a batch is encoded once.

    Args:
        options_file: path or URL of the JSON file with the sizes.
        weight_file: path or URL of the HDF5 file with the weights.
        requires_grad: whether the weights are trained.

    Shape:
        inputs (B, T, 50) ids as `batch_to_ids` makes them -> `token_embedding` (B, T + 2, P) and `mask` (B, T + 2), with
        the begin and end tokens of a sentence added.

    Raises:
        ConfigurationError: an activation other than `tanh` and `relu`.
        ValueError: a convolution in the file has another shape than the options say.
    """

    def __init__(self, options_file: str, weight_file: str, requires_grad: bool = False) -> None:
        options = _read_options(options_file)
        cnn = options["char_cnn"]
        sizes = (cnn["embedding"]["dim"], cnn["filters"], cnn["n_highway"], options["lstm"]["projection_dim"])
        try:
            super().__init__(*sizes, activation=cnn["activation"])
        except ConfigurationError as error:
            raise ConfigurationError(f"{options_file}: {error}") from error
        self.requires_grad = requires_grad
        self._beginning_of_sentence_characters: Tensor
        self._end_of_sentence_characters: Tensor
        for name, word in (
            ("beginning", ELMoCharacterMapper.bos_token),
            ("end", ELMoCharacterMapper.eos_token),
        ):
            ids = torch.tensor(ELMoCharacterMapper().convert_word_to_char_ids(word))
            self.register_buffer(f"_{name}_of_sentence_characters", ids, persistent=False)
        h5py = optional("h5py", extra="hdf5")
        with h5py.File(cached_path(weight_file), "r") as file:
            self._load_weights(file, weight_file)
        self.requires_grad_(requires_grad)

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:  # type: ignore[override]  # from ids, with boundaries
        """Encode a batch."""
        is_word = (inputs > 0).any(dim=-1)  # (B, T)
        characters, mask = add_sentence_boundary_token_ids(
            inputs, is_word, self._beginning_of_sentence_characters, self._end_of_sentence_characters
        )  # (B, T + 2, 50), (B, T + 2)
        if is_exporting():  # every word, since the number of distinct ones depends on the data
            encoded = self.encode_words(characters.flatten(0, 1))
        else:
            # (U, 50), (B * (T + 2),)
            words, places = run_uncompiled(distinct_rows, characters.flatten(0, 1))
            encoded = self.encode_words(words).index_select(0, places)
        return {"mask": mask, "token_embedding": encoded.view(*mask.shape, -1)}

    def encode_words(self, words: Tensor) -> Tensor:
        """The vectors of words, without boundaries: (U, 50) ids of characters -> (U, P)."""
        return super().forward(functional.embedding(words, self._char_embedding_weights))  # from (U, 50, dim)

    def _load_weights(self, file: Any, weight_file: str) -> None:
        """Copy the weights from an HDF5 file in the layout of the published models."""
        # Ids are one higher than in the file, because 0 is padding.
        table = functional.pad(torch.from_numpy(file["char_embed"][...]).float(), (0, 0, 1, 0))
        self._char_embedding_weights = nn.Parameter(table)
        for index, convolution in enumerate(self.convolutions()):
            stored = torch.from_numpy(file["CNN"][f"W_cnn_{index}"][...]).float()  # (1, width, in, out)
            expected = (1, *convolution.weight.permute(2, 1, 0).shape)
            if tuple(stored.shape) != expected:
                raise ValueError(
                    f"{weight_file}: expected W_cnn_{index} of the shape {expected}, got {tuple(stored.shape)}"
                )
            convolution.weight.data.copy_(stored.squeeze(0).permute(2, 1, 0))  # (out, in, width)
            _copy(convolution.bias, file["CNN"][f"b_cnn_{index}"])
        for index, layer in enumerate(self._highways.layers):
            assert isinstance(layer, nn.Linear)
            size, stored = layer.in_features, file[f"CNN_high_{index}"]
            # The carry gate of the file weights the new value, ours weights the old one.
            _copy(layer.weight[:size], stored["W_transform"], transpose=True)
            _copy(layer.weight[size:], stored["W_carry"], transpose=True, sign=-1.0)
            _copy(layer.bias[:size], stored["b_transform"])
            _copy(layer.bias[size:], stored["b_carry"], sign=-1.0)
        _copy(self._projection.weight, file["CNN_proj"]["W_proj"], transpose=True)
        _copy(self._projection.bias, file["CNN_proj"]["b_proj"])


class _ElmoBiLm(nn.Module):
    """The layers of a pretrained bidirectional language model over characters.

    Args:
        options_file: path or URL of the JSON file with the sizes.
        weight_file: path or URL of the HDF5 file with the weights.
        requires_grad: whether the weights are trained.
        vocab_to_cache: words, in the order of the ids in `word_inputs`, whose vectors are computed once.

    Shape:
        inputs (B, T, 50) ids of characters, word_inputs (B, T) ids of words or None -> `activations`, a list of
        num_layers tensors (B, T + 2, 2P), the first of which holds the words' vectors twice; and `mask` (B, T + 2).

    Raises:
        ConfigurationError: the model has no skip connections; all published models have them.
    """

    def __init__(
        self,
        options_file: str,
        weight_file: str,
        requires_grad: bool = False,
        vocab_to_cache: list[str] | None = None,
    ) -> None:
        super().__init__()
        self._token_embedder = _ElmoCharacterEncoder(options_file, weight_file, requires_grad=requires_grad)
        self._requires_grad = requires_grad
        if requires_grad and vocab_to_cache:
            logger.warning("the cached word vectors are not updated while the character encoder is trained")
        self._word_embedding: nn.Embedding | None = None
        self._bos_embedding: Tensor
        self._eos_embedding: Tensor
        if vocab_to_cache:
            self.create_cached_cnn_embeddings(vocab_to_cache)
        options = _read_options(options_file)["lstm"]
        if not options.get("use_skip_connections"):
            raise ConfigurationError(
                f"{options_file}: expected lstm.use_skip_connections to be true; other models are not supported"
            )
        self._elmo_lstm = ElmoLstm(
            input_size=options["projection_dim"],
            hidden_size=options["projection_dim"],
            cell_size=options["dim"],
            num_layers=options["n_layers"],
            memory_cell_clip_value=options["cell_clip"],
            state_projection_clip_value=options["proj_clip"],
            requires_grad=requires_grad,
        )
        self._elmo_lstm.load_weights(weight_file)
        self.num_layers = options["n_layers"] + 1

    def get_output_dim(self) -> int:
        """Width of each layer, both directions together."""
        return 2 * self._token_embedder.get_output_dim()

    def forward(self, inputs: Tensor, word_inputs: Tensor | None = None) -> dict[str, Tensor | list[Tensor]]:
        """Run the model over a batch."""
        words, mask = self._embed(inputs, word_inputs)  # (B, T + 2, P), (B, T + 2)
        layers = self._elmo_lstm(words, mask)  # (layers, B, T + 2, 2P)
        doubled = torch.cat([words, words], dim=-1).masked_fill(~mask.unsqueeze(-1), 0)
        return {"activations": [doubled, *layers], "mask": mask}

    def _embed(self, inputs: Tensor, word_inputs: Tensor | None) -> tuple[Tensor, Tensor]:
        """The words' vectors, from the cache if it holds all of them, and their mask, with boundaries."""
        cache = None if is_exporting() else self._word_embedding  # a program cannot look at values
        if cache is not None and word_inputs is not None and int(word_inputs.max()) < cache.num_embeddings:
            return add_sentence_boundary_token_ids(
                cache(word_inputs), word_inputs > 0, self._bos_embedding, self._eos_embedding
            )
        encoded = self._token_embedder(inputs)
        return encoded["token_embedding"], encoded["mask"]

    def create_cached_cnn_embeddings(self, tokens: list[str]) -> None:
        """Compute the vectors of words once, so that batches of these need no characters.

        Args:
            tokens: the words in the order of their ids; the first is padding.
        """
        mapper = ELMoCharacterMapper()
        words = [mapper.bos_token, mapper.eos_token, *tokens]
        ids = torch.tensor([mapper.convert_word_to_char_ids(word) for word in words])
        ids = ids.to(next(self._token_embedder.parameters()).device)
        with torch.no_grad():
            vectors = torch.cat([self._token_embedder.encode_words(part) for part in torch.split(ids, 1024)])
        for name, vector in zip(("_bos_embedding", "_eos_embedding"), vectors, strict=False):
            self.register_buffer(name, vector.clone(), persistent=False)
        table = vectors[2:].clone()
        table[0] = 0  # padding
        self._word_embedding = nn.Embedding(len(table), table.size(1), padding_idx=0, _weight=table)
        self._word_embedding.weight.requires_grad = self._requires_grad


def _read_options(options_file: str) -> dict[str, Any]:
    """The JSON file of a published model."""
    with open(cached_path(options_file), encoding="utf-8") as file:
        options: dict[str, Any] = json.load(file)
    return options


def _copy(target: Tensor | None, stored: Any, transpose: bool = False, sign: float = 1.0) -> None:
    """Copy a data set of an HDF5 file into (a part of) a parameter."""
    assert target is not None  # every layer here has a bias
    values = torch.from_numpy(stored[...]).float() * sign
    target.data.copy_(values.t() if transpose else values)


class Elmo(nn.Module, FromParams):
    """Learned mixes of the layers of a pretrained bidirectional language model.

    Args:
        options_file: path or URL of the JSON file with the model's sizes.
        weight_file: path or URL of the HDF5 file with its weights.
        num_output_representations: number of mixes.
        requires_grad: whether the model is trained; the mixes always are.
        do_layer_norm: whether to normalise the layers before they are mixed.
        dropout: dropout probability of the mixes, from 0 to 1.
        vocab_to_cache: words, in the order of the ids in `word_inputs`, whose vectors are computed once.
        keep_sentence_boundaries: whether to keep the vectors of the begin and end tokens.
        scalar_mix_parameters: the weights of the mixes, before their softmax; if given, they are not trained.
        module: a model to use instead of one read from files. It has `num_layers` and `get_output_dim()`, and is called
            as `_ElmoBiLm` is.

    Shape:
        inputs (B, T, 50), or (B, ..., T, 50), ids of characters; word_inputs (B, T) ids of words or None
        -> `elmo_representations`, a list of (B, T, 2P), and `mask` (B, T).

    Raises:
        ConfigurationError: a module and a file are given.

    Source: Peters et al. (2018), https://arxiv.org/abs/1802.05365
    """

    def __init__(
        self,
        options_file: str | None,
        weight_file: str | None,
        num_output_representations: PositiveInt,
        requires_grad: bool = False,
        do_layer_norm: bool = False,
        dropout: Probability = 0.5,
        vocab_to_cache: list[str] | None = None,
        keep_sentence_boundaries: bool = False,
        scalar_mix_parameters: list[float] | None = None,
        module: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if module is None:
            if options_file is None or weight_file is None:
                raise ConfigurationError(
                    "Elmo: expected options_file and weight_file, or a module, got neither"
                )
            module = _ElmoBiLm(options_file, weight_file, requires_grad, vocab_to_cache)
        elif options_file is not None or weight_file is not None:
            raise ConfigurationError("Elmo: expected files or a module, got both")
        self._elmo_lstm = module
        self._has_cached_vocab = vocab_to_cache is not None
        self._keep_sentence_boundaries = keep_sentence_boundaries
        self._dropout = nn.Dropout(p=dropout)
        self._num_mixes = num_output_representations
        for index in range(num_output_representations):
            mix = ScalarMix(
                int(module.num_layers),  # type: ignore[arg-type]  # a plain attribute of the model
                do_layer_norm=do_layer_norm,
                initial_scalar_parameters=scalar_mix_parameters,
                trainable=scalar_mix_parameters is None,
            )
            self.add_module(f"scalar_mix_{index}", mix)

    def get_output_dim(self) -> int:
        """Width of the vector of each word, both directions together."""
        return int(self._elmo_lstm.get_output_dim())  # type: ignore[operator]  # a method of the model

    def forward(self, inputs: Tensor, word_inputs: Tensor | None = None) -> dict[str, Tensor | list[Tensor]]:
        """Embed the words of a batch."""
        if word_inputs is not None and not self._has_cached_vocab:
            logger.warning("word_inputs have no effect: no vocab_to_cache was given when this ELMo was made")
            word_inputs = None
        leading = inputs.shape[:-2]
        output = self._elmo_lstm(
            inputs.flatten(0, -3), None if word_inputs is None else word_inputs.flatten(0, -2)
        )
        layers, mask = output["activations"], output["mask"]
        representations = []
        for index in range(self._num_mixes):
            mixed = getattr(self, f"scalar_mix_{index}")(layers, mask)
            if not self._keep_sentence_boundaries:
                mixed, kept_mask = remove_sentence_boundaries(mixed, mask)
            representations.append(self._dropout(mixed).unflatten(0, leading))
        if not self._keep_sentence_boundaries and self._num_mixes:
            mask = kept_mask
        return {"elmo_representations": representations, "mask": mask.unflatten(0, leading)}


def batch_to_ids(batch: list[list[str]]) -> Tensor:
    """Turn sentences into the ids of characters that `Elmo` takes.

    Args:
        batch: the words of each sentence.

    Returns:
        (len(batch), words of the longest sentence, 50) int64, 0 at padding.
    """
    mapper = ELMoCharacterMapper()
    rows = [
        torch.tensor([mapper.convert_word_to_char_ids(word) for word in sentence], dtype=torch.long).view(
            -1, mapper.max_word_length
        )
        for sentence in batch
    ]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)
