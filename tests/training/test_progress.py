import io
import sys

import pytest

from nlpreg.training.metric_reports import ProgressBar


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
