"""The two usual penalties: small, and always read together."""

from torch import Tensor

from nlpreg.nn.regularizers.regularizer import Regularizer


@Regularizer.register("l1")
class L1Regularizer(Regularizer):
    """`alpha` times the sum of absolute values.

    Args:
        alpha: the weight of the penalty.
    """

    def __init__(self, alpha: float = 0.01) -> None:
        self.alpha = alpha

    def __call__(self, parameter: Tensor) -> Tensor:
        """The penalty of a parameter, a scalar tensor."""
        return self.alpha * parameter.abs().sum()


@Regularizer.register("l2")
class L2Regularizer(Regularizer):
    """`alpha` times the sum of squares, without a half.

    Args:
        alpha: the weight of the penalty.
    """

    def __init__(self, alpha: float = 0.01) -> None:
        self.alpha = alpha

    def __call__(self, parameter: Tensor) -> Tensor:
        """The penalty of a parameter, a scalar tensor."""
        return self.alpha * parameter.square().sum()
