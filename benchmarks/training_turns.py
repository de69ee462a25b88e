"""A callback that times `nlpreg train`, and hand-written loops over the same batches in turn with it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, get_args

import torch
from reference_models import Batch, ReferenceLoop, Style, ready_tensors
from reporting import TURNS_FILE, synchronize

from nlpreg.training.callbacks import TrainerCallback
from nlpreg.training.gradient_descent_trainer import GradientDescentTrainer


@TrainerCallback.register("benchmark_turns")
class TrainingTurns(TrainerCallback):
    """Writes `turns.json`: for each block of updates its number of tokens, the seconds that it took and, on a GPU, the peak
    of its memory so far, in MiB.

    A block of nlpreg's updates lasts from the end of one to the end of another, whatever happens in between. If so
    asked, each is followed by one block of each hand-written loop, over the same batches. The first update of an epoch
    does not count.

    Args:
        serialization_dir: folder of the run; given by the trainer.
        config: name of the config, which chooses the hand-written model.
        steps: number of updates in a block.
        in_turn: whether to run the hand-written loops.
    """

    def __init__(
        self, serialization_dir: str | os.PathLike[str], config: str, steps: int = 10, in_turn: bool = False
    ) -> None:
        super().__init__(serialization_dir)
        self._config = config
        self._steps = steps
        self._in_turn = in_turn
        self._loops: dict[Style, ReferenceLoop] = {}
        self._blocks: list[dict[str, float]] = []
        self._batches: list[Batch] = []
        self._since = (0.0, 0.0)

    def on_start(self, trainer: GradientDescentTrainer, is_primary: bool = True, **kwargs: Any) -> None:
        """Make the loops."""
        super().on_start(trainer, is_primary, **kwargs)
        if self._in_turn:
            vocab = trainer.model.vocab
            sizes = {name: vocab.get_vocab_size(name) for name in vocab.get_namespaces()}
            self._loops = {
                style: ReferenceLoop(self._config, sizes, style, trainer.cuda_device)
                for style in get_args(Style)
            }

    def on_batch(
        self,
        trainer: GradientDescentTrainer,
        batch_inputs: list[Any],
        batch_outputs: list[Any],
        batch_metrics: dict[str, Any],
        epoch: int,
        batch_number: int,
        is_training: bool,
        is_primary: bool = True,
        batch_grad_norm: Any = None,
        **kwargs: Any,
    ) -> None:
        """Count an update, and end a block."""
        if not is_training:
            return
        if batch_number == 1:
            self._batches = []
            self._begin(trainer)
            return
        self._batches += [ready_tensors(batch) for batch in batch_inputs]
        if len(self._batches) == self._steps:
            self._end_block(trainer)

    def on_epoch(
        self,
        trainer: GradientDescentTrainer,
        metrics: dict[str, Any],
        epoch: int,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Write what was measured so far."""
        Path(self.serialization_dir, TURNS_FILE).write_text(json.dumps(self._blocks), encoding="utf-8")

    def wants_batch_metrics(self, trainer: GradientDescentTrainer, is_training: bool) -> bool:
        """Never."""
        return False

    def _begin(self, trainer: GradientDescentTrainer) -> None:
        synchronize(trainer.cuda_device)
        self._since = (time.perf_counter(), time.process_time())

    def _elapsed(self, trainer: GradientDescentTrainer, who: str) -> dict[str, float]:
        """Seconds since `_begin`, by the clock and of the process's CPU time."""
        synchronize(trainer.cuda_device)
        wall, cpu = self._since
        return {who: time.perf_counter() - wall, f"{who}_cpu": time.process_time() - cpu}

    def _end_block(self, trainer: GradientDescentTrainer) -> None:
        block = {**self._elapsed(trainer, "nlpreg"), "tokens": float(self._num_tokens())}
        if trainer.cuda_device.type == "cuda":
            block["device_mebibytes"] = torch.cuda.max_memory_allocated(trainer.cuda_device) / 2**20
        for style, loop in self._loops.items():
            self._begin(trainer)
            loop.run(self._batches)
            block |= self._elapsed(trainer, style)
        self._blocks.append(block)
        self._batches = []
        self._begin(trainer)

    def _num_tokens(self) -> int:
        """Tokens of the text in the block, without the two symbols around a language model's sentences."""
        num_symbols = 2 if self._config.startswith("lm_") else 0
        return sum(
            int((batch["words"] > 0).sum()) - num_symbols * len(batch["words"]) for batch in self._batches
        )
