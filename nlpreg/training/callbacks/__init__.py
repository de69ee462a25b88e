"""Callbacks: hooks into a training run, by registered name."""

from nlpreg.training.callbacks.backward import MixedPrecisionBackwardCallback, OnBackwardException
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.callbacks.confidence_checks import ConfidenceChecksCallback
from nlpreg.training.callbacks.console_logger import ConsoleLoggerCallback
from nlpreg.training.callbacks.should_validate import ShouldValidateCallback
from nlpreg.training.callbacks.track_epoch import TrackEpochCallback

__all__ = [
    "ConfidenceChecksCallback",
    "ConsoleLoggerCallback",
    "MixedPrecisionBackwardCallback",
    "OnBackwardException",
    "ShouldValidateCallback",
    "TrackEpochCallback",
    "TrainerCallback",
]
