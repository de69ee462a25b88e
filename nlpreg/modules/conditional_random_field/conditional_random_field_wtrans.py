"""A conditional random field that weights labels through their emissions and transitions."""

from torch import Tensor

from nlpreg.modules.conditional_random_field.conditional_random_field import WeightedConditionalRandomField


class ConditionalRandomFieldWeightTrans(WeightedConditionalRandomField):
    """Multiplies the emission of each tag, and the transitions from it, by the tag's weight, in the likelihood only."""

    def forward(self, inputs: Tensor, tags: Tensor, mask: Tensor | None = None) -> Tensor:
        """The log-likelihood with weighted emissions and transitions, summed over the batch."""
        inputs, mask = self._prepare(inputs, mask)
        transitions = self.transitions * self.label_weights.unsqueeze(1)
        return self._log_likelihood(inputs * self.label_weights, tags, mask, transitions)
