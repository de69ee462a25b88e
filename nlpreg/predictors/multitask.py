"""`MultiTaskPredictor`: dispatches each input to the predictor of its task."""

from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.util import JsonDict, sanitize
from nlpreg.data import DatasetReader, Instance
from nlpreg.data.fields import MetadataField
from nlpreg.models.model import Model
from nlpreg.predictors.predictor import Predictor


@Predictor.register("multitask")
class MultiTaskPredictor(Predictor):
    """Predicts with a multi-task model: the input of one task, and the task's name under `task`.

    Args:
        model: a model with heads.
        dataset_reader: a reader with one reader for each head.
        frozen: whether to put the model into evaluation mode.

    Raises:
        ConfigurationError: the model or the reader is not a multi-task one.
    """

    def __init__(self, model: Model, dataset_reader: DatasetReader, frozen: bool = True) -> None:
        heads = getattr(model, "_heads", None)
        readers = getattr(dataset_reader, "readers", None)
        if heads is None or readers is None:
            raise ConfigurationError(
                "the predictor 'multitask' needs a model and a reader of type 'multitask', "
                f"got {type(model).__name__} and {type(dataset_reader).__name__}"
            )
        super().__init__(model, dataset_reader, frozen)
        self._readers: dict[str, DatasetReader] = dict(readers)
        self.predictors: dict[str, Predictor] = {}
        for name, head in heads.items():
            if head.default_predictor is not None and name in self._readers:
                maker: Any = Predictor.by_name(head.default_predictor)
                self.predictors[name] = maker(model, self._readers[name])
        model.train(not frozen)  # each head's predictor has put the model into evaluation mode

    def predict_batch_instance(self, instances: list[Instance]) -> list[JsonDict]:
        """Predictions in the order of the instances, though each task makes a batch of its own."""
        positions: dict[str, list[int]] = {}
        for position, instance in enumerate(instances):
            self._dataset_reader.apply_token_indexers(instance)
            field: Any = instance["task"]
            positions.setdefault(str(field.metadata), []).append(position)
        outputs: dict[int, JsonDict] = {}
        # A reader of one task need not give the fields of another, so tasks cannot share a batch.
        for group in positions.values():
            results = self._model.forward_on_instances([instances[position] for position in group])
            outputs.update(zip(group, sanitize(results), strict=True))
        return [outputs[position] for position in range(len(instances))]

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        task = json_dict.get("task") if isinstance(json_dict, dict) else None
        if task in self._readers and task not in self.predictors:
            raise ConfigurationError(
                f"input: the head {task!r} has no predictor of its own (a class attribute `default_predictor`); use "
                f"--use-dataset-reader --multitask-head {task}"
            )
        if task not in self.predictors:
            raise ConfigurationError(
                f'input: expected "task" to be one of {", ".join(map(repr, self._readers))}, got {task!r}'
            )
        instance = self.predictors[task]._json_to_instance(json_dict)
        instance.add_field("task", MetadataField(task))
        return instance
