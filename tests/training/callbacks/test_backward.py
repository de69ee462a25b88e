import pytest
import torch

from nlpreg.training.callbacks import OnBackwardException, TrainerCallback


@pytest.mark.parametrize(
    "options", [{}, {"num_gradient_accumulation_steps": 3}, {"use_amp": True, "amp_dtype": "float16"}]
)
def test_the_weights_are_those_of_the_trainer_itself(make_trainer, tiny_model, options):
    models = tiny_model(reports_weight=True), tiny_model(reports_weight=True)
    make_trainer(options, models[0], folder="a").train()
    make_trainer({**options, "callbacks": ["mixed_precision_backward"]}, models[1], folder="b").train()
    for parameter, expected in zip(models[1].parameters(), models[0].parameters(), strict=True):
        assert torch.equal(parameter, expected)


def test_a_second_backward_pass_is_refused(make_trainer):
    with pytest.raises(OnBackwardException, match="run already by another callback"):
        make_trainer({"callbacks": ["mixed_precision_backward"] * 2}).train()


def test_a_callback_that_runs_the_backward_pass_itself(make_trainer, tiny_model):
    @TrainerCallback.register("own")
    class Own(TrainerCallback):
        def on_backward(self, trainer, batch_outputs, backward_called, **kwargs):
            (batch_outputs["loss"] / trainer._num_gradient_accumulation_steps).backward()
            return True

    config = {"num_gradient_accumulation_steps": 7}
    models = tiny_model(), tiny_model()
    make_trainer(config, models[0], folder="a").train()
    make_trainer({**config, "callbacks": ["own"]}, models[1], folder="b").train()
    for parameter, expected in zip(models[1].parameters(), models[0].parameters(), strict=True):
        torch.testing.assert_close(parameter, expected)
