"""A residual connection that drops whole layers during training."""

import torch
from torch import Tensor

from nlpreg.common.checks import check_share


class ResidualWithLayerDropout(torch.nn.Module):
    """Adds a layer's output to its input, or, in training, randomly leaves the layer out.

    Args:
        undecayed_dropout_prob: probability, from 0 to 1, of skipping the last layer; earlier layers are skipped less
            often if the number of layers is given in the call.

    Shape:
        layer_input and layer_output of the same shape -> that shape.

    Raises:
        ValueError: the probability is outside [0, 1].

    Source: Huang et al. (2016), "Deep Networks with Stochastic Depth", https://arxiv.org/abs/1603.09382
    """

    def __init__(self, undecayed_dropout_prob: float = 0.5) -> None:
        super().__init__()
        check_share(undecayed_dropout_prob=undecayed_dropout_prob)
        self.undecayed_dropout_prob = undecayed_dropout_prob

    def forward(
        self,
        layer_input: Tensor,
        layer_output: Tensor,
        layer_index: int | None = None,
        total_layers: int | None = None,
    ) -> Tensor:
        """Connect a layer.

        Args:
            layer_input: the input of the layer.
            layer_output: its output.
            layer_index: number of the layer, counted from 1.
            total_layers: number of layers; with `layer_index` it scales the probability.
        """
        probability = self.undecayed_dropout_prob
        if layer_index is not None and total_layers is not None:
            probability *= layer_index / total_layers
        if not self.training:
            # The expected value of the output in training.
            return (1 - probability) * layer_output + layer_input
        if torch.rand(()) < probability:
            return layer_input
        return layer_output + layer_input
