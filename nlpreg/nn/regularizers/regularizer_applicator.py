"""Penalties chosen by the names of parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from nlpreg.common import FromParams
from nlpreg.common.checks import check_patterns
from nlpreg.nn.regularizers.regularizer import Regularizer


class RegularizerApplicator(FromParams):
    """Adds up the penalties of a module's trained parameters.

    Args:
        regexes: pairs of a regular expression and a penalty. Of the expressions found in a parameter's name, the
            first in the list decides; a parameter whose name has none of them has no penalty.
    """

    def __init__(self, regexes: list[tuple[str, Regularizer]] | None = None) -> None:
        self.check_arguments(regexes)
        self._regularizers = list(regexes or ())

    @staticmethod
    def check_arguments(regexes: Sequence[tuple[str, object]] | None) -> None:
        """Make sure that the patterns are regular expressions; `nlpreg check` does so too."""
        check_patterns(regexes=[pattern for pattern, _ in regexes or ()])

    def __call__(self, module: torch.nn.Module) -> Tensor | float:
        """The summed penalty, a scalar tensor; 0.0 when no parameter has one."""
        total: Tensor | float = 0.0
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            for pattern, regularizer in self._regularizers:
                if re.search(pattern, name):
                    total = total + regularizer(parameter)
                    break
        return total
