"""Logging to Weights & Biases."""

import inspect
import logging
import os
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from nlpreg.common.imports import check_package
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.callbacks.services import ServiceCallback

logger = logging.getLogger(__name__)


@TrainerCallback.register("wandb")
class WandBCallback(ServiceCallback):
    """Logs the metrics of a run to Weights & Biases; a resumed run continues the same run there.

    Needs the extra `wandb`.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        summary_interval: number of updates between two writings of scalars.
        distribution_interval: number of updates between two writings of histograms; None for never.
        batch_size_interval: number of updates between two writings of the batch size; None for never.
        should_log_parameter_statistics: whether to write mean and deviation of each parameter and its gradient.
        should_log_learning_rate: whether to write the learning rate of each parameter.
        project: name of the project there.
        entity: name of the user or team there.
        group: name of a group of runs.
        name: name of the run.
        notes: a longer description of the run.
        tags: labels of the run.
        watch_model: whether the service records the model's gradients.
        files_to_save: files in the folder of the run to upload whenever they change.
        wandb_kwargs: further arguments of `wandb.init`. A subclass finds all of them in `_wandb_kwargs`.
    """

    package = "wandb"

    def __init__(
        self,
        serialization_dir: str | os.PathLike[str],
        summary_interval: int = 100,
        distribution_interval: int | None = None,
        batch_size_interval: int | None = None,
        should_log_parameter_statistics: bool = True,
        should_log_learning_rate: bool = False,
        project: str | None = None,
        entity: str | None = None,
        group: str | None = None,
        name: str | None = None,
        notes: str | None = None,
        tags: list[str] | None = None,
        watch_model: bool = True,
        files_to_save: tuple[str, ...] = ("config.json", "out.log"),
        wandb_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            serialization_dir,
            summary_interval=summary_interval,
            distribution_interval=distribution_interval,
            batch_size_interval=batch_size_interval,
            should_log_parameter_statistics=should_log_parameter_statistics,
            should_log_learning_rate=should_log_learning_rate,
        )
        mode = (wandb_kwargs or {}).get("mode") or os.environ.get("WANDB_MODE")
        if "WANDB_API_KEY" not in os.environ and mode not in ("offline", "disabled"):
            logger.warning("WANDB_API_KEY is not set, so wandb may ask for a login or refuse to start")
        self._wandb_kwargs: dict[str, Any] = {
            "dir": os.path.abspath(self.serialization_dir),
            "project": project,
            "entity": entity,
            "group": group,
            "name": name,
            "notes": notes,
            "tags": tags,
            **(wandb_kwargs or {}),
        }
        self._watch_model = watch_model
        self._files_to_save = files_to_save

    @staticmethod
    def check_arguments() -> None:
        """Check that the package is installed; also called by `nlpreg check`."""
        check_package("wandb", extra="wandb")

    def open(self, config: dict[str, Any]) -> str:
        """Start a run there, or resume the one of the checkpoint."""
        assert self.trainer is not None
        options = dict(self._wandb_kwargs)
        if _takes_anonymous_runs(self.service.init):
            options.setdefault("anonymous", "allow")
        if self.run_id is not None:
            options["resume"] = "auto"
        options["id"] = run_id = self.run_id or uuid.uuid4().hex[:8]
        if config:
            options["config"] = config
        self.service.init(**options)
        for name in self._files_to_save:
            path = os.path.join(self.serialization_dir, name)
            self.service.save(path, base_path=self.serialization_dir, policy="live")
        if self._watch_model:
            self.service.watch(self.trainer.model)
        return run_id

    def log_tensors(
        self, tensors: Mapping[str, Tensor], log_prefix: str = "", epoch: int | None = None
    ) -> None:
        """Log histograms, see `LogWriterCallback.log_tensors`."""
        histograms = {
            f"{log_prefix}/{name}" if log_prefix else name: self.service.Histogram(
                (tensor.coalesce().values() if tensor.is_sparse else tensor).cpu().reshape(-1).numpy()
            )
            for name, tensor in tensors.items()
        }
        assert self.trainer is not None
        self.send(histograms, self.trainer.run.progress.total_batches_completed)


def _takes_anonymous_runs(init: Callable[..., Any]) -> bool:
    """Whether this version of wandb supports anonymous runs; newer ones warn about the argument."""
    parameters = inspect.signature(init).parameters
    if "anonymous" in parameters:
        return parameters["anonymous"].default is None
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
