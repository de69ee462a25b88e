"""How a beam search chooses among classes: the best ones, or draws of several kinds."""

import torch
from torch import Tensor

from nlpreg.common import Registrable
from nlpreg.common.checks import check_at_least, check_share
from nlpreg.nn.util.masks import min_value_of_dtype

StateType = dict[str, Tensor]
"""Tensors (G, ...) that the step function reads and renews; a value may be None."""


class Sampler(Registrable):
    """Picks classes to continue a beam with, and candidates to keep as beams."""

    default_implementation = "deterministic"

    def init_state(
        self, start_class_log_probabilities: Tensor, batch_size: int, num_classes: int
    ) -> StateType:
        """What the sampler has to remember; nothing unless overridden.

        Args:
            start_class_log_probabilities: log probabilities of the first step, (B, C).
            batch_size: B.
            num_classes: C.
        """
        return {}

    def sample_nodes(
        self, log_probs: Tensor, per_node_beam_size: int, state: StateType
    ) -> tuple[Tensor, Tensor, StateType]:
        """Pick classes for each row.

        Args:
            log_probs: log probabilities of the classes, (N, C).
            per_node_beam_size: how many to pick.
            state: what the sampler remembers.

        Returns:
            The log probabilities of the picked classes as they were given, the classes, both
            (N, per_node_beam_size), and the new state.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement sample_nodes")

    def sample_beams(
        self, log_probs: Tensor, beam_size: int, state: StateType
    ) -> tuple[Tensor, Tensor, StateType]:
        """Pick candidates for each sentence; the best ones unless overridden.

        Args:
            log_probs: log probabilities of the candidates, (B, K).
            beam_size: how many to pick.
            state: what the sampler remembers.

        Returns:
            The log probabilities of the picked candidates, their indices, both (B, beam_size), and the new state.
        """
        best = log_probs.topk(beam_size, dim=-1)
        return best.values, best.indices, {}


@Sampler.register("deterministic")
class DeterministicSampler(Sampler):
    """Picks the classes with the highest log probabilities."""

    def sample_nodes(
        self, log_probs: Tensor, per_node_beam_size: int, state: StateType
    ) -> tuple[Tensor, Tensor, StateType]:
        """Pick the best classes, see `Sampler.sample_nodes`."""
        return self.sample_beams(log_probs, per_node_beam_size, state)


@Sampler.register("multinomial")
class MultinomialSampler(Sampler):
    """Draws classes from the softmax of their log probabilities divided by a temperature.

    Args:
        temperature: above 1 flattens the distribution, below 1 sharpens it.
        with_replacement: a class may be drawn more than once for the same row.
    """

    def __init__(self, temperature: float = 1.0, with_replacement: bool = False) -> None:
        self.temperature = temperature
        self.with_replacement = with_replacement

    def sample_nodes(
        self, log_probs: Tensor, per_node_beam_size: int, state: StateType
    ) -> tuple[Tensor, Tensor, StateType]:
        """Draw classes, see `Sampler.sample_nodes`."""
        probabilities = torch.softmax(log_probs / self.temperature, dim=-1)
        # (G, nodes)
        classes = torch.multinomial(probabilities, per_node_beam_size, replacement=self.with_replacement)
        return log_probs.gather(1, classes), classes, state


@Sampler.register("top-k")
class TopKSampler(MultinomialSampler):
    """Draws classes from the k most likely ones, by their probabilities among these.

    Args:
        k: how many classes may be drawn.
        temperature: above 1 flattens the distribution, below 1 sharpens it.
        with_replacement: a class may be drawn more than once for the same row.

    Source: Fan, Lewis and Dauphin (2018), https://arxiv.org/abs/1805.04833
    """

    def __init__(self, k: int = 1, temperature: float = 1.0, with_replacement: bool = False) -> None:
        super().__init__(temperature, with_replacement)
        self.k = k

    def sample_nodes(
        self, log_probs: Tensor, per_node_beam_size: int, state: StateType
    ) -> tuple[Tensor, Tensor, StateType]:
        """Draw classes, see `Sampler.sample_nodes`.

        Raises:
            ValueError: not `per_node_beam_size <= k <= number of classes`.
        """
        num_classes = log_probs.size(-1)
        if not per_node_beam_size <= self.k <= num_classes:
            raise ValueError(
                f"k must lie between the per-node beam size {per_node_beam_size} and the number of classes "
                f"{num_classes}, got {self.k}"
            )
        best = log_probs.topk(self.k, dim=-1)  # (G, k)
        # The drawn ones are positions among the k best, (G, nodes).
        scores, drawn, state = super().sample_nodes(best.values, per_node_beam_size, state)
        return scores, best.indices.gather(1, drawn), state


@Sampler.register("truncated")
class TruncatedSampler(MultinomialSampler):
    """Draws classes after the unlikely ones are cut off, by any of three rules together.

    The most likely classes, as many as are drawn, always stay available.

    Args:
        k: keep at most this many of the most likely classes; None for all.
        p: keep the fewest likely classes whose probabilities add up to p or more, from 0 to 1; None for all.
        min_p: keep classes with at least this share of the most likely class's probability, from 0 to 1; None for all.
        temperature: above 1 flattens the distribution, below 1 sharpens it, before anything is cut off.
        with_replacement: a class may be drawn more than once for the same row.

    Raises:
        ValueError: a share is outside [0, 1], `k` is less than 1, or the temperature is not above 0; in `sample_nodes`,
            when more classes are to be drawn than there are.

    Source: Nguyen et al. (2024), https://arxiv.org/abs/2407.01082 (min-p)
    """

    def __init__(
        self,
        k: int | None = None,
        p: float | None = None,
        min_p: float | None = None,
        temperature: float = 1.0,
        with_replacement: bool = False,
    ) -> None:
        super().__init__(temperature, with_replacement)
        check_share(p=p, min_p=min_p)
        check_at_least(1, k=k)
        if temperature <= 0:
            raise ValueError(f"temperature: expected a number above 0, got {temperature}")
        self.k = k
        self.p = p
        self.min_p = min_p

    def sample_nodes(
        self, log_probs: Tensor, per_node_beam_size: int, state: StateType
    ) -> tuple[Tensor, Tensor, StateType]:
        """Draw classes, see `Sampler.sample_nodes`."""
        if per_node_beam_size > log_probs.size(-1):
            raise ValueError(
                f"the per-node beam size {per_node_beam_size} must not exceed the number of classes "
                f"{log_probs.size(-1)}"
            )
        probabilities, classes = torch.softmax(log_probs / self.temperature, dim=-1).sort(descending=True)
        is_excluded = torch.zeros_like(probabilities, dtype=torch.bool)
        if self.k is not None:
            is_excluded[:, self.k :] = True
        if self.p is not None:
            # A class stays available if those before it do not reach p yet, so the one that reaches p stays too.
            is_excluded |= probabilities.cumsum(dim=-1) - probabilities >= self.p
        if self.min_p is not None:
            is_excluded |= probabilities < self.min_p * probabilities[:, :1]
        is_excluded[:, : 1 if self.with_replacement else per_node_beam_size] = False
        drawn = torch.multinomial(
            probabilities.masked_fill(is_excluded, 0.0), per_node_beam_size, replacement=self.with_replacement
        )
        picked = classes.gather(1, drawn)
        return log_probs.gather(1, picked), picked, state


@Sampler.register("top-p")
class TopPSampler(TruncatedSampler):
    """Draws classes from the fewest likely ones whose probabilities add up to p or more.

    Args:
        p: share of the probability, from 0 to 1.
        temperature: above 1 flattens the distribution, below 1 sharpens it.
        with_replacement: a class may be drawn more than once for the same row; otherwise at least as many classes as
            are drawn stay available.

    Raises:
        ValueError: `p` is outside [0, 1], or the temperature is not above 0; in `sample_nodes`, when more classes are to
            be drawn than there are.

    Source: Holtzman et al. (2019), https://arxiv.org/abs/1904.09751
    """

    def __init__(self, p: float = 0.9, temperature: float = 1.0, with_replacement: bool = False) -> None:
        super().__init__(p=p, temperature=temperature, with_replacement=with_replacement)


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
