import io
import sys

import pytest

from nlpreg.training.metric_reports import (
    HasBeenWarned,
    ProgressBar,
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


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def on_terminal(monkeypatch):
    """Makes standard error a terminal; called within the test, since pytest sets it anew before."""

    def pretend():
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return pretend


def test_metrics_are_computed_when_they_are_shown(on_terminal, monkeypatch):
    terminal = on_terminal()
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    computed = []
    with ProgressBar(10, 0, "training", True) as bar:
        for step in range(10):
            now[0] += 0.2
            bar.advance(lambda step=step: computed.append(step) or {"loss": 0.5})
        bar.finish({"loss": 0.25})
    assert computed == [2, 5, 8]
    assert "\n" not in terminal.getvalue().strip()


def test_a_process_that_shows_nothing_computes_nothing(on_terminal):
    terminal = on_terminal()
    with ProgressBar(2, 0, "training", False) as bar:
        bar.advance(lambda: 1 / 0)
        bar.finish({"loss": 1.0})
    assert terminal.getvalue() == ""


def test_a_resumed_epoch_starts_where_it_was(on_terminal):
    on_terminal()
    with ProgressBar(10, 4, "training", True) as bar:
        assert bar._bar.n == 4
        assert bar._bar.total == 10
