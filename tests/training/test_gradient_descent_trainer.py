import json
import logging
import math

import pytest
import torch
from torch import nn

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.nn.regularizers import L2Regularizer, RegularizerApplicator
from nlpreg.training import GradientDescentTrainer, Trainer
from nlpreg.training.callbacks import ConfidenceChecksCallback, ConsoleLoggerCallback, TrainerCallback
from nlpreg.training.gradient_descent_trainer import check_options, parameters_to_train
from nlpreg.training.losses import NonFiniteLossError
from nlpreg.training.optimizers import Optimizer
from nlpreg.training.run import steps_per_epoch


def test_a_run_equals_a_plain_loop(make_trainer, tiny_model, tiny_loader):
    model = tiny_model()
    metrics = make_trainer({"optimizer": {"type": "sgd", "lr": 0.1, "fused": False}}, model).train()

    plain, loader, best = tiny_model(), tiny_loader(), None
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    for _ in range(2):
        losses = []
        for batch in loader:
            optimizer.zero_grad()
            loss = plain(**batch)["loss"]
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            values = [plain(**batch)["loss"].item() for batch in tiny_loader(3, seed=5)]
        best = min(best or math.inf, sum(values) / 3)
    assert metrics["training_loss"] == pytest.approx(sum(losses) / 7, rel=1e-6)
    assert metrics["validation_loss"] == pytest.approx(sum(values) / 3, rel=1e-6)
    assert metrics["best_validation_loss"] == pytest.approx(best, rel=1e-6)
    for parameter, expected in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected)


def test_metrics_have_the_keys_of_the_table_in_order(make_trainer, tiny_model, tmp_path):
    metrics = make_trainer(model=tiny_model(penalty=0.01)).train()
    assert list(metrics) == [
        "best_epoch",
        "peak_worker_0_memory_MB",
        "training_duration",
        "epoch",
        "training_error",
        "training_loss",
        "training_reg_loss",
        "training_worker_0_memory_MB",
        "validation_error",
        "validation_loss",
        "validation_reg_loss",
        "best_validation_error",
        "best_validation_loss",
        "best_validation_reg_loss",
    ]
    assert metrics["validation_reg_loss"] == 0.0
    assert metrics["training_reg_loss"] > 0.0
    written = json.loads((tmp_path / "run" / "metrics_epoch_1.json").read_text())
    assert written == metrics
    assert list(written) == list(metrics)


def test_without_validation_the_last_epoch_is_best(make_trainer, tiny_model, tmp_path):
    model = tiny_model()
    metrics = make_trainer(model=model, validation=False).train()
    assert not any("validation" in name for name in metrics)
    assert metrics["best_epoch"] is None
    best = torch.load(tmp_path / "run" / "best.th", weights_only=True)
    assert all(torch.equal(best[name], value) for name, value in model.state_dict().items())


def test_the_best_weights_are_in_the_model_in_the_end(make_trainer, tiny_model, tmp_path):
    model = tiny_model()
    # a rate that makes the loss rise in every epoch but the first
    trainer = make_trainer(
        {"optimizer": {"type": "sgd", "lr": 0.02}, "num_epochs": 3, "callbacks": ["spoil"]}, model
    )
    metrics = trainer.train()
    assert metrics["best_epoch"] == 0
    assert metrics["epoch"] == 2
    best = torch.load(tmp_path / "run" / "best.th", weights_only=True)
    assert all(torch.equal(best[name], value) for name, value in model.state_dict().items())
    assert model.scale.item() < 2
    assert trainer.get_best_weights_path() == str(tmp_path / "run" / "best.th")


@pytest.fixture(autouse=True)
def spoil():
    @TrainerCallback.register("spoil")
    class Spoil(TrainerCallback):
        """Makes the weights worse in every epoch but the first."""

        def on_batch(self, trainer, *args, **kwargs):
            if (
                kwargs["is_training"]
                and trainer._total_batches_completed % 7 == 0
                and trainer._epochs_completed
            ):
                trainer.model.scale.data.add_(5)


def test_patience_counts_validations_without_a_new_best(make_trainer):
    trainer = make_trainer(
        {"patience": 2, "num_epochs": 50, "callbacks": ["spoil"], "optimizer": {"type": "sgd", "lr": 0.01}}
    )
    assert trainer.train()["epoch"] == 2


@pytest.mark.parametrize("patience", [0, -1, 1.5])
def test_a_patience_that_makes_no_sense(make_trainer, tiny_model, tiny_loader, patience):
    model = tiny_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ConfigurationError, match="patience: expected an integer above 0"):
        GradientDescentTrainer(model, optimizer, tiny_loader(), patience=patience, cuda_device=-1)


def test_plain_construction_with_positional_arguments(tiny_model, tiny_loader, tmp_path):
    model = tiny_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = GradientDescentTrainer(
        model, optimizer, tiny_loader(), None, "-loss", tiny_loader(2, 5), 1, tmp_path, None, -1, 1.0
    )
    assert trainer.train()["best_epoch"] == 0
    assert (tmp_path / "best.th").exists()
    assert not list(tmp_path.glob("model_state_*"))  # no checkpointer, no checkpoints
    assert model.training is False  # as the last phase left it


def test_default_callbacks_are_added_once(make_trainer):
    kinds = [type(c) for c in make_trainer()._callbacks]
    assert kinds == [ConsoleLoggerCallback, ConfidenceChecksCallback]
    configured = make_trainer({"callbacks": [{"type": "console_logger", "should_log_inputs": False}, "null"]})
    kinds = [type(c) for c in configured._callbacks]
    assert kinds == [ConsoleLoggerCallback, TrainerCallback, ConfidenceChecksCallback]
    bare = make_trainer({"enable_default_callbacks": False, "run_confidence_checks": False})
    assert bare._callbacks == []


def test_the_older_name_of_confidence_checks(make_trainer):
    with pytest.warns(DeprecationWarning, match="run_confidence_checks"):
        trainer = make_trainer({"run_sanity_checks": False})
    assert [type(c) for c in trainer._callbacks] == [ConsoleLoggerCallback]


def test_a_key_that_nothing_takes_is_an_error(make_trainer):
    with pytest.raises(ConfigurationError, match='patence: unknown key; did you mean "patience"'):
        make_trainer({"patence": 3})


def test_frozen_parameters_stay(make_trainer, tiny_model):
    model = tiny_model()
    before = model.linear.weight.detach().clone()
    make_trainer({"no_grad": ["^linear"]}, model).train()
    assert torch.equal(model.linear.weight, before)
    assert not model.linear.bias.requires_grad
    assert model.scale.item() != 1.0


def test_freezing_everything_is_an_error(make_trainer):
    with pytest.raises(ConfigurationError, match="no_grad: expected some parameters to train"):
        make_trainer({"no_grad": ["."]})


def test_grad_norm_and_grad_clipping(make_trainer, tiny_model):
    norms = []

    @TrainerCallback.register("norms")
    class Norms(TrainerCallback):
        def on_batch(self, trainer, *args, batch_grad_norm=None, is_training=True, **kwargs):
            if is_training:
                gradients = [p.grad.norm() for p in trainer.model.parameters()]
                norms.append((float(batch_grad_norm), float(torch.stack(gradients).norm())))

    make_trainer({"grad_norm": 0.5, "callbacks": ["norms"]}, folder="a").train()
    assert all(after == pytest.approx(min(before, 0.5), rel=1e-4) for before, after in norms)
    assert any(before > 0.5 for before, _ in norms)
    norms.clear()
    make_trainer({"grad_norm": True, "callbacks": ["norms"]}, folder="b").train()
    assert all(after == pytest.approx(before) for before, after in norms)
    norms.clear()
    make_trainer({"grad_norm": True, "grad_clipping": 0.01, "callbacks": ["norms"]}, folder="c").train()
    assert all(after <= 0.01 * math.sqrt(5) + 1e-6 for _, after in norms)


@pytest.mark.parametrize("reports_weight", [True, False])
def test_accumulation_gives_the_gradient_of_one_large_batch(
    make_trainer, tiny_model, tiny_loader, reports_weight
):
    # batches of different sizes: only by their weights do they make the mean over all instances
    sizes = (1, 5, 2) if reports_weight else (4,)
    many, one = tiny_loader(6, sizes=sizes), tiny_loader(2, sizes=sizes)
    joined = []
    for start in (0, 3):
        parts = [many.batch(0, index) for index in range(start, start + 3)]
        joined.append({name: torch.cat([part[name] for part in parts]) for name in parts[0]})
    one.batch = lambda epoch, index: joined[index]
    models = tiny_model(reports_weight=reports_weight), tiny_model(reports_weight=reports_weight)
    config = {"num_epochs": 1, "num_gradient_accumulation_steps": 3}
    accumulated = make_trainer(config, models[0], many, validation=False, folder="a").train()
    at_once = make_trainer({"num_epochs": 1}, models[1], one, validation=False, folder="b").train()
    for parameter, expected in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(parameter, expected)
    assert accumulated["training_loss"] == pytest.approx(at_once["training_loss"], rel=1e-5)


def test_the_last_group_may_be_shorter(make_trainer):
    trainer = make_trainer({"num_epochs": 1, "num_gradient_accumulation_steps": 3})
    assert trainer.run.steps_per_epoch == 3
    trainer.train()
    assert trainer._total_batches_completed == 3


def test_a_loss_that_is_not_a_number_stops_the_run(make_trainer, tiny_loader, tmp_path):
    loader = tiny_loader()
    good = loader.batch
    loader.batch = lambda epoch, index: (
        {"x": torch.full((1, 3), math.nan), "y": torch.zeros(1)}
        if (epoch, index) == (1, 3)
        else good(epoch, index)
    )
    trainer = make_trainer({"num_epochs": 5, "checkpointer": {"save_every_num_batches": 1}}, loader=loader)
    with pytest.raises(NonFiniteLossError, match="epoch 1, batch 4, is nan"):
        trainer.train()
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())  # stopped before the update
    newest = max((tmp_path / "run").glob("model_state_*"), key=lambda path: path.stat().st_mtime)
    assert newest.name == "model_state_e1_b3.th"
    assert all(torch.isfinite(v).all() for v in torch.load(newest, weights_only=True).values())


def test_weights_that_are_not_finite_are_never_saved(make_trainer, tmp_path):
    @TrainerCallback.register("break_weights")
    class BreakWeights(TrainerCallback):
        def on_epoch(self, trainer, metrics, epoch, is_primary=True, **kwargs):
            if epoch == 1:
                trainer.model.scale.data.fill_(math.inf)

    trainer = make_trainer({"num_epochs": 5, "callbacks": ["break_weights"]})
    with pytest.raises(NonFiniteLossError, match="weights scale are NaN or infinite after epoch 2"):
        trainer.train()
    assert [path.name for path in (tmp_path / "run").glob("model_state_*")] == ["model_state_e1_b0.th"]


def test_detect_anomaly_names_the_operation(make_trainer, tiny_loader):
    loader = tiny_loader()
    loader.batch = lambda epoch, index: {"x": torch.full((1, 3), math.nan), "y": torch.zeros(1)}
    with (
        pytest.warns(UserWarning, match="Error detected in"),
        pytest.raises(RuntimeError, match="returned nan values"),
    ):
        make_trainer({"detect_anomaly": True}, loader=loader).train()
    assert not torch.is_anomaly_enabled()


def test_training_needs_a_loss(make_trainer, tiny_model):
    model = tiny_model()
    model.forward = lambda x, y: {"prediction": x}
    with pytest.raises(RuntimeError, match="expected a key 'loss' in training"):
        make_trainer(model=model).train()


def test_validation_without_losses(make_trainer, tiny_model):
    model = tiny_model()
    forward = model.forward

    def without_loss(x, y):
        outputs = forward(x, y)
        return outputs if model.training else {"prediction": outputs["prediction"]}

    model.forward = without_loss
    metrics = make_trainer({"validation_metric": "-error"}, model).train()
    assert metrics["validation_loss"] == 0.0
    assert metrics["best_validation_error"] > 0.0


def test_an_unknown_validation_metric(make_trainer):
    with pytest.raises(ConfigurationError, match="the validation has no metric 'acuracy'; got error, loss"):
        make_trainer({"validation_metric": "+acuracy"}).train()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", None])
def test_half_precision_on_a_cpu(make_trainer, tiny_model, dtype):
    seen = set()

    @TrainerCallback.register("see_dtype")
    class SeeDtype(TrainerCallback):
        def on_batch(self, trainer, batch_inputs, batch_outputs, *args, **kwargs):
            seen.add(batch_outputs[0]["dtype"])

    model = tiny_model()
    forward = model.forward
    model.forward = lambda x, y: {**forward(x, y), "dtype": torch.mm(x, x.T).dtype}
    trainer = make_trainer(
        {"use_amp": True, "amp_dtype": dtype, "grad_norm": 1.0, "callbacks": ["see_dtype"]}, model
    )
    assert (trainer._scaler is not None) == (dtype == "float16")
    metrics = trainer.train()
    assert seen == {torch.float16 if dtype == "float16" else torch.bfloat16}
    assert math.isfinite(metrics["training_loss"])
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_validation_every_so_many_updates(make_trainer, tmp_path):
    trainer = make_trainer({"num_epochs": 2, "validate_every_num_batches": 3})
    metrics = trainer.train()
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    validations = [line["step"] for line in lines if line["event"] == "validation"]
    assert validations == [3, 6, 9, 12]
    assert trainer._metric_tracker.state_dict()["epoch_number"] == 6  # and after each epoch
    # the training metrics of an epoch go on over the validations in it
    plain = make_trainer({"num_epochs": 2}, folder="plain").train()
    assert metrics["training_error"] == plain["training_error"]
    assert metrics["validation_loss"] == plain["validation_loss"]


def test_a_line_of_an_epoch_has_its_position_time_and_learning_rate(make_trainer, tmp_path):
    make_trainer({"num_epochs": 2, "learning_rate_scheduler": {"type": "exponential", "gamma": 0.5}}).train()
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    epochs = [line for line in lines if line["event"] == "epoch"]
    assert [line["epoch"] for line in epochs] == [0, 1]
    assert [line["step"] for line in epochs] == [epochs[0]["batch"], 2 * epochs[0]["batch"]]
    assert [line["learning_rate"] for line in epochs] == pytest.approx([0.1, 0.05])
    assert 0 < epochs[0]["seconds"] <= epochs[1]["seconds"]


def test_validation_at_the_end_of_an_epoch_is_not_done_twice(make_trainer):
    trainer = make_trainer({"num_epochs": 2, "validate_every_num_batches": 7})
    trainer.train()
    assert trainer._metric_tracker.state_dict()["epoch_number"] == 2


def test_early_stopping_within_an_epoch(make_trainer, tiny_loader, tmp_path):
    @TrainerCallback.register("spoil_after_5")
    class SpoilAfter5(TrainerCallback):
        def on_batch(self, trainer, *args, is_training, **kwargs):
            if is_training and trainer._total_batches_completed == 5:
                trainer.model.scale.data.fill_(30.0)
                trainer.optimizer.param_groups[0]["lr"] = 0.0

    config = {"patience": 2, "validate_every_num_batches": 2, "callbacks": ["spoil_after_5"]}
    trainer = make_trainer(config, loader=tiny_loader(30))
    metrics = trainer.train()
    assert trainer._total_batches_completed == 8  # 6 and 8 brought no new best
    assert metrics["epoch"] == 0
    assert trainer.model.scale.item() < 10  # the best weights


def test_moving_average_is_what_is_validated_and_kept(make_trainer, tiny_model, tmp_path):
    model = tiny_model()
    config = {"moving_average": {"type": "exponential", "decay": 0.5}, "num_epochs": 1}
    trainer = make_trainer(config, model)
    trainer.train()
    best = torch.load(tmp_path / "run" / "best.th", weights_only=True)
    live = torch.load(tmp_path / "run" / "model_state_e1_b0.th", weights_only=True)
    shadows = trainer._moving_average.state_dict()["shadows"]
    assert torch.equal(best["scale"], shadows["scale"])
    assert not torch.equal(best["scale"], live["scale"])
    assert torch.equal(model.scale, shadows["scale"])


def test_schedulers_step_before_each_update_and_after_each_epoch(make_trainer):
    rates = []

    @TrainerCallback.register("rates")
    class Rates(TrainerCallback):
        def on_batch(self, trainer, *args, is_training, **kwargs):
            if is_training:
                rates.append(trainer.optimizer.param_groups[0]["lr"])

    config = {
        "num_epochs": 2,
        "optimizer": {"type": "sgd", "lr": 1.0, "momentum": 0.9},
        "grad_norm": 0.01,
        "learning_rate_scheduler": {"type": "linear_with_warmup", "warmup_steps": 4},
        "momentum_scheduler": {"type": "inverted_triangular", "cool_down": 2, "warm_up": 3},
        "callbacks": ["rates"],
    }
    trainer = make_trainer(config)
    trainer.train()
    expected = [step / 4 if step < 4 else (14 - step) / 10 for step in range(1, 15)]
    assert rates == pytest.approx(expected)
    assert trainer.optimizer.param_groups[0]["momentum"] == pytest.approx(0.09)


@pytest.mark.parametrize(
    ("metric", "mode"), [("-loss", "min"), ("+error", "max"), (["-loss", "+error"], "max")]
)
def test_plateau_scheduler_follows_the_sign_of_the_metric(make_trainer, metric, mode):
    config = {"validation_metric": metric, "learning_rate_scheduler": {"type": "reduce_on_plateau"}}
    assert make_trainer(config)._learning_rate_scheduler.lr_scheduler.mode == mode


@pytest.mark.parametrize("mode", [None, "min", "max"])
def test_plateau_scheduler_lowers_the_rate_when_the_loss_stops_falling(make_trainer, mode):
    config = {
        "num_epochs": 4,
        "optimizer": {"type": "sgd", "lr": 1e-9},  # the loss hardly changes
        "learning_rate_scheduler": {
            "type": "reduce_on_plateau",
            "patience": 0,
            "factor": 0.5,
            "mode": mode,
            "eps": 0,
        },
        "callbacks": ["spoil"],
    }
    trainer = make_trainer(config)
    trainer.train()
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(1e-9 / 8)


def test_a_distributed_trainer_needs_a_wrapped_model(tiny_model, tiny_loader, tmp_path):
    model = tiny_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="expected ddp_wrapped_model"):
        GradientDescentTrainer(
            model,
            optimizer,
            tiny_loader(),
            serialization_dir=tmp_path,
            cuda_device=-1,
            distributed=True,
            world_size=2,
        )


def test_strings_stand_for_parts_with_defaults(tmp_path, tiny_model, tiny_loader):
    config = {
        "optimizer": "adam",
        "callbacks": ["track_epoch_callback"],
        "checkpointer": None,
        "num_epochs": 1,
    }
    trainer = Trainer.from_params(
        Params(config),
        model=tiny_model(),
        serialization_dir=str(tmp_path),
        data_loader=tiny_loader(),
        validation_data_loader=None,
    )
    assert type(trainer.optimizer).__name__ == "AdamOptimizer"
    assert trainer._checkpointer is None
    trainer.train()
    assert trainer.model.epoch == 1


def test_compiled_forward(make_trainer, tiny_model):
    model = tiny_model()
    calls = []
    model.compile = lambda **options: calls.append(options)
    make_trainer({"compile": True}, model)
    assert calls == [{"dynamic": True, "backend": "inductor"}]


def test_the_loaders_are_told_the_device(make_trainer, tiny_loader):
    loader, validation = tiny_loader(), tiny_loader(2)
    make_trainer(loader=loader, validation=validation)
    assert loader.devices == validation.devices == [torch.device("cpu")]


def test_training_on_nothing(make_trainer, tiny_loader):
    with pytest.raises(ConfigurationError, match="train_data_path: there is no batch in"):
        make_trainer(loader=tiny_loader(0)).train()


def test_validation_on_nothing_is_no_result(make_trainer, tiny_loader, tmp_path):
    with pytest.raises(ConfigurationError, match="validation_data_path: there is no batch in"):
        make_trainer(validation=tiny_loader(0)).train()
    assert not (tmp_path / "run" / "best.th").exists()


def test_one_loader_for_training_and_validation(make_trainer, tiny_loader, tiny_model):
    """A run that stopped after the last batch of an epoch validates on all batches, whatever loaders it resumes with."""
    config = {"checkpointer": {"save_every_num_batches": 1}, "num_epochs": 1}

    def run(stops, folder, **loaders):
        trainer = make_trainer(config, tiny_model(), folder=folder, **loaders)
        if stops:
            trainer._validation_loss = trainer._loop._validation_loss = stop
        return trainer.train()

    def stop(epoch):
        raise KeyboardInterrupt

    shared = tiny_loader(is_fixed=True)
    expected = run(False, "whole", loader=shared, validation=shared)["best_validation_loss"]
    shared = tiny_loader(is_fixed=True)
    with pytest.raises(KeyboardInterrupt):
        run(True, "broken", loader=shared, validation=shared)
    resumed = run(False, "broken", loader=tiny_loader(is_fixed=True), validation=tiny_loader(is_fixed=True))
    assert resumed["best_validation_loss"] == pytest.approx(expected)
    with pytest.raises(ConfigurationError, match="expected a separate validation data loader"):
        make_trainer({"validate_every_num_batches": 2}, loader=shared, validation=shared)


def test_an_epochs_loss_does_not_depend_on_the_batches(make_trainer, tiny_model, tiny_loader):
    """Without updates, batches of 1, 5 and 2 rows give the mean over the 8 rows."""
    loader, config = (
        tiny_loader(3, sizes=(1, 5, 2)),
        {"optimizer": {"type": "sgd", "lr": 0.0}, "num_epochs": 1},
    )
    metrics = make_trainer(
        config, tiny_model(reports_weight=True), loader, tiny_loader(3, sizes=(1, 5, 2))
    ).train()
    model = tiny_model()
    errors = []
    with torch.no_grad():
        for index in range(3):
            batch = loader.batch(0, index)
            prediction = model.scale * model.linear(batch["x"]).squeeze(-1)
            errors.append((prediction - batch["y"]).square())
    expected = torch.cat(errors).mean().item()
    assert metrics["training_loss"] == pytest.approx(expected, rel=1e-5)
    assert metrics["validation_loss"] == pytest.approx(expected, rel=1e-5)


def test_losses_that_are_sums_add_up(make_trainer, tiny_model, tiny_loader):
    class Sum(tiny_model):
        loss_is_sum = True

        def forward(self, x, y):
            outputs = super().forward(x, y)
            return {**outputs, "loss": outputs["loss"] * len(y)}

    config = {"optimizer": {"type": "sgd", "lr": 0.0}, "num_epochs": 1}
    losses = [
        make_trainer(config, Sum(), tiny_loader(3, sizes=(1, 5, 2)), False, folder=f"run{group}").train()
        for group in (1, 2)
    ]
    mean = make_trainer(
        config, tiny_model(reports_weight=True), tiny_loader(3, sizes=(1, 5, 2)), False
    ).train()
    for metrics in losses:
        assert metrics["training_loss"] == pytest.approx(8 * mean["training_loss"], rel=1e-5)


def test_a_run_of_so_many_updates(make_trainer, tiny_loader, tmp_path):
    """Seven updates an epoch: ten are one epoch and three updates of the next, whatever `num_epochs` says."""
    config = {"max_steps": 10, "num_epochs": 1, "learning_rate_scheduler": "linear_with_warmup"}
    trainer = make_trainer(config)
    metrics = trainer.train()
    assert metrics["epoch"] == 1
    assert trainer.run.progress.total_batches_completed == 10
    assert (tmp_path / "run" / "metrics_epoch_1.json").exists()
    assert make_trainer(config).train() == metrics  # nothing is left to do
    longer = make_trainer({**config, "max_steps": 14})
    longer.train()
    assert longer.run.progress.total_batches_completed == 14


def test_options_of_a_subclass(tiny_model, tiny_loader, tmp_path):
    """A subclass built by `from_partial_objects` takes the options of its own constructor; a typo is still an error."""

    class WithRatio(GradientDescentTrainer):
        def __init__(self, model, optimizer, data_loader, ratio: float = 0.5, **kwargs):
            super().__init__(model, optimizer, data_loader, **kwargs)
            self.ratio = ratio

    Trainer.register("with_ratio", constructor="from_partial_objects")(WithRatio)

    def build(**options):
        params = Params({"type": "with_ratio", "num_epochs": 1, "metrics_interval": 1, **options})
        return Trainer.from_params(
            params, model=tiny_model(), data_loader=tiny_loader(2), serialization_dir=str(tmp_path)
        )

    assert build(ratio=0.1).ratio == 0.1
    assert build().ratio == 0.5
    with pytest.raises(ConfigurationError, match=r"did you mean \"ratio\""):
        build(ratoi=0.1)
    with pytest.raises(ConfigurationError, match="ratio"):
        build(ratio="much")
    with pytest.raises(ConfigurationError, match="ddp_wrapped_model"):
        build(ddp_wrapped_model=None)


def test_hooks_of_subclasses(tiny_model, tiny_loader, tmp_path):
    """Those that AllenNLP's plugins override."""
    calls = []

    class Own(GradientDescentTrainer):
        def _try_train(self):
            calls.append("try_train")
            return super()._try_train()

        def _train_epoch(self, epoch):
            calls.append(f"train_epoch {epoch}")
            return super()._train_epoch(epoch)

        def _validation_loss(self, epoch):
            calls.append(f"validation_loss {epoch}")
            total, penalty, number = super()._validation_loss(epoch)
            return 2 * total, penalty, number

        def rescale_gradients(self):
            calls.append("rescale")
            return super().rescale_gradients()

        def batch_outputs(self, batch, for_training):
            calls.append("batch_outputs")
            return super().batch_outputs(batch, for_training)

    def train(cls, folder):
        model = tiny_model()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        trainer = cls(
            model,
            optimizer,
            tiny_loader(2),
            None,
            "-loss",
            tiny_loader(3),
            1,
            tmp_path / folder,
            cuda_device=-1,
        )
        return trainer, trainer.train()

    trainer, metrics = train(Own, "own")
    _, plain = train(GradientDescentTrainer, "plain")
    assert metrics["validation_loss"] == pytest.approx(2 * plain["validation_loss"])
    assert calls == [
        "try_train",
        "train_epoch 0",
        *["batch_outputs", "rescale"] * 2,
        "validation_loss 0",
        *["batch_outputs"] * 3,
    ]
    trainer._batches_in_epoch_completed = 5  # an attribute under AllenNLP's name is that of the run
    assert trainer.run.progress.batches_in_epoch_completed == 5


def test_parameters_are_frozen_by_name(caplog):
    module = nn.ModuleDict({"embedder": nn.Linear(1, 1), "head": nn.Linear(1, 1)})
    with caplog.at_level(logging.INFO):
        trained = parameters_to_train(module, ["^embedder", "bias$"])
    assert [name for name, _ in trained] == ["head.weight"]
    assert "are frozen: embedder.weight, embedder.bias, head.bias" in caplog.text
    assert "are tunable: head.weight" in caplog.text


def test_the_wrapper_of_a_distributed_run_does_not_show_in_names():
    wrapped = nn.ModuleDict({"module": nn.ModuleDict({"head": nn.Linear(1, 1)})})
    assert [name for name, _ in parameters_to_train(wrapped, ["^head.bias"])] == ["head.weight"]


def test_a_model_without_parameters():
    with pytest.raises(ConfigurationError, match="use the trainer `counting` .*, or `no_op`"):
        parameters_to_train(nn.Identity(), None)


@pytest.mark.parametrize(("length", "group", "steps"), [(7, 1, 7), (7, 3, 3), (6, 3, 2), (0, 2, 0)])
def test_updates_of_an_epoch(tiny_loader, length, group, steps):
    assert steps_per_epoch(tiny_loader(length), group) == steps


def test_a_loader_without_length(tiny_loader):
    class Endless(tiny_loader):
        def __len__(self):
            raise TypeError("no length")

    assert steps_per_epoch(Endless(), 1) is None


@pytest.mark.parametrize("patience", [0, -1, 1.5, True])
def test_options_that_make_no_sense(patience):
    with pytest.raises(ConfigurationError, match="patience: expected an integer above 0 or null"):
        check_options(patience)


@pytest.mark.parametrize(
    "name", ["validate_every_num_batches", "num_gradient_accumulation_steps", "metrics_interval"]
)
def test_numbers_have_to_be_above_0(make_trainer, name):
    with pytest.raises(ConfigurationError, match=f"{name}: expected 1 or more, got 0"):
        make_trainer({name: 0})


def test_a_loader_without_length_can_be_trained_on(make_trainer, tiny_loader):
    class Endless(tiny_loader):
        def __len__(self):
            raise TypeError("no length")

    trainer = make_trainer({"num_epochs": 1}, loader=Endless(3))
    assert trainer.run.steps_per_epoch is None
    assert torch.isfinite(torch.tensor(trainer.train()["training_loss"]))
    with pytest.raises(ConfigurationError, match="number of steps of an epoch is unknown"):
        make_trainer({"learning_rate_scheduler": "linear_with_warmup"}, loader=Endless(3), folder="b")


def test_gradients_are_not_turned_around(make_trainer):
    with pytest.raises(ConfigurationError, match="grad_norm: expected 0 or more, got -1"):
        make_trainer({"grad_norm": -1.0})
    assert make_trainer({"grad_norm": True})._grad_norm is True


GROUPS = [[["weight"], {"lr": 0.5}], [["scale"], {"requires_grad": False}]]


@pytest.mark.parametrize("name", sorted(set(Optimizer.list_available()) - {"multi", "lbfgs", "muon"}))
def test_every_optimizer_takes_groups_and_knows_its_options(make_trainer, tiny_model, name):
    config = {"type": name, "parameter_groups": GROUPS, **({"lr": 0.1} if name == "sgd" else {})}
    groups = make_trainer({"optimizer": config}, tiny_model()).optimizer.param_groups
    assert [len(group["params"]) for group in groups] == [1, 1]
    assert groups[0]["lr"] == 0.5
    config["parameter_groups"] = [[["weight"], {"lrr": 0.5}]]
    with pytest.raises(ConfigurationError, match="has no option 'lrr'; did you mean \"lr\""):
        make_trainer({"optimizer": config}, tiny_model())


def test_options_of_several_optimizers(make_trainer, tiny_model):
    inner = {"default": "adam", "other": {"type": "sgd", "lr": 1.0}}
    config = {"type": "multi", "optimizers": inner}
    groups = [[["weight"], {"optimizer_name": "other", "momentum": 0.5}]]
    make_trainer({"optimizer": {**config, "parameter_groups": groups}}, tiny_model())
    groups = [[["weight"], {"optimizer_name": "other", "betas": [0.5, 0.5]}]]
    with pytest.raises(ConfigurationError, match="SgdOptimizer has no option 'betas'"):
        make_trainer({"optimizer": {**config, "parameter_groups": groups}}, tiny_model())


def test_patterns_that_match_nothing_are_named(make_trainer, tiny_model):
    with pytest.raises(
        ConfigurationError, match=r"no_grad: 'liner' matches no parameter; .* are linear.weight"
    ):
        make_trainer({"no_grad": ["scale", "liner"]})
    model = tiny_model()
    trainable = parameters_to_train(
        model, iter(["scale", "bias"])
    )  # used up by the first parameter otherwise
    assert [name for name, _ in trainable] == ["linear.weight"]


def test_a_penalty_on_nothing_is_named(make_trainer, tiny_model):
    model = tiny_model()
    penalty = RegularizerApplicator(iter([("liner.weight", L2Regularizer(0.1))]))
    model.get_regularization_penalty = lambda: penalty(model)
    with pytest.raises(
        ConfigurationError, match=r"regularizer: 'liner.weight' matches no parameter; .* linear.w"
    ):
        make_trainer(model=model).train()
    penalty = RegularizerApplicator(iter([("weight", L2Regularizer(0.1)), ("bias|scale", L2Regularizer())]))
    assert penalty(model) > 0
