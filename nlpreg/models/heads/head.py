"""The base of models over text that something else has encoded."""

from typing import Any

from nlpreg.models.model import Model


class Head(Model):
    """The last part of a model for one task, whose input a backbone has encoded.

    A head is a model with a registry of its own. The names of its `forward` parameters say which outputs of the
    backbone and which fields of the batch it gets.
    """

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add what a person wants to read to the outputs of `forward`.

        It may be called with the outputs of a batch without instances for this head: keys may be missing.
        """
        raise NotImplementedError(f"{type(self).__name__} has to define make_output_human_readable")
