import pytest
import torch

from nlpreg.training.callbacks import LogWriterCallback, TrainerCallback
from nlpreg.training.callbacks.log_writer import activations_by_name, learning_rates, parameter_statistics


def test_parameters_and_gradients():
    model = torch.nn.Linear(2, 1)
    model(torch.tensor([[1.0, 3.0]])).sum().backward()
    model.register_parameter("empty", torch.nn.Parameter(torch.zeros(0)))
    scalars = parameter_statistics(model)
    assert scalars["gradient_mean/weight"].item() == 2.0
    assert scalars["gradient_std/weight"].item() == torch.tensor([1.0, 3.0]).std().item()
    assert scalars["parameter_mean/bias"].item() == model.bias.item()
    assert not any("empty" in name for name in scalars)


def test_learning_rates():
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD([{"params": [model.weight], "lr": 0.5}, {"params": [model.bias]}], lr=0.1)
    model.bias.requires_grad_(False)
    assert learning_rates(model, optimizer) == {"weight": 0.5, "bias": 0.0}


def test_activations():
    module, one = torch.nn.Identity(), torch.ones(1)
    assert list(activations_by_name(module, one)) == ["Identity"]
    assert list(activations_by_name(module, (one, None, one))) == ["Identity_0", "Identity_2"]
    assert list(activations_by_name(module, {"a": one, "b": "x"})) == ["Identity_a"]
    assert activations_by_name(module, "text") == {}


@pytest.fixture
def written():
    """What was written: (kind, prefix, name, step or None, epoch or None) with the values."""
    found = {}

    @TrainerCallback.register("dictionary")
    class Dictionary(LogWriterCallback):
        def log_scalars(self, scalars, log_prefix="", epoch=None):
            self._note("scalar", scalars, log_prefix, epoch)

        def log_tensors(self, tensors, log_prefix="", epoch=None):
            self._note("tensor", tensors, log_prefix, epoch)

        def log_inputs(self, inputs, log_prefix=""):
            found.setdefault("inputs", []).append(len(inputs))

        def close(self):
            found["closed"] = True

        def _note(self, kind, values, prefix, epoch):
            step = self.trainer._total_batches_completed if epoch is None else f"epoch {epoch}"
            for name, value in values.items():
                found.setdefault((kind, f"{prefix}/{name}".lstrip("/")), {})[step] = value

    return found


def run(make_trainer, model=None, **options):
    config = {"num_epochs": 2, "grad_norm": True, "callbacks": [{"type": "dictionary", **options}]}
    trainer = make_trainer(config, model)
    return trainer, trainer.train()


def test_scalars_of_updates(make_trainer, tiny_model, written):
    run(make_trainer, tiny_model(penalty=0.1), summary_interval=5, should_log_parameter_statistics=False)
    names = {
        name
        for kind, name in (key for key in written if isinstance(key, tuple))
        if name.startswith("train/batch")
    }
    assert names == {
        "train/batch_loss",
        "train/batch_loss_mov_avg",
        "train/batch_reg_loss",
        "train/batch_reg_loss_mov_avg",
        "train/batch_error",
    }
    losses = written["scalar", "train/batch_loss"]
    assert list(losses) == [5, 10]
    assert written["scalar", "train/batch_loss_mov_avg"][10] == pytest.approx(sum(losses.values()) / 2)
    assert written["inputs"] == [1, 1]
    assert written["closed"]


def test_metrics_of_epochs(make_trainer, written):
    _, metrics = run(make_trainer)
    assert list(written["scalar", "train/loss"]) == ["epoch 0", "epoch 1"]
    assert written["scalar", "validation/loss"]["epoch 1"] == metrics["validation_loss"]
    assert ("scalar", "train/worker_0_memory_MB") not in written


def test_statistics_of_parameters(make_trainer, written):
    trainer, _ = run(make_trainer, summary_interval=14, should_log_learning_rate=True)
    gradients = {name: p.grad for name, p in trainer.model.named_parameters()}
    assert written["scalar", "gradient_mean/linear.weight"][14] == gradients["linear.weight"].mean()
    assert written["scalar", "gradient_std/linear.weight"][14] == gradients["linear.weight"].std()
    assert ("scalar", "parameter_std/linear.weight") in written
    assert ("scalar", "parameter_std/scale") not in written  # a single value
    assert written["scalar", "learning_rate/scale"] == {14: 0.1}
    norm = torch.stack([g.norm() for g in gradients.values()]).norm()
    torch.testing.assert_close(written["scalar", "gradient_norm"][14], norm)


def test_batch_sizes(make_trainer, written):
    run(make_trainer, batch_size_interval=3)
    assert written["scalar", "train/batch_size"] == {3: 4, 6: 4, 10: 4, 13: 4}
    assert written["scalar", "train/mean_batch_size"][13] == 4.0


def test_histograms(make_trainer, tiny_model, written):
    model = tiny_model()
    model.linear.should_log_activations = True
    run(make_trainer, model, distribution_interval=4)
    assert list(written["tensor", "parameter_histogram/linear.weight"]) == [4, 8, 12]
    assert list(written["tensor", "activation_histogram/Linear"]) == [4, 8, 12]
    assert written["tensor", "activation_histogram/Linear"][4].shape == (4, 1)
    shares = written["scalar", "gradient_update/linear.weight"]
    assert list(shares) == [4, 8, 12]
    assert all(share > 0 for share in shares.values())
    assert not model.linear._forward_hooks


def test_nothing_is_written_when_nothing_is_due(make_trainer, written):
    run(make_trainer, summary_interval=1000)
    assert {name for key in written if isinstance(key, tuple) for name in [key[1]]} == {
        "train/error",
        "train/loss",
        "validation/error",
        "validation/loss",
    }


def test_the_base_writes_nowhere(tmp_path):
    callback = LogWriterCallback(tmp_path)
    for method in (callback.log_scalars, callback.log_tensors):
        with pytest.raises(NotImplementedError, match="LogWriterCallback does not implement"):
            method({})
