"""The base of penalties."""

from torch import Tensor

from nlpreg.common import Registrable


class Regularizer(Registrable):
    """A penalty on one parameter, to be added to the loss."""

    default_implementation = "l2"

    def __call__(self, parameter: Tensor) -> Tensor:
        """The penalty of a parameter, a scalar tensor."""
        raise NotImplementedError(f"{type(self).__name__} does not implement __call__")
