"""Vectors of words in their sentence, from a pretrained bidirectional language model (ELMo)."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn

from nlpreg.common import FromParams
from nlpreg.common.checks import ConfigurationError
from nlpreg.data.token_indexers.elmo_indexer import ELMoCharacterMapper
from nlpreg.modules.elmo_bilm import _ElmoBiLm, _ElmoCharacterEncoder
from nlpreg.modules.scalar_mix import ScalarMix
from nlpreg.nn.util import remove_sentence_boundaries

__all__ = ["Elmo", "_ElmoBiLm", "_ElmoCharacterEncoder", "batch_to_ids"]

logger = logging.getLogger(__name__)


class Elmo(nn.Module, FromParams):
    """Learned mixes of the layers of a pretrained bidirectional language model.

    Args:
        options_file: path or URL of the JSON file with the model's sizes.
        weight_file: path or URL of the HDF5 file with its weights.
        num_output_representations: number of mixes.
        requires_grad: whether the model is trained; the mixes are anyway.
        do_layer_norm: whether to normalise the layers before they are mixed.
        dropout: chance, from 0 to 1, that a value of a mix is zeroed.
        vocab_to_cache: words, in the order of the ids in `word_inputs`, whose vectors are computed once.
        keep_sentence_boundaries: whether to keep the vectors of the words that begin and end each sentence.
        scalar_mix_parameters: the weights of the mixes, before their softmax; given, they are not trained.
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
        num_output_representations: int,
        requires_grad: bool = False,
        do_layer_norm: bool = False,
        dropout: float = 0.5,
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
