"""Callbacks: hooks into a training run, by registered name."""

from nlpreg.training.callbacks.backward import MixedPrecisionBackwardCallback, OnBackwardException
from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.callbacks.confidence_checks import ConfidenceCheckError, ConfidenceChecksCallback
from nlpreg.training.callbacks.console_logger import ConsoleLoggerCallback
from nlpreg.training.callbacks.log_writer import LogWriterCallback
from nlpreg.training.callbacks.profile import ProfileCallback
from nlpreg.training.callbacks.pruning import OptunaPruningCallback, TrialPruned
from nlpreg.training.callbacks.services import MlflowCallback, TrackioCallback
from nlpreg.training.callbacks.should_validate import ShouldValidateCallback
from nlpreg.training.callbacks.tensorboard import TensorBoardCallback
from nlpreg.training.callbacks.track_epoch import TrackEpochCallback
from nlpreg.training.callbacks.wandb import WandBCallback

__all__ = [
    "ConfidenceCheckError",
    "ConfidenceChecksCallback",
    "ConsoleLoggerCallback",
    "LogWriterCallback",
    "MixedPrecisionBackwardCallback",
    "MlflowCallback",
    "OnBackwardException",
    "OptunaPruningCallback",
    "ProfileCallback",
    "ShouldValidateCallback",
    "TensorBoardCallback",
    "TrackEpochCallback",
    "TrackioCallback",
    "TrainerCallback",
    "TrialPruned",
    "WandBCallback",
]
