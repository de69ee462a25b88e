"""Training: the trainer, its callbacks, optimizers, schedulers, checkpoints and metrics."""

from nlpreg.training.callbacks import TrainerCallback
from nlpreg.training.checkpointer import Checkpointer
from nlpreg.training.gradient_descent_trainer import GradientDescentTrainer
from nlpreg.training.no_op_trainer import CountingTrainer, NoOpTrainer
from nlpreg.training.trainer import Trainer

__all__ = [
    "Checkpointer",
    "CountingTrainer",
    "GradientDescentTrainer",
    "NoOpTrainer",
    "Trainer",
    "TrainerCallback",
]
