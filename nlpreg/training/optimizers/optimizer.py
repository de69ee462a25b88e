"""`Optimizer`, the base class of the optimizers."""

from __future__ import annotations

import torch

from nlpreg.common import Params, Registrable
from nlpreg.training.protocols import NamedParameters


class Optimizer(torch.optim.Optimizer, Registrable):
    """An optimizer of torch that is chosen and set up in a config.

    A registered optimizer takes `model_parameters`, pairs of name and parameter, which the trainer gives, and
    `parameter_groups` (see `make_parameter_groups`), then its own options.
    """

    default_implementation = "adam"

    @staticmethod
    def default(model_parameters: NamedParameters) -> Optimizer:
        """The default optimizer with its default options.

        Args:
            model_parameters: pairs of name and parameter.
        """
        return Optimizer.from_params(params=Params({}), model_parameters=model_parameters)
