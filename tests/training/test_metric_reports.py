import pytest

from nlpreg.training.metric_reports import (
    HasBeenWarned,
    description_from_metrics,
    get_metrics,
    get_train_and_validation_metrics,
)


def test_losses_stand_after_the_metrics_of_the_model(tiny_model):
    model = tiny_model()
    model.error(0.5)
    metrics = get_metrics(model, 6.0, 3.0, 1.5, 0.5, 4)
    assert list(metrics.items()) == [
        ("error", 0.5),
        ("batch_loss", 1.5),
        ("loss", 1.5),
        ("batch_reg_loss", 0.5),
        ("reg_loss", 0.75),
    ]
    assert get_metrics(model, 0.0, None, None, None, 0, reset=True) == {"error": 0.5, "loss": 0.0}
    assert get_metrics(model, 0.0, None, None, None, 0) == {"error": 0.0, "loss": 0.0}


def test_descriptions(monkeypatch, caplog):
    monkeypatch.setattr(HasBeenWarned, "tqdm_ignores_underscores", False)
    metrics = {"acc": 0.8125, "batch_loss": 0.441, "_hidden": 3.0, "loss": 0.50234}
    for _ in range(2):
        assert description_from_metrics(metrics) == "acc: 0.8125, batch_loss: 0.4410, loss: 0.5023 ||"
    assert caplog.text.count("not shown in progress bars") == 1


@pytest.mark.parametrize("name", ["duration", "start_epoch", "epochs"])
def test_training_and_validation_metrics(name):
    metrics = {
        f"training_{name}": 3,
        "training_loss": 1.0,
        "validation_loss": 2.0,
        "validation_acc": 0.5,
        "best_validation_loss": 1.5,
        "epoch": 3,
    }
    assert get_train_and_validation_metrics(metrics) == ({"loss": 1.0}, {"loss": 2.0, "acc": 0.5})
