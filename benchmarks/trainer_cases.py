"""What the benchmark of the trainer trains: a tiny model and one of ordinary size, over batches that are ready."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from reporting import now, synchronize
from torch import Tensor, nn

from nlpreg.data import Vocabulary
from nlpreg.models import Model, SimpleTagger
from nlpreg.modules.seq2seq_encoders import LstmSeq2SeqEncoder
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding
from nlpreg.training import Checkpointer, GradientDescentTrainer
from nlpreg.training.optimizers import AdamOptimizer
from nlpreg.training.protocols import TensorDict

GRADIENT_NORM = 5.0


@dataclass(frozen=True)
class Case:
    """A model to train.

    Args:
        name: for the table.
        make_model: builds the model.
        batches: of a block, on the device.
        grad_norm: what gradients are scaled down to; None for not at all.
    """

    name: str
    make_model: Callable[[], Model]
    batches: list[TensorDict]
    grad_norm: float | None = None


class TinyModel(Model):
    """A linear layer with a squared error, which costs next to nothing."""

    def __init__(self) -> None:
        super().__init__(Vocabulary())
        self.linear = nn.Linear(8, 1)

    def forward(self, inputs: Tensor, targets: Tensor) -> dict[str, Any]:
        """The loss of a batch."""
        return {"loss": (self.linear(inputs).squeeze(-1) - targets).square().mean()}


def tiny_case(num_batches: int, device: torch.device) -> Case:
    """The model whose steps are nearly all overhead."""
    batches = [
        {"inputs": torch.randn(4, 8, device=device), "targets": torch.randn(4, device=device)}
        for _ in range(num_batches)
    ]
    return Case("linear layer, 8 to 1, batch 4", TinyModel, batches)


def tagger_case(num_batches: int, device: torch.device, quick: bool) -> Case:
    """A tagger of ordinary size: two layers of LSTM, 200 wide."""
    num_words, num_tags, width, num_rows, num_steps = (20, 3, 4, 2, 5) if quick else (10_000, 17, 200, 32, 30)
    vocab = Vocabulary()
    for namespace, count in (("tokens", num_words), ("labels", num_tags)):
        for number in range(count):
            vocab.add_token_to_namespace(str(number), namespace)

    def make_model() -> Model:
        embedding = Embedding(embedding_dim=width // 2, num_embeddings=vocab.get_vocab_size("tokens"))
        encoder = LstmSeq2SeqEncoder(width // 2, width, num_layers=2)
        model = SimpleTagger(vocab, BasicTextFieldEmbedder({"tokens": embedding}), encoder)
        return model.to(device)

    def make_batch() -> TensorDict:
        words = torch.randint(2, num_words, (num_rows, num_steps), device=device)
        tags = torch.randint(num_tags, (num_rows, num_steps), device=device)
        return {"tokens": {"tokens": {"tokens": words}}, "tags": tags}

    name = f"LSTM tagger, 2 layers of {width}, batch {num_rows}, length {num_steps}"
    return Case(name, make_model, [make_batch() for _ in range(num_batches)], GRADIENT_NORM)


class ReadyBatches:
    """A loader of batches that are ready, block after block, which tells how long the trainer takes for each block.

    A block lasts from the moment its first batch is asked for to that when the batch after its last is. What is to be
    done after a block is not in it.

    Args:
        batches: of a block.
        num_blocks: number of blocks in an epoch.
        device: where they are.
        after_block: what to do after each.
    """

    def __init__(
        self,
        batches: list[TensorDict],
        num_blocks: int,
        device: torch.device,
        after_block: Callable[[], object] = lambda: None,
    ) -> None:
        self._batches = batches
        self._num_blocks = num_blocks
        self._device = device
        self._after_block = after_block
        self.seconds: list[float] = []

    def __len__(self) -> int:
        return len(self._batches) * self._num_blocks

    def __iter__(self) -> Iterator[TensorDict]:
        for _ in range(self._num_blocks):
            synchronize(self._device)
            start = now()
            yield from self._batches
            synchronize(self._device)
            self.seconds.append(now() - start)
            self._after_block()

    def set_target_device(self, device: torch.device) -> None:
        """The batches are there already."""


class FirstStepDone(Exception):
    """The trainer has asked for its second batch."""


class OneBatch:
    """A loader that ends a run after its first step, and says that it can go on from anywhere.

    Args:
        batch: what it gives.
        num_batches: how many it would have.
    """

    def __init__(self, batch: TensorDict, num_batches: int) -> None:
        self._batch = batch
        self._num_batches = num_batches
        self._done = 0

    def __len__(self) -> int:
        return self._num_batches

    def __iter__(self) -> Iterator[TensorDict]:
        self._done += 1
        yield self._batch
        raise FirstStepDone

    def set_target_device(self, device: torch.device) -> None:
        """The batch is there already."""

    def state_dict(self) -> dict[str, Any]:
        """Number of batches that were given."""
        return {"done": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after so many."""
        self._done = state["done"]


class TimedCheckpointer(Checkpointer):
    """Saves after each block, and remembers how long that took.

    Args:
        serialization_dir: folder of the run.
        every: number of updates between two checkpoints.
    """

    def __init__(self, serialization_dir: str | os.PathLike[str], every: int) -> None:
        super().__init__(serialization_dir, save_every_num_batches=every)
        self.seconds: list[float] = []

    def save_checkpoint(self, trainer: GradientDescentTrainer) -> None:
        """Save, and look at the clock before and after."""
        synchronize(trainer.cuda_device)
        start = now()
        super().save_checkpoint(trainer)
        self.seconds.append(now() - start)


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """The same Adam for everyone, as nlpreg chooses it."""
    return AdamOptimizer(list(model.named_parameters()))


def make_trainer(
    case: Case, loader: ReadyBatches | OneBatch, checkpointer: Checkpointer, device: torch.device
) -> GradientDescentTrainer:
    """A trainer with all that one has by default, for a single epoch."""
    model = case.make_model().to(device)
    return GradientDescentTrainer(
        model,
        make_optimizer(model),
        loader,
        num_epochs=1,
        serialization_dir=checkpointer._serialization_dir,
        checkpointer=checkpointer,
        cuda_device=device,
        grad_norm=False if case.grad_norm is None else case.grad_norm,
    )


class BareLoop:
    """The loop that one would write by hand.

    Args:
        case: what to train.
        device: where.
    """

    def __init__(self, case: Case, device: torch.device) -> None:
        self._case = case
        self._device = device
        self._model = case.make_model().to(device).train()
        self._optimizer = make_optimizer(self._model)
        self.seconds: list[float] = []

    def run(self) -> None:
        """Train on a block, and remember how long that took."""
        model, optimizer, grad_norm = self._model, self._optimizer, self._case.grad_norm
        synchronize(self._device)
        start = now()
        for batch in self._case.batches:
            optimizer.zero_grad()
            loss = model(**batch)["loss"]
            loss.backward()
            if grad_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), grad_norm)
            optimizer.step()
        synchronize(self._device)
        self.seconds.append(now() - start)
