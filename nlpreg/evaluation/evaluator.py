"""The base class of evaluators, and the default one."""

import os
from typing import Any

import torch

from nlpreg.common import Registrable
from nlpreg.data.data_loaders import DataLoader
from nlpreg.evaluation.serializers import Serializer, SimpleSerializer
from nlpreg.training.protocols import ReadableModel
from nlpreg.training.validation import evaluate


class Evaluator(Registrable):
    """Computes the metrics of a model on data, and can write its predictions.

    Args:
        batch_serializer: formats the predictions; by default `simple`.
        cuda_device: number of a GPU, or -1 for the CPU.
        postprocessor_fn_name: the method of the model that makes its outputs readable, if it has one.
    """

    default_implementation = "simple"
    _to_params = Registrable.all_arguments

    def __init__(
        self,
        batch_serializer: Serializer | None = None,
        cuda_device: int | torch.device = -1,
        postprocessor_fn_name: str | None = "make_output_human_readable",
    ) -> None:
        self.batch_serializer = batch_serializer or SimpleSerializer()
        self.cuda_device = cuda_device
        self.postprocessor_fn_name = postprocessor_fn_name

    def __call__(
        self,
        model: ReadableModel,
        data_loader: DataLoader,
        batch_weight_key: str | None = None,
        metrics_output_file: str | os.PathLike[str] | None = None,
        predictions_output_file: str | os.PathLike[str] | None = None,
    ) -> dict[str, Any]:
        """The metrics of a model on data.

        Args:
            model: the model, already on the device.
            data_loader: the data.
            batch_weight_key: the output with the weight of a batch in the mean loss; by default all weights are 1.
            metrics_output_file: file for the metrics, as JSON.
            predictions_output_file: file for the predictions, one line for each instance, or the output of the batch
                serializer for each batch.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement __call__")


@Evaluator.register("simple")
class SimpleEvaluator(Evaluator):
    """Computes the model's metrics and the mean of its loss in one pass over the data.

    Args:
        batch_serializer: formats the predictions; by default `simple`.
        cuda_device: number of a GPU, or -1 for the CPU.
        postprocessor_fn_name: the method of the model that makes its outputs readable, if it has one.
    """

    def __call__(
        self,
        model: ReadableModel,
        data_loader: DataLoader,
        batch_weight_key: str | None = None,
        metrics_output_file: str | os.PathLike[str] | None = None,
        predictions_output_file: str | os.PathLike[str] | None = None,
    ) -> dict[str, Any]:
        """The metrics of a model on data, and `loss` if the model computes one.

        Raises:
            RuntimeError: the model computed a loss only for some batches.
        """
        readable = getattr(model, self.postprocessor_fn_name, None) if self.postprocessor_fn_name else None
        # What nlpreg's models have in addition to the protocol: gold labels by name, and no padding.
        without_padding = getattr(model, "without_padding", None)
        gold_labels = getattr(model, "gold_labels", None)

        def line(batch: dict[str, Any], outputs: dict[str, Any]) -> str:
            def as_shown(values: dict[str, Any]) -> dict[str, Any]:
                gold = {} if gold_labels is None else gold_labels(batch, values)
                values = values if readable is None else readable(values)
                return {**gold, **(values if without_padding is None else without_padding(values))}

            return self.batch_serializer(batch, outputs, data_loader, output_postprocess_function=as_shown)

        return evaluate(
            model,
            data_loader,
            self.cuda_device,
            batch_weight_key,
            metrics_output_file,
            predictions_output_file,
            prediction_line=line,
        )
