"""A tiny model and a loader that remembers its position, for the tests of training."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn

from nlpreg.common import Params
from nlpreg.training import GradientDescentTrainer, Trainer
from nlpreg.training.metrics import Average


class TinyLoader:
    """Batches of random numbers; they follow from the seed and, unless fixed, from the number of the epoch."""

    def __init__(
        self, num_batches: int = 7, seed: int = 0, sizes: tuple[int, ...] = (4,), is_fixed: bool = False
    ) -> None:
        self.num_batches = num_batches
        self.seed = seed
        self.sizes = sizes
        self.is_fixed = is_fixed
        self.epoch = 0
        self.batches = 0
        self.given: list[tuple[int, int]] = []
        self.devices: list[torch.device] = []

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for index in range(self.batches, self.num_batches):
            self.batches = index + 1
            self.given.append((self.epoch, index))
            yield self.batch(self.epoch, index)
        self.epoch += 1
        self.batches = 0

    def batch(self, epoch: int, index: int) -> dict[str, Tensor]:
        epoch = 0 if self.is_fixed else epoch
        generator = torch.Generator().manual_seed(10_000 * self.seed + 100 * epoch + index)
        size = self.sizes[index % len(self.sizes)]
        x = torch.randn(size, 3, generator=generator)
        return {"x": x, "y": x.sum(1) + 0.1 * torch.randn(size, generator=generator)}

    def set_target_device(self, device: torch.device) -> None:
        self.devices.append(device)

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "batches": self.batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch, self.batches = state["epoch"], state["batches"]


class TinyModel(nn.Module):
    """Linear regression with dropout, noise from every generator, and a state that it carries from batch to batch."""

    def __init__(self, dropout: float = 0.0, reports_weight: bool = False, penalty: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.linear = nn.Linear(3, 1)
        with torch.no_grad():
            self.linear.weight.copy_(torch.randn(1, 3, generator=generator))
            self.linear.bias.zero_()
        self.scale = nn.Parameter(torch.ones(()))
        self.dropout = nn.Dropout(dropout)
        self.error = Average()
        self.reports_weight = reports_weight
        self.penalty = penalty
        self.is_noisy = False
        self.fails_at: int | None = None
        self.steps = 0
        self._states: tuple[Tensor, ...] | None = None

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Any]:
        self.steps += int(self.training)
        if self.training and self.fails_at == self.steps:
            raise RuntimeError("the power is gone")
        prediction = self.scale * self.linear(self.dropout(x)).squeeze(-1)
        if self.is_noisy:
            prediction = prediction + 0.01 * (random.random() + numpy.random.rand() + torch.rand(()))
            if self._states is not None:
                prediction = prediction + 0.01 * self._states[0]
            self._states = (prediction.detach().mean(),)
        loss = (prediction - y).square().mean()
        self.error((prediction.detach() - y).abs().mean())
        outputs = {"loss": loss, "prediction": prediction}
        if self.reports_weight:
            outputs["batch_weight"] = torch.tensor(float(len(y)))
        return outputs

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        return {"error": self.error.get_metric(reset)}

    def get_regularization_penalty(self) -> Tensor | None:
        return self.penalty * self.linear.weight.square().sum() if self.penalty else None

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        return output_dict


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many checkpoints are written here, and none of them has to outlive a power cut."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def tiny_loader() -> type[TinyLoader]:
    return TinyLoader


@pytest.fixture
def tiny_model() -> type[TinyModel]:
    return TinyModel


@pytest.fixture
def make_trainer(tmp_path: Path) -> Callable[..., GradientDescentTrainer]:
    """Builds a trainer from a section of a config, in `tmp_path/run` unless told otherwise."""

    def make(
        config: dict[str, Any] | None = None,
        model: TinyModel | None = None,
        loader: TinyLoader | None = None,
        validation: TinyLoader | bool | None = True,
        folder: str = "run",
    ) -> GradientDescentTrainer:
        torch.manual_seed(133)
        numpy.random.seed(1337)
        random.seed(13370)
        defaults = {"num_epochs": 2, "optimizer": {"type": "sgd", "lr": 0.1}, "cuda_device": -1}
        trainer = Trainer.from_params(
            Params({**defaults, **(config or {})}),
            model=model or TinyModel(),
            serialization_dir=str(tmp_path / folder),
            data_loader=TinyLoader() if loader is None else loader,
            validation_data_loader=TinyLoader(3, seed=5, is_fixed=True)
            if validation is True
            else None
            if validation is False
            else validation,
        )
        assert isinstance(trainer, GradientDescentTrainer)
        return trainer

    return make
