"""ELMo as a token embedder."""

import torch
from torch import nn

from nlpreg.common.checks import PositiveInt, Probability
from nlpreg.modules.elmo import Elmo
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder

_MODEL = (
    "https://allennlp.s3.amazonaws.com/models/elmo/2x4096_512_2048cnn_2xhighway/"
    "elmo_2x4096_512_2048cnn_2xhighway_"
)


@TokenEmbedder.register("elmo_token_embedder")
class ElmoTokenEmbedder(TokenEmbedder):
    """One mix of the layers of a pretrained bidirectional language model.

    Args:
        options_file: path or URL of the JSON file with the model's sizes; by default that of the original model.
        weight_file: path or URL of the HDF5 file with its weights; by default that of the original model.
        do_layer_norm: whether to normalise the layers before they are mixed.
        dropout: dropout probability of the mix, from 0 to 1.
        requires_grad: whether the model is trained; the mix always is.
        projection_dim: width of a linear projection of the mix; None for no projection.
        vocab_to_cache: words, in the order of the ids in `word_inputs`, whose vectors are computed once.
        scalar_mix_parameters: the weights of the mix, before their softmax; if given, they are not trained.

    Shape:
        elmo_tokens (B, T, 50) ids of characters, word_inputs (B, T) ids of words or None
        -> (B, T, projection_dim, or 1024 with the original model).

    Source: Peters et al. (2018), https://arxiv.org/abs/1802.05365
    """

    def __init__(
        self,
        options_file: str = _MODEL + "options.json",
        weight_file: str = _MODEL + "weights.hdf5",
        do_layer_norm: bool = False,
        dropout: Probability = 0.5,
        requires_grad: bool = False,
        projection_dim: PositiveInt | None = None,
        vocab_to_cache: list[str] | None = None,
        scalar_mix_parameters: list[float] | None = None,
    ) -> None:
        super().__init__()
        self._elmo = Elmo(
            options_file,
            weight_file,
            num_output_representations=1,
            do_layer_norm=do_layer_norm,
            dropout=dropout,
            requires_grad=requires_grad,
            vocab_to_cache=vocab_to_cache,
            scalar_mix_parameters=scalar_mix_parameters,
        )
        elmo_dim = self._elmo.get_output_dim()
        self._projection = nn.Linear(elmo_dim, projection_dim) if projection_dim else None
        self.output_dim = projection_dim or elmo_dim

    def forward(self, elmo_tokens: torch.Tensor, word_inputs: torch.Tensor | None = None) -> torch.Tensor:
        """Embed the words of a batch."""
        embedded: torch.Tensor = self._elmo(elmo_tokens, word_inputs)["elmo_representations"][0]
        return embedded if self._projection is None else self._projection(embedded)
