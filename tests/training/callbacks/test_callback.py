from inspect import signature

import pytest

from nlpreg.training.callbacks import TrainerCallback


@pytest.fixture
def events():
    found = []

    @TrainerCallback.register("record")
    class Record(TrainerCallback):
        def on_start(self, trainer, is_primary=True, **kwargs):
            super().on_start(trainer, is_primary, **kwargs)
            found.append("start")

        def on_backward(self, trainer, batch_outputs, backward_called, **kwargs):
            assert not backward_called
            found.append("backward")
            return False

        def on_batch(
            self,
            trainer,
            batch_inputs,
            batch_outputs,
            batch_metrics,
            epoch,
            batch_number,
            is_training,
            **kwargs,
        ):
            assert len(batch_inputs) == len(batch_outputs)
            found.append(
                (("train" if is_training else "validate"), epoch, batch_number, sorted(batch_metrics))
            )

        def on_epoch(self, trainer, metrics, epoch, is_primary=True, **kwargs):
            found.append(("epoch", epoch, metrics["epoch"]))

        def on_end(self, trainer, metrics=None, epoch=None, is_primary=True, **kwargs):
            found.append(("end", epoch, metrics is not None))

    return found


def test_the_registered_names():
    names = [
        "null",
        "console_logger",
        "confidence_checks",
        "sanity_checks",
        "tensorboard",
        "wandb",
        "track_epoch_callback",
        "should_validate_callback",
        "mixed_precision_backward",
        "profile",
    ]
    assert set(names) <= set(TrainerCallback.list_available())


@pytest.mark.parametrize("name", TrainerCallback.list_available())
def test_hooks_take_their_arguments_by_position(name):
    callback = TrainerCallback.by_name(name)
    outputs = signature(callback.on_batch).bind(None, None, [], [], {}, 0, 1, False)
    assert outputs.arguments["is_training"] is False


def test_hooks_are_called_in_order(make_trainer, tiny_loader, events):
    config = {"callbacks": ["record"], "num_epochs": 1, "num_gradient_accumulation_steps": 2}
    make_trainer(config, loader=tiny_loader(3), validation=tiny_loader(2, seed=5)).train()
    metrics = ["batch_loss", "error", "loss"]
    assert events == [
        "start",
        "backward",
        "backward",
        ("train", 0, 1, metrics),
        "backward",
        ("train", 0, 2, metrics),
        ("validate", 0, 1, metrics),
        ("validate", 0, 2, metrics),
        ("epoch", 0, 0),
        ("end", 0, True),
    ]


def test_the_end_comes_after_an_error_too(make_trainer, tiny_model, events):
    model = tiny_model()
    model.fails_at = 2
    with pytest.raises(RuntimeError, match="power"):
        make_trainer({"callbacks": ["record"]}, model).train()
    assert events[-1] == ("end", None, False)


def test_metrics_are_computed_only_for_who_wants_them(make_trainer, tiny_model, monkeypatch):
    model, calls = tiny_model(), []
    get_metrics = model.get_metrics
    model.get_metrics = lambda reset=False: calls.append(reset) or get_metrics(reset)
    monkeypatch.setattr("nlpreg.training.metrics_log._SECONDS_BETWEEN_METRICS", 1000.0)
    make_trainer({"num_epochs": 1}, model).train()
    assert calls == [True, True]  # once after training, once after validation


def test_a_callback_without_hooks_does_nothing(make_trainer, tmp_path):
    callback = TrainerCallback(tmp_path)
    assert callback.state_dict() == {}
    callback.load_state_dict({})
    assert not callback.wants_batch_metrics(None, True)
    assert callback.on_backward(None, {}, False) is False
    callback.on_start("trainer")
    assert callback.trainer == "trainer"


@pytest.mark.parametrize("reads", [True, False])
def test_outputs_are_kept_only_for_who_reads_them(make_trainer, reads):
    seen = []

    @TrainerCallback.register("look")
    class Look(TrainerCallback):
        reads_batch_outputs = reads

        def on_batch(self, trainer, batch_inputs, batch_outputs, *args, is_training, **kwargs):
            seen.extend(sorted(outputs) for outputs in batch_outputs if is_training)

    make_trainer({"callbacks": ["look"], "num_epochs": 1}).train()
    assert seen == [["loss", "prediction"] if reads else []] * 7


def test_several_callbacks_take_turns_in_the_order_of_the_config(make_trainer):
    seen = []

    class Note(TrainerCallback):
        """Notes which hook was called; those named `runs...` run the backward pass."""

        def __init__(self, serialization_dir, name):
            super().__init__(serialization_dir)
            self.name = name

        def on_start(self, trainer, is_primary=True, **kwargs):
            seen.append(("start", self.name))

        def on_backward(self, trainer, batch_outputs, backward_called, **kwargs):
            seen.append(("backward", self.name, backward_called))
            if self.name == "runs":
                trainer.backward(batch_outputs)
            return self.name == "runs"

        def on_epoch(self, trainer, metrics, epoch, is_primary=True, **kwargs):
            seen.append(("epoch", self.name))

        def on_end(self, trainer, metrics=None, epoch=None, is_primary=True, **kwargs):
            seen.append(("end", self.name))

    TrainerCallback.register("note")(Note)
    names = ["a", "runs", "b"]
    config = {"num_epochs": 1, "callbacks": [{"type": "note", "name": name} for name in names]}
    trainer = make_trainer(config)
    assert [type(callback).__name__ for callback in trainer._callbacks] == [
        *["Note"] * 3,
        "ConsoleLoggerCallback",
        "ConfidenceChecksCallback",
    ]
    trainer.train()
    for hook in ("start", "epoch", "end"):
        assert [event[1] for event in seen if event[0] == hook] == names
    backward = [event[1:] for event in seen if event[0] == "backward"]
    assert backward == [("a", False), ("runs", False), ("b", True)] * 7
    own = make_trainer(
        {"callbacks": [{"type": "console_logger", "should_log_inputs": False}, "sanity_checks"]}
    )
    assert len(own._callbacks) == 2  # the default ones are given already
