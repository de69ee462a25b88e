"""Callbacks for services that track experiments: their base class, MLflow and Trackio."""

import os
import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from nlpreg.common import Params
from nlpreg.common.imports import check_package, optional
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.callbacks.log_writer import LogWriterCallback

if TYPE_CHECKING:
    from nlpreg.training.run import RunningTrainer

_CONFIG_NAME = "config.json"


def _config_of_run(serialization_dir: str) -> dict[str, Any]:
    """The config of the run in a folder; empty if there is none."""
    path = os.path.join(serialization_dir, _CONFIG_NAME)
    return Params.from_file(path).as_dict() if os.path.isfile(path) else {}


class ServiceCallback(LogWriterCallback):
    """Base class: logs the metrics of a run to a tracking service, and continues the same run there after a resumption.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        **kwargs: arguments of `LogWriterCallback`.
    """

    package: ClassVar[str]
    """The package of the service, which is also the name of the extra of nlpreg."""

    def __init__(self, serialization_dir: str | os.PathLike[str], **kwargs: Any) -> None:
        super().__init__(serialization_dir, **kwargs)
        self.run_id: str | None = None
        self.service: Any = None

    def open(self, config: dict[str, Any]) -> str:
        """Start a run, or resume the run `run_id`; returns its id.

        Args:
            config: the config of the run.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement open")

    def send(self, numbers: dict[str, float], step: int) -> None:
        """Log scalars.

        Args:
            numbers: by name.
            step: the number of updates so far.
        """
        self.service.log(numbers, step=step)

    def on_start(self, trainer: "RunningTrainer", is_primary: bool = True, **kwargs: Any) -> None:
        """Start a run there, or resume the one of the checkpoint."""
        super().on_start(trainer, is_primary, **kwargs)
        if is_primary:
            self.service = optional(self.package, extra=self.package)
            self.run_id = self.open(_config_of_run(self.serialization_dir))

    def log_scalars(
        self, scalars: Mapping[str, float | Tensor], log_prefix: str = "", epoch: int | None = None
    ) -> None:
        """Log scalars, see `LogWriterCallback.log_scalars`."""
        assert self.trainer is not None
        numbers = {
            f"{log_prefix}/{name}" if log_prefix else name: float(value) for name, value in scalars.items()
        }
        if epoch is not None:
            numbers["epoch"] = epoch
        self.send(numbers, self.trainer.run.progress.total_batches_completed)

    def log_tensors(
        self, tensors: Mapping[str, Tensor], log_prefix: str = "", epoch: int | None = None
    ) -> None:
        """Do nothing: the service has no histograms."""

    def close(self) -> None:
        """End the run there."""
        if self.service is not None:
            self.service.finish()

    def state_dict(self) -> dict[str, Any]:
        """The id of the run in the service."""
        return {"run_id": self.run_id}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume that run."""
        self.run_id = state_dict.get("run_id")


@TrainerCallback.register("mlflow")
class MlflowCallback(ServiceCallback):
    """Logs the metrics of a run to MLflow; a resumed run continues the same run there.

    Needs the extra `mlflow`. The entries of the config become the run's parameters.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        tracking_uri: where MLflow keeps its runs, a URL or a folder; by default the one that MLflow is configured with.
        experiment: name of the experiment there.
        name: name of the run.
        tags: labels of the run.
        **kwargs: arguments of `LogWriterCallback`.
    """

    package = "mlflow"

    def __init__(
        self,
        serialization_dir: str | os.PathLike[str],
        tracking_uri: str | None = None,
        experiment: str | None = None,
        name: str | None = None,
        tags: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(serialization_dir, **kwargs)
        self._tracking_uri = tracking_uri
        self._experiment = experiment
        self._name = name
        self._tags = tags

    @staticmethod
    def check_arguments() -> None:
        """Check that the package is installed; also called by `nlpreg check`."""
        check_package("mlflow", extra="mlflow")

    def open(self, config: dict[str, Any]) -> str:
        """Start a run, or resume one."""
        if self._tracking_uri is not None:
            self.service.set_tracking_uri(self._tracking_uri)
        if self._experiment is not None:
            self.service.set_experiment(self._experiment)
        run = self.service.start_run(run_id=self.run_id, run_name=self._name, tags=self._tags)
        if self.run_id is None:
            entries = Params(config).as_flat_dict().items()
            # MLflow rejects longer values.
            self.service.log_params({_allowed(key): str(value)[:500] for key, value in entries})
        run_id: str = run.info.run_id
        return run_id

    def send(self, numbers: dict[str, float], step: int) -> None:
        """Log scalars."""
        self.service.log_metrics({_allowed(name): value for name, value in numbers.items()}, step=step)

    def close(self) -> None:
        """End the run there."""
        if self.service is not None:
            self.service.end_run()


def _allowed(name: str) -> str:
    """A name with only the characters that MLflow accepts."""
    return re.sub(r"[^\w\-. /]", "_", name)


@TrainerCallback.register("trackio")
class TrackioCallback(ServiceCallback):
    """Logs the metrics of a run to Trackio; a resumed run continues the same run there.

    Needs the extra `trackio`.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        project: name of the project there.
        name: name of the run; random by default.
        group: name of a group of runs.
        trackio_kwargs: more arguments of `trackio.init`, such as `space_id`.
        **kwargs: arguments of `LogWriterCallback`.
    """

    package = "trackio"

    def __init__(
        self,
        serialization_dir: str | os.PathLike[str],
        project: str = "nlpreg",
        name: str | None = None,
        group: str | None = None,
        trackio_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(serialization_dir, **kwargs)
        self._project = project
        self._name = name
        self._group = group
        self._trackio_kwargs = trackio_kwargs or {}

    @staticmethod
    def check_arguments() -> None:
        """Check that the package is installed; also called by `nlpreg check`."""
        check_package("trackio", extra="trackio")

    def open(self, config: dict[str, Any]) -> str:
        """Start a run, or resume one."""
        resume = "never" if self.run_id is None else "must"
        name = self.run_id or self._name or f"run-{uuid.uuid4().hex[:8]}"
        options = {"group": self._group, "resume": resume, "config": config, **self._trackio_kwargs}
        self.service.init(project=self._project, name=name, **options)
        return name
