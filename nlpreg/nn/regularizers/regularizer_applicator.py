"""Penalties chosen by the names of parameters."""

import logging
import re
from collections.abc import Sequence

import torch
from torch import Tensor

from nlpreg.common import FromParams
from nlpreg.common.checks import check_patterns, check_patterns_match
from nlpreg.nn.regularizers.regularizer import Regularizer

logger = logging.getLogger(__name__)


class RegularizerApplicator(FromParams):
    """Adds up the penalties of a module's trained parameters.

    Args:
        regexes: pairs of a regular expression and a penalty. Of the expressions found in a parameter's name, the
            first in the list decides; a parameter whose name has none of them has no penalty.

    Raises:
        ConfigurationError: (when it is first applied to a module) an expression is found in no parameter's name.
    """

    def __init__(self, regexes: list[tuple[str, Regularizer]] | None = None) -> None:
        self._regularizers = list(regexes or ())
        self.check_arguments(self._regularizers)
        self._is_checked = False

    @staticmethod
    def check_arguments(regexes: Sequence[tuple[str, object]] | None) -> None:
        """Make sure that the patterns are regular expressions; `nlpreg check` does so too."""
        check_patterns(regexes=[pattern for pattern, _ in regexes or ()])

    def __call__(self, module: torch.nn.Module) -> Tensor | float:
        """The summed penalty, a scalar tensor; 0.0 when no parameter has one."""
        if not self._is_checked:
            self._check_patterns([name for name, _ in module.named_parameters()])
            self._is_checked = True
        total: Tensor | float = 0.0
        for name, parameter in module.named_parameters():
            index = self._deciding(name) if parameter.requires_grad else None
            if index is not None:
                total = total + self._regularizers[index][1](parameter)
        return total

    def _deciding(self, name: str) -> int | None:
        """The index of the first expression that is found in a name."""
        return next(
            (i for i, (pattern, _) in enumerate(self._regularizers) if re.search(pattern, name)), None
        )

    def _check_patterns(self, names: list[str]) -> None:
        """Make sure that every expression decides about a parameter."""
        patterns = [pattern for pattern, _ in self._regularizers]
        check_patterns_match("regularizer", patterns, names)
        deciding = {self._deciding(name) for name in names}
        for i, pattern in enumerate(patterns):
            if i not in deciding:
                logger.warning(
                    "regularizer: %r penalizes nothing, since other expressions come first", pattern
                )
