"""The base of what encodes the input of several heads."""

from __future__ import annotations

from typing import Any

from torch import nn

from nlpreg.common import Registrable


class Backbone(nn.Module, Registrable):
    """The part of a model for several tasks that all tasks share.

    The parameters of its `forward` are named after fields of the instances; it returns a dict, and a head gets those
    entries that its own `forward` names.
    """

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add what a person wants to read to the model's outputs; changes the dict itself."""
        return output_dict
