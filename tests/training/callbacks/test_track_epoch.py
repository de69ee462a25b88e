from nlpreg.training.callbacks import TrainerCallback


def test_the_model_knows_its_epoch(make_trainer, tiny_model):
    seen = []

    @TrainerCallback.register("see")
    class See(TrainerCallback):
        def on_batch(self, trainer, *args, is_training, **kwargs):
            seen.append(trainer.model.epoch)

    config = {"callbacks": ["track_epoch_callback", "see"]}
    make_trainer(config).train()
    assert seen == [0] * 10 + [1] * 10
    seen.clear()
    make_trainer({**config, "num_epochs": 3}).train()  # goes on from the checkpoint
    assert seen == [2] * 10
