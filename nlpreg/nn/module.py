"""The base of models: a torch module whose loading of weights can be adjusted."""

from collections.abc import Mapping
from typing import Any

import torch

from nlpreg.nn.util import state_dicts


class PenalizedActivations:
    """A base class of modules whose activations are penalised: `Model.get_regularization_penalty` adds `activation_penalty`.

    Attributes:
        activation_penalty: the penalty of the last forward pass in training, a 0-d tensor; None for none.
    """

    activation_penalty: torch.Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        inherited = getattr(super(), "__getstate__", None)  # objects have it from Python 3.11 on
        state: dict[str, Any] = self.__dict__ if inherited is None else inherited()
        # A copy has had no forward pass yet, and torch does not copy tensors within a graph.
        return {**state, "activation_penalty": None}


class Module(torch.nn.Module):
    """A torch module whose subclasses can accept certain missing or unexpected weights.

    After weights are loaded, `_post_load_state_dict` sees the keys that did not fit and returns those that count.
    """

    def _post_load_state_dict(
        self, missing_keys: list[str], unexpected_keys: list[str]
    ) -> tuple[list[str], list[str]]:
        """Change the lists of keys that did not fit; to be overridden.

        Returns:
            The missing and the unexpected keys that are errors under strict loading.
        """
        return missing_keys, unexpected_keys

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> state_dicts.IncompatibleKeys:
        """Load weights.

        Args:
            state_dict: tensors by name.
            strict: missing and unexpected keys are errors.
            assign: put the given tensors in the place of the module's own, instead of copying their values.

        Raises:
            RuntimeError: `strict`, and a key does not fit; or a shape does not fit.
        """
        found = super().load_state_dict(state_dict, strict=False, assign=assign)
        return self._checked(list(found.missing_keys), list(found.unexpected_keys), strict)

    def load_state_dict_distributed(
        self, state_dict: state_dicts.StateDictType | None, strict: bool = True
    ) -> state_dicts.IncompatibleKeys:
        """Load weights that only the primary process has read.

        Args:
            state_dict: the weights on the primary process, None on the others.
            strict: missing and unexpected keys are errors.

        Raises:
            RuntimeError: `strict`, and a key does not fit.
        """
        found = state_dicts.load_state_dict_distributed(self, state_dict, strict=False)
        return self._checked(found.missing_keys, found.unexpected_keys, strict)

    def _checked(
        self, missing: list[str], unexpected: list[str], strict: bool
    ) -> state_dicts.IncompatibleKeys:
        missing, unexpected = self._post_load_state_dict(missing, unexpected)
        state_dicts.check_incompatible_keys(self, missing, unexpected, strict)
        return state_dicts.IncompatibleKeys(missing, unexpected)
