"""`Head`: base class of the heads of multi-task models."""

from typing import Any

from nlpreg.models.model import Model


class Head(Model):
    """The part of a multi-task model that is specific to one task; its input is the output of a backbone.

    Heads are models with their own registry. The parameter names of `forward` select the outputs of the backbone and the fields
    of the batch that a head receives.
    """

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add readable outputs to the outputs of `forward`.

        It may be called with the outputs of a batch without instances for this head: keys may be missing.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define make_output_human_readable")
