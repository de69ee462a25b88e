"""A conditional random field that weights labels in a cost-sensitive likelihood."""

import torch
from torch import Tensor

from nlpreg.modules.conditional_random_field.conditional_random_field import WeightedConditionalRandomField
from nlpreg.modules.conditional_random_field.forward_scores import forward_scores


class ConditionalRandomFieldWeightLannoy(WeightedConditionalRandomField):
    """Weights the contribution of each word to the log-likelihood by the weight of its gold tag.

    The emission of a tag and the transitions from it are multiplied by the weight of the tag, and so is the increase of the
    log-partition at each word. Only the likelihood is affected.

    Source: Lannoy et al. (2019), "Weighted Conditional Random Fields for Supervised Interpatient Heartbeat
    Classification".
    """

    def forward(self, inputs: Tensor, tags: Tensor, mask: Tensor | None = None) -> Tensor:
        """The weighted log-likelihood, summed over the batch."""
        inputs, mask = self._prepare(inputs, mask)
        start, end = self._start_and_end()
        scores = forward_scores(inputs.transpose(0, 1), mask.t(), self.transitions, start.to(inputs.dtype))
        totals = torch.logsumexp(scores, dim=2)  # (T, B): the log-partition of each prefix
        growth = torch.cat([totals[:1], totals.diff(dim=0)])
        at_end = torch.logsumexp(scores[-1] + end, dim=1) - totals[-1]
        log_partition = (growth * self.label_weights[tags].t()).sum(dim=0) + at_end
        joint = self._joint_likelihood(inputs, self.transitions, tags, mask, self.label_weights)
        return (joint - log_partition).masked_fill(~mask.any(dim=1), 0.0).sum()
