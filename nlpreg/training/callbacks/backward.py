"""A backward pass run by a callback."""

from typing import TYPE_CHECKING, Any

from nlpreg.training.callbacks.callback import TrainerCallback
from nlpreg.training.protocols import ModelOutputs

if TYPE_CHECKING:
    from nlpreg.training.run import RunningTrainer


class OnBackwardException(Exception):
    """A callback tried to run the backward pass after another callback had already done so."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or "the backward pass was run already by another callback")


@TrainerCallback.register("mixed_precision_backward")
class MixedPrecisionBackwardCallback(TrainerCallback):
    """Runs the backward pass like the trainer itself, and raises an error if another callback already did.

    Args:
        serialization_dir: folder of the run; given by the trainer.
    """

    def on_backward(
        self,
        trainer: "RunningTrainer",
        batch_outputs: ModelOutputs,
        backward_called: bool,
        **kwargs: Any,
    ) -> bool:
        """Run the backward pass.

        Raises:
            OnBackwardException: another callback already ran it.
        """
        if backward_called:
            raise OnBackwardException
        trainer.backward(batch_outputs)
        return True
