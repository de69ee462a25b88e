"""Sampling whole sequences without replacement."""

from __future__ import annotations

import torch
from torch import Tensor

from nlpreg.nn.beam_search.sampler import Sampler
from nlpreg.nn.beam_search.types import StateType
from nlpreg.nn.util.numerics import min_value_of_dtype


@Sampler.register("gumbel")
class GumbelSampler(Sampler):
    """Stochastic beam search: the final beams are a sample of sequences without replacement.

    Every log probability is perturbed by Gumbel noise, in such a way that the largest perturbed value among the
    continuations of a sequence is the perturbed value of that sequence.

    Args:
        temperature: above 1 flattens the distribution, below 1 sharpens it.

    Source: Kool, van Hoof and Welling (2019), https://arxiv.org/abs/1903.06059
    """

    def __init__(self, temperature: float = 1.0) -> None:
        self.temperature = temperature

    def init_state(
        self, start_class_log_probabilities: Tensor, batch_size: int, num_classes: int
    ) -> StateType:
        """The log probabilities of the first step and their perturbed values, see `Sampler.init_state`."""
        phi = self._tempered(start_class_log_probabilities)
        maximum = phi.new_zeros(batch_size, 1)
        return {"G_phi_S": self.gumbel_with_max(phi, maximum), "phi_S": phi}

    def sample_nodes(
        self, log_probs: Tensor, per_node_beam_size: int, state: StateType
    ) -> tuple[Tensor, Tensor, StateType]:
        """Pick the classes with the largest perturbed values, see `Sampler.sample_nodes`."""
        phi = state["phi_S"].reshape(-1, 1) + self._tempered(log_probs)  # (N, C)
        perturbed = self.gumbel_with_max(phi, state["G_phi_S"].reshape(-1, 1))
        best = perturbed.topk(per_node_beam_size, dim=-1)
        new_state = {"G_phi_S": best.values, "phi_S": phi.gather(1, best.indices)}
        return log_probs.gather(1, best.indices), best.indices, new_state

    def sample_beams(
        self, log_probs: Tensor, beam_size: int, state: StateType
    ) -> tuple[Tensor, Tensor, StateType]:
        """Keep the candidates with the largest perturbed values, see `Sampler.sample_beams`."""
        perturbed = state["G_phi_S"].reshape_as(log_probs)
        phi = state["phi_S"].reshape_as(log_probs)
        chosen = perturbed.topk(beam_size, dim=-1).indices
        # The most likely comes first, as with other samplers; the order of beams has no other meaning.
        kept = log_probs.gather(1, chosen).sort(dim=-1, descending=True)
        chosen = chosen.gather(1, kept.indices)
        new_state = {
            "G_phi_S": perturbed.gather(1, chosen).reshape(-1),
            "phi_S": phi.gather(1, chosen).reshape(-1),
        }
        return kept.values, chosen, new_state

    def _tempered(self, log_probs: Tensor) -> Tensor:
        return torch.log_softmax(log_probs / self.temperature, dim=-1)

    def gumbel(self, phi: Tensor) -> Tensor:
        """Draw Gumbel variables with the locations `phi`, of the same shape."""
        noise = torch.empty_like(phi).exponential_().clamp(min=torch.finfo(phi.dtype).tiny)
        return phi - noise.log()

    def gumbel_with_max(self, phi: Tensor, T: Tensor) -> Tensor:
        """Draw Gumbel variables with the locations `phi`, given that the largest of each row is `T`.

        Shape:
            phi (N, C), T (N, 1) -> (N, C).

        Source: appendix B.3 of the paper, in the form that is stable for large values.
        """
        sample = self.gumbel(phi)
        largest = sample.amax(dim=-1, keepdim=True)
        # log(1 - exp(sample - largest)) is -inf at the largest element, whose result then is T itself.
        difference = (sample - largest).nan_to_num(nan=-torch.inf)
        shifted = T - sample + torch.log1p(-difference.exp())
        result = T - shifted.relu() - torch.log1p(torch.exp(-shifted.abs()))
        return result.nan_to_num(nan=min_value_of_dtype(phi.dtype)).clamp(min=min_value_of_dtype(phi.dtype))
