import sys
from types import SimpleNamespace

import pytest
import torch

from nlpreg.training.callbacks import TensorBoardCallback


def test_events_are_written(make_trainer, tiny_model, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    options = {"summary_interval": 5, "distribution_interval": 7, "should_log_learning_rate": True}
    make_trainer({"callbacks": [{"type": "tensorboard", **options}]}).train()
    events = {}
    for name in ("train", "validation"):
        events[name] = accumulator.EventAccumulator(str(tmp_path / "run" / "log" / name))
        events[name].Reload()
    assert [e.step for e in events["train"].Scalars("train/batch_loss")] == [6, 11]
    assert [e.step for e in events["train"].Scalars("train/loss")] == [1, 2]
    assert [e.step for e in events["validation"].Scalars("validation/loss")] == [1, 2]
    assert "learning_rate/scale" in events["train"].Tags()["scalars"]
    assert "parameter_histogram/linear.weight" in events["train"].Tags()["histograms"]


def test_without_the_package_the_error_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ImportError, match=r"pip install 'nlpreg\[tensorboard\]'"):
        TensorBoardCallback(tmp_path)


class FakeWriter:
    def __init__(self):
        self.calls = []
        self.closed = False

    def add_scalar(self, *args):
        self.calls.append(args)

    def add_histogram(self, name, values, step):
        self.calls.append((name, values.tolist(), step))

    def close(self):
        self.closed = True


def test_prefixes_choose_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("nlpreg.training.callbacks.tensorboard.optional", lambda *args, **kwargs: None)
    callback = TensorBoardCallback(tmp_path)
    callback._writers = {"train": FakeWriter(), "validation": FakeWriter()}
    callback.trainer = SimpleNamespace(
        run=SimpleNamespace(progress=SimpleNamespace(total_batches_completed=9))
    )
    callback.log_scalars({"loss": 1}, "validation", epoch=2)
    callback.log_scalars({"lr/x": torch.tensor(0.5)})
    callback.log_tensors({"w": torch.ones(1, 2)}, "parameter_histogram")
    callback.close()
    assert callback._writers["validation"].calls == [("validation/loss", 1.0, 3)]
    assert callback._writers["train"].calls == [("lr/x", 0.5, 10), ("parameter_histogram/w", [1.0, 1.0], 10)]
    assert all(writer.closed for writer in callback._writers.values())
