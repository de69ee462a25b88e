"""Timing of the phases of a training step."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from nlpreg.common.files import atomic_write
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.metrics_log import NoTimer
from nlpreg.training.protocols import GradientNorm, MetricValues, ModelOutputs, TensorDict

if TYPE_CHECKING:
    from nlpreg.training.run import RunningTrainer

console = logging.getLogger("nlpreg.console")

_FILE_NAME = "profile.json"


@TrainerCallback.register("profile")
class ProfileCallback(TrainerCallback):
    """Measures the time of the phases of a training step; writes `profile.json`, and a table at the end of the run.

    The phases are `data` (waiting for batches), `forward`, `backward`, `gradients` (norm and clipping), `update`
    (optimizer and schedulers), `callbacks`, and `other`, the rest of a step. Validation and other work between epochs is
    excluded. Times are in milliseconds per step. On a GPU each phase synchronizes with the device, which is necessary for
    correct times but slows the run down.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        warmup_steps: number of updates at the start that are not measured.
        trace_steps: number of updates after the warm-up in which torch's profiler records every operation, to
            `trace.json`, for chrome://tracing or https://ui.perfetto.dev; 0 for none.
    """

    reads_batch_outputs = False

    def __init__(
        self, serialization_dir: str | os.PathLike[str], warmup_steps: int = 3, trace_steps: int = 0
    ) -> None:
        super().__init__(serialization_dir)
        self._warmup_steps = warmup_steps
        self._trace_steps = trace_steps
        self._timer: _Stopwatch | None = None
        self._profiler: Any = None
        self._seen = 0

    def on_start(self, trainer: RunningTrainer, is_primary: bool = True, **kwargs: Any) -> None:
        """Install the timer."""
        super().on_start(trainer, is_primary, **kwargs)
        if is_primary:
            trainer.run.timer = self._timer = _Stopwatch(trainer.cuda_device)

    def on_batch(
        self,
        trainer: RunningTrainer,
        batch_inputs: list[TensorDict],
        batch_outputs: list[ModelOutputs],
        batch_metrics: MetricValues,
        epoch: int,
        batch_number: int,
        is_training: bool,
        is_primary: bool = True,
        batch_grad_norm: GradientNorm = None,
        **kwargs: Any,
    ) -> None:
        """Count the steps, and start and stop torch's profiler."""
        if self._timer is None:
            return
        if not is_training:
            self._timer.skip()
            return
        self._seen += 1
        if self._seen <= self._warmup_steps:
            self._timer.reset()
        else:
            self._timer.steps += 1
        if self._trace_steps and self._seen == self._warmup_steps:
            self._profiler = torch.profiler.profile(record_shapes=True)
            self._profiler.start()
        elif self._profiler is not None and self._seen == self._warmup_steps + self._trace_steps:
            self._end_trace()

    def on_epoch(self, trainer: RunningTrainer, *args: Any, **kwargs: Any) -> None:
        """Write the times so far."""
        if self._timer is None:
            return
        if self._timer.steps:
            with atomic_write(os.path.join(self.serialization_dir, _FILE_NAME), "w") as file:
                json.dump(self._timer.report(), file, indent=2)
        self._timer.skip_to_next_data = True

    def on_end(self, trainer: RunningTrainer, *args: Any, **kwargs: Any) -> None:
        """Remove the timer, and show the table."""
        trainer.run.timer = NoTimer()
        if self._timer is not None and self._timer.steps:
            report = self._timer.report()
            console.info("milliseconds of a step, mean of %d steps:", report["steps"])
            for name, time_ in sorted(report["milliseconds_a_step"].items(), key=lambda item: -item[1]):
                console.info("  %-10s %9.3f  %5.1f %%", name, time_, 100 * time_ / report["total"])
        if self._profiler is not None:
            self._end_trace()

    def wants_batch_metrics(self, trainer: RunningTrainer, is_training: bool) -> bool:
        """False: only times are recorded."""
        return False

    def _end_trace(self) -> None:
        self._profiler.stop()
        self._profiler.export_chrome_trace(os.path.join(self.serialization_dir, "trace.json"))
        self._profiler = None


class _Stopwatch:
    """Adds up the times of phases, and of the code between them.

    Args:
        device: device of the model.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.skip_to_next_data = False
        """Whether to exclude the time until the next phase `data`, because it is between two epochs."""
        self.reset()

    def reset(self) -> None:
        """Clear all times."""
        self.steps = 0
        self._seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase; the time since the last one counts as `other`."""
        if self.skip_to_next_data and name == "data":
            self.skip_to_next_data = False
            self.skip()
        self._add("other")
        try:
            yield
        finally:
            self._add(name)

    def skip(self) -> None:
        """Exclude the time since the last phase."""
        self._since = time.perf_counter()

    def report(self) -> dict[str, Any]:
        """Milliseconds of each phase per step, and of a whole step."""
        each = {name: 1000 * seconds / self.steps for name, seconds in self._seconds.items()}
        return {"steps": self.steps, "total": sum(each.values()), "milliseconds_a_step": each}

    def _add(self, name: str) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        self._seconds[name] = self._seconds.get(name, 0.0) + now - self._since
        self._since = now
