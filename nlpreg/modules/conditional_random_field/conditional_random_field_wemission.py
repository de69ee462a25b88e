"""A conditional random field that weights labels through their emissions."""

from torch import Tensor

from nlpreg.modules.conditional_random_field.conditional_random_field import WeightedConditionalRandomField


class ConditionalRandomFieldWeightEmission(WeightedConditionalRandomField):
    """Multiplies the emission of each tag by the tag's weight, in the likelihood only."""

    def forward(self, inputs: Tensor, tags: Tensor, mask: Tensor | None = None) -> Tensor:
        """The log-likelihood with weighted emissions, summed over the batch."""
        return super().forward(inputs * self.label_weights, tags, mask)
