"""Learning rate schedulers, by registered name."""

from nlpreg.training.learning_rate_schedulers.combined import CombinedLearningRateScheduler
from nlpreg.training.learning_rate_schedulers.cosine import CosineWithRestarts
from nlpreg.training.learning_rate_schedulers.learning_rate_scheduler import LearningRateScheduler
from nlpreg.training.learning_rate_schedulers.linear_with_warmup import LinearWithWarmup
from nlpreg.training.learning_rate_schedulers.noam import NoamLR
from nlpreg.training.learning_rate_schedulers.polynomial_decay import PolynomialDecay
from nlpreg.training.learning_rate_schedulers.pytorch_lr_schedulers import (
    ConstantLearningRateScheduler,
    ConstantWithWarmupLearningRateScheduler,
    CosineHardRestartsWithWarmupLearningRateScheduler,
    CosineWithWarmupLearningRateScheduler,
    ExponentialLearningRateScheduler,
    MultiStepLearningRateScheduler,
    ReduceOnPlateauLearningRateScheduler,
    StepLearningRateScheduler,
    WarmupCosine,
    WarmupSchedule,
    WarmupStableDecay,
)
from nlpreg.training.learning_rate_schedulers.slanted_triangular import SlantedTriangular

__all__ = [
    "CombinedLearningRateScheduler",
    "ConstantLearningRateScheduler",
    "ConstantWithWarmupLearningRateScheduler",
    "CosineHardRestartsWithWarmupLearningRateScheduler",
    "CosineWithRestarts",
    "CosineWithWarmupLearningRateScheduler",
    "ExponentialLearningRateScheduler",
    "LearningRateScheduler",
    "LinearWithWarmup",
    "MultiStepLearningRateScheduler",
    "NoamLR",
    "PolynomialDecay",
    "ReduceOnPlateauLearningRateScheduler",
    "SlantedTriangular",
    "StepLearningRateScheduler",
    "WarmupCosine",
    "WarmupSchedule",
    "WarmupStableDecay",
]
