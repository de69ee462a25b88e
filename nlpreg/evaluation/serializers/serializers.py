"""The base of serializers, and the one that writes JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from nlpreg.common import Registrable
from nlpreg.common.util import sanitize
from nlpreg.data.data_loaders import DataLoader


class Serializer(Registrable):
    """Turns a batch and a model's outputs for it into one line of text."""

    default_implementation = "simple"
    _to_params = Registrable.all_arguments

    def __call__(
        self,
        batch: dict[str, Any],
        output_dict: dict[str, Any],
        data_loader: DataLoader,
        output_postprocess_function: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> str:
        """The line, without its end.

        Args:
            batch: the fields of the batch.
            output_dict: the model's outputs.
            data_loader: where the batch comes from.
            output_postprocess_function: makes the outputs readable first.
        """
        raise NotImplementedError


@Serializer.register("simple")
class SimpleSerializer(Serializer):
    """One JSON object: the fields of the batch, and the outputs under their names.

    An output takes the place of a field of the same name.
    """

    def __call__(
        self,
        batch: dict[str, Any],
        output_dict: dict[str, Any],
        data_loader: DataLoader,
        output_postprocess_function: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> str:
        """The line, without its end.

        Raises:
            ValueError: there is no batch, or no output.
        """
        if batch is None or output_dict is None:
            missing = "batch" if batch is None else "output_dict"
            raise ValueError(f"{missing}: expected a dict to write down, got None")
        if output_postprocess_function is not None:
            output_dict = output_postprocess_function(output_dict)
        return json.dumps({**sanitize(batch), **sanitize(output_dict)})
