"""`ModelTestCase`: tests that a model trains, saves, loads and treats a batch like its instances; comparisons of metrics and parameters."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, cast

import torch
from numpy import ndarray
from numpy.testing import assert_allclose

from nlpreg.commands.train import train_model_from_file
from nlpreg.common import Params
from nlpreg.common.runtime.environment import SEED_DEFAULTS, prepare_environment
from nlpreg.common.testing.test_case import NlpregTestCase
from nlpreg.confidence_checks.normalization_bias_verification import NormalizationBiasVerification
from nlpreg.data import Batch, DataLoader, DatasetReader, Instance, Vocabulary
from nlpreg.models import Model, load_archive


def assert_metrics_values(
    metrics: dict[str, Any], desired_values: dict[str, Any], rtol: float = 0.0001, atol: float = 1e-05
) -> None:
    """Compare metrics with expected values, which may be nested dicts.

    Args:
        metrics: the computed metrics.
        desired_values: the expected values; other keys of `metrics` are ignored.
        rtol: relative tolerance.
        atol: absolute tolerance.
    """
    for key, desired in desired_values.items():
        if isinstance(desired, dict):
            for inner, value in desired.items():
                assert_allclose(metrics[key][inner], value, rtol=rtol, atol=atol, err_msg=f"{key}.{inner}")
        else:
            assert_allclose(metrics[key], desired, rtol=rtol, atol=atol, err_msg=key)


def global_distributed_metric(
    global_rank: int,
    world_size: int,
    gpu_id: int | torch.device,
    metric: Any,
    metric_kwargs: dict[str, list[Any]],
    desired_values: Any,
    exact: bool | tuple[float, float] = True,
    number_of_runs: int = 1,
) -> None:
    """Update a metric with this rank's data and compare its result with the expected value over all ranks.

    To be passed as `func` to `run_distributed_test`.

    Args:
        global_rank: this process.
        world_size: number of processes.
        gpu_id: its device.
        metric: the metric.
        metric_kwargs: argument -> its value for each rank.
        desired_values: a dict of values, or one value.
        exact: True for no tolerance, False for the usual one, or (relative, absolute).
        number_of_runs: number of updates of the metric.
    """
    arguments = {name: values[global_rank] for name, values in metric_kwargs.items()}
    for _ in range(number_of_runs):
        metric(**arguments)
    rtol, atol = exact if isinstance(exact, tuple) else (0.0, 0.0) if exact else (0.0001, 1e-05)
    metrics = metric.get_metric(False)
    if not isinstance(metrics, dict) and not isinstance(desired_values, dict):
        metrics, desired_values = {"metric": metrics}, {"metric": desired_values}
    assert_metrics_values(metrics, desired_values, rtol, atol)


def assert_equal_parameters(
    old_module: torch.nn.Module,
    new_module: torch.nn.Module,
    ignore_missing: bool = False,
    mapping: dict[str, str] | None = None,
) -> set[str]:
    """Compare every parameter of a module with the parameter of the same name in another module.

    Args:
        old_module: the module with the expected values.
        new_module: the module whose parameters are checked.
        ignore_missing: skip names that the old module does not have.
        mapping: substring of new names -> its replacement in old names.

    Returns:
        The names that only the old module has.

    Raises:
        KeyError: the old module lacks a name.
    """
    old = dict(old_module.named_parameters())
    present = set()
    for name, parameter in new_module.named_parameters():
        for new_text, old_text in (mapping or {}).items():
            name = name.replace(new_text, old_text)
        if ignore_missing and name not in old:
            continue
        present.add(name)
        assert torch.allclose(old[name], parameter), f"{name} differs"
    return set(old) - present


_Path = str | PathLike[str]


class ModelTestCase(NlpregTestCase):
    """A `NlpregTestCase` with checks that apply to every model."""

    param_file: _Path
    vocab: Vocabulary
    instances: list[Instance]
    model: Model
    dataset: Batch

    def set_up_model(
        self,
        param_file: _Path,
        dataset_file: _Path,
        serialization_dir: _Path | None = None,
        seed: int | None = None,
    ) -> None:
        """Build reader, vocabulary and model of a config, and a batch of all instances of a file.

        Args:
            param_file: the config.
            dataset_file: the data.
            serialization_dir: passed to the model.
            seed: of torch, numpy and `random`, set just before the model is built.
        """
        self.param_file = param_file
        params = Params.from_file(str(param_file))
        reader: DatasetReader = DatasetReader.from_params(
            params["dataset_reader"], serialization_dir=serialization_dir
        )
        instances = list(reader.read(str(dataset_file)))
        for instance in instances:
            reader.apply_token_indexers(instance)
        if "vocabulary" in params:
            self.vocab = Vocabulary.from_params(params["vocabulary"], instances=instances)
        else:
            self.vocab = Vocabulary.from_instances(instances)
        self.instances = instances
        if seed is not None:
            prepare_environment(Params(dict.fromkeys(SEED_DEFAULTS, seed)))
        self.model = Model.from_params(
            vocab=self.vocab, params=params["model"], serialization_dir=serialization_dir
        )
        self.dataset = Batch(list(self.instances))
        self.dataset.index_instances(self.vocab)

    def ensure_model_can_train_save_and_load(
        self,
        param_file: _Path,
        tolerance: float = 1e-4,
        cuda_device: int = -1,
        gradients_to_ignore: set[str] | None = None,
        overrides: str = "",
        metric_to_check: str | None = None,
        metric_terminal_value: float | None = None,
        metric_tolerance: float = 1e-4,
        disable_dropout: bool = True,
        which_loss: str = "loss",
        seed: int | None = None,
    ) -> tuple[Model, Model]:
        """Train a config, load the archive, and compare weights, batches, predictions and gradients.

        Args:
            param_file: the config.
            tolerance: relative, of predictions.
            cuda_device: where the archive is loaded to.
            gradients_to_ignore: parameters that need no gradient.
            overrides: as on the command line.
            metric_to_check: looked up in metrics.json as `best_validation_<metric>` or `training_<metric>`.
            metric_terminal_value: what it should be.
            metric_tolerance: absolute, of the metric.
            disable_dropout: set every dropout to 0 before gradients are checked.
            which_loss: output that is differentiated.
            seed: as in `set_up_model`.

        Returns:
            The trained model and the loaded one.
        """
        save_dir = Path(self.TEST_DIR) / "save_and_load_test"
        if seed is not None:
            extra = dict.fromkeys(SEED_DEFAULTS, seed)
            overrides = json.dumps({**json.loads(overrides or "{}"), **extra})
        model = train_model_from_file(
            str(param_file), str(save_dir), overrides=overrides, force=True, return_model=True
        )
        assert model is not None
        if metric_to_check:
            metrics = json.loads((save_dir / "metrics.json").read_text(encoding="utf-8"))
            _check_metric(metrics, metric_to_check, metric_terminal_value, metric_tolerance)
        loaded = load_archive(str(save_dir / "model.tar.gz"), cuda_device=cuda_device).model
        assert model.state_dict().keys() == loaded.state_dict().keys()
        for key, value in model.state_dict().items():
            assert_allclose(value.cpu().numpy(), loaded.state_dict()[key].cpu().numpy(), err_msg=key)
        params = Params.from_file(param_file, params_overrides=overrides)
        model_batch, loaded_batch = (
            _first_validation_batch(params.duplicate(), one.vocab) for one in (model, loaded)
        )
        self.check_model_computes_gradients_correctly(
            model, model_batch, gradients_to_ignore, disable_dropout, which_loss
        )
        assert model_batch.keys() == loaded_batch.keys()
        for key in model_batch:
            self.assert_fields_equal(model_batch[key], loaded_batch[key], key, 1e-6)
        for one in (model, loaded):
            one.eval()
            for module in one.modules():
                if getattr(module, "stateful", False):
                    cast("Any", module).reset_states()
        predictions, loaded_predictions = model(**model_batch), loaded(**loaded_batch)
        loss = loaded_predictions.get(which_loss)
        assert loss is not None, f"the model gives no {which_loss}"
        loss.backward()
        for key in predictions:
            self.assert_fields_equal(predictions[key], loaded_predictions[key], key, tolerance)
        return model, loaded

    def ensure_model_can_train(
        self,
        trainer: Any,
        gradients_to_ignore: set[str] | None = None,
        metric_to_check: str | None = None,
        metric_terminal_value: float | None = None,
        metric_tolerance: float = 1e-4,
        disable_dropout: bool = True,
    ) -> None:
        """Run a trainer and check gradients and, if asked, a metric; nothing is saved.

        Args:
            trainer: a `GradientDescentTrainer`.
            gradients_to_ignore: parameters that need no gradient.
            metric_to_check: as in `ensure_model_can_train_save_and_load`.
            metric_terminal_value: what it should be.
            metric_tolerance: absolute.
            disable_dropout: set every dropout to 0 before gradients are checked.
        """
        metrics = trainer.train()
        if metric_to_check:
            _check_metric(metrics, metric_to_check, metric_terminal_value, metric_tolerance)
        batch = next(iter(trainer.data_loader))
        self.check_model_computes_gradients_correctly(
            trainer.model, batch, gradients_to_ignore, disable_dropout
        )

    def assert_fields_equal(self, field1: Any, field2: Any, name: str, tolerance: float = 1e-6) -> None:
        """Compare two values of a batch or an output, at any depth.

        Args:
            field1: one value.
            field2: the other.
            name: of the field, for messages.
            tolerance: relative, and absolute near zero.
        """
        if isinstance(field1, torch.Tensor):
            field1, field2 = (field.detach().cpu().numpy() for field in (field1, field2))
        if isinstance(field1, dict):
            assert field1.keys() == field2.keys(), name
            for key in field1:
                self.assert_fields_equal(field1[key], field2[key], f"{name}.{key}", tolerance)
        elif isinstance(field1, (list, tuple)):
            assert len(field1) == len(field2), name
            for i, (one, other) in enumerate(zip(field1, field2, strict=True)):
                self.assert_fields_equal(one, other, f"{name}[{i}]", tolerance)
        elif isinstance(field1, (float, int, ndarray)) and not isinstance(field1, bool):
            assert_allclose(field1, field2, rtol=tolerance, atol=tolerance, err_msg=name)
        else:
            assert field1 == field2, f"{name}: {field1!r} and {field2!r}"

    @staticmethod
    def check_model_computes_gradients_correctly(
        model: Model,
        model_batch: dict[str, Any],
        params_to_ignore: set[str] | None = None,
        disable_dropout: bool = True,
        which_loss: str = "loss",
    ) -> None:
        """Check that a backward pass computes a gradient for every trainable parameter, and for no frozen one.

        Args:
            model: the model.
            model_batch: what its forward takes.
            params_to_ignore: names of parameters to ignore.
            disable_dropout: set every dropout to 0 meanwhile.
            which_loss: output that is differentiated.

        Raises:
            Exception: a parameter has no gradient, or only zeros.
        """
        model.zero_grad()
        with _without_dropout(model, disable_dropout):
            model(**model_batch)[which_loss].backward()
        wrong = {}
        for name, parameter in model.named_parameters():
            if params_to_ignore and name in params_to_ignore:
                continue
            if not parameter.requires_grad:
                assert parameter.grad is None, f"the frozen parameter {name} has a gradient"
            elif parameter.grad is None:
                wrong[name] = "no gradient"
            elif not parameter.grad.is_sparse and not bool(parameter.grad.cpu().any()):
                wrong[name] = f"a gradient of zeros only, shape {tuple(parameter.grad.shape)}"
        if wrong:
            raise Exception(f"incorrect gradients: {wrong}")

    def ensure_batch_predictions_are_consistent(self, keys_to_ignore: Iterable[str] = ()) -> None:
        """Check that the outputs for an instance do not depend on its batch.

        Args:
            keys_to_ignore: outputs to ignore, in addition to `batch_weight` and those with "loss" in their name.
        """
        self.model.eval()
        with torch.no_grad():
            together = self.model(**self.dataset.as_tensor_dict())
            for i, instance in enumerate(self.dataset.instances):
                single_batch = Batch([instance])
                single_batch.index_instances(self.vocab)
                alone = self.model(**single_batch.as_tensor_dict())
                for key, value in alone.items():
                    # losses and their weights belong to the whole batch
                    if (
                        key in keys_to_ignore
                        or "loss" in key
                        or key.endswith("batch_weight")
                        or value is None
                    ):
                        continue
                    one, other = value[0], together[key][i]
                    if isinstance(one, torch.Tensor):
                        other = other[tuple(slice(0, size) for size in one.size())]
                        assert_allclose(
                            one.cpu().numpy(), other.cpu().numpy(), atol=1e-6, err_msg=f"{key}, instance {i}"
                        )
                    else:
                        assert one == other, f"{key}, instance {i}"

    def test_model_batch_norm_verification(self) -> None:
        """Check that no layer before a normalization layer has a bias, which the normalization would cancel."""
        if hasattr(self, "model"):
            check = NormalizationBiasVerification(self.model)
            assert check.check(inputs=self.dataset.as_tensor_dict()), (
                f"biases to remove: {check.detected_pairs}"
            )


def _check_metric(metrics: dict[str, Any], name: str, expected: float | None, tolerance: float) -> None:
    """Compare a metric with its expected value: the best one of validation or, without validation, that of training."""
    value = metrics.get(f"best_validation_{name}", metrics.get(f"training_{name}"))
    assert value is not None, f"the metrics have no {name}"
    assert expected is not None
    assert abs(value - expected) < tolerance, f"{name} is {value}"


def _first_validation_batch(params: Params, vocab: Vocabulary) -> Any:
    reader: DatasetReader = DatasetReader.from_params(params["dataset_reader"])
    loader_params = params["data_loader"]
    if "shuffle" in loader_params:
        loader_params["shuffle"] = False
    loader = DataLoader.from_params(
        loader_params, reader=reader, data_path=params.get("validation_data_path")
    )
    loader.index_with(vocab)
    return next(iter(loader))


@contextmanager
def _without_dropout(model: torch.nn.Module, disable: bool) -> Iterator[None]:
    """Context manager that sets every dropout of a model to 0."""
    before: list[tuple[Any, str, Any]] = []
    for module in model.modules() if disable else ():
        for attribute, kind in (("p", torch.nn.Dropout), ("dropout", torch.nn.RNNBase)):
            if isinstance(module, kind):
                before.append((module, attribute, getattr(module, attribute)))
                setattr(module, attribute, 0.0)
    try:
        yield
    finally:
        for module, attribute, value in before:
            setattr(module, attribute, value)
