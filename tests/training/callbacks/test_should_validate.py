import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.callbacks import ShouldValidateCallback, TrainerCallback


def run(make_trainer, **options):
    validated = []

    @TrainerCallback.register("note")
    class Note(TrainerCallback):
        def on_epoch(self, trainer, metrics, epoch, is_primary=True, **kwargs):
            validated.append(trainer.run.progress.last_validation == trainer._total_batches_completed)

    callbacks = [{"type": "should_validate_callback", **options}, "note"]
    optimizer = {"type": "sgd", "lr": 0.01}  # slow, so that every epoch is better than the one before
    trainer = make_trainer({"num_epochs": 6, "callbacks": callbacks, "optimizer": optimizer})
    metrics = trainer.train()
    return [epoch for epoch, was_validated in enumerate(validated) if was_validated], metrics, trainer


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"validation_start": 3}, [3, 4, 5]),
        ({"validation_interval": 2}, [0, 2, 4]),
        ({"validation_start": 3, "validation_interval": 2}, [4]),
    ],
)
def test_some_epochs_are_validated(make_trainer, options, epochs):
    validated, metrics, _ = run(make_trainer, **options)
    assert validated == epochs
    assert metrics["best_epoch"] in epochs  # the number of the epoch, not of the validation
    assert "validation_loss" in metrics


def test_the_best_weights_are_those_of_a_validated_epoch(make_trainer, tmp_path):
    _, metrics, trainer = run(make_trainer, validation_interval=5)
    assert metrics["best_epoch"] == 5
    best = torch.load(tmp_path / "run" / "best.th", weights_only=True)
    assert all(torch.equal(best[name], value) for name, value in trainer.model.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation_start": -1}, "validation_start: expected 0 or more, got -1"),
        ({"validation_interval": 0}, "validation_interval: expected 1 or more, got 0"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ConfigurationError, match=message):
        ShouldValidateCallback("x", **options)
