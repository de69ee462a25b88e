import json

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.util import evaluate


def test_metrics_and_the_mean_of_losses(tiny_model, tiny_loader, tmp_path):
    model, loader = tiny_model(dropout=0.5), tiny_loader(3)
    metrics = evaluate(model, loader, output_file=str(tmp_path / "metrics.json"))
    assert not model.training
    assert loader.devices == [torch.device("cpu")]
    with torch.no_grad():
        losses = [model(**loader.batch(0, index))["loss"].item() for index in range(3)]
    assert metrics["loss"] == pytest.approx(sum(losses) / 3)
    assert list(metrics) == ["error", "loss"]
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics


def test_losses_are_weighted(tiny_model, tiny_loader):
    model, loader = tiny_model(reports_weight=True), tiny_loader(2, sizes=(1, 5))
    metrics = evaluate(model, loader, batch_weight_key="batch_weight")
    with torch.no_grad():
        losses = [model(**loader.batch(0, index))["loss"].item() for index in range(2)]
    assert metrics["loss"] == pytest.approx((losses[0] + 5 * losses[1]) / 6)
    again = evaluate(model, tiny_loader(2, sizes=(1, 5)))  # the same without being asked for
    assert again["loss"] == pytest.approx(metrics["loss"])


def test_predictions_are_written_batch_by_batch(tiny_model, tiny_loader, tmp_path):
    path = tmp_path / "predictions.jsonl"
    evaluate(tiny_model(), tiny_loader(3), predictions_output_file=path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [len(line["prediction"]) for line in lines] == [4, 4, 4]


def test_predictions_are_json_where_a_number_is_not(tiny_model, tiny_loader, tmp_path):
    model, path = tiny_model(), tmp_path / "predictions.jsonl"
    model.make_output_human_readable = lambda outputs: {"prediction": [float("nan")]}
    evaluate(model, tiny_loader(1), predictions_output_file=path)
    assert path.read_text() == '{"prediction": ["NaN"]}\n'


def test_a_loss_for_some_batches_only(tiny_model, tiny_loader):
    model = tiny_model()
    forward = model.forward
    model.forward = lambda x, y: forward(x, y) if len(y) > 1 else {}
    with pytest.raises(RuntimeError, match="for every batch or for none, got 1 for 2 batches"):
        evaluate(model, tiny_loader(2, sizes=(1, 5)))


def test_no_loss_at_all(tiny_model, tiny_loader):
    model = tiny_model()
    model.forward = lambda x, y: {"loss": None}
    assert evaluate(model, tiny_loader(2)) == {"error": 0.0}


def test_no_data(tiny_model, tiny_loader, tmp_path):
    path = tmp_path / "predictions.jsonl"
    with pytest.raises(ConfigurationError, match="there is no batch in the data to evaluate on"):
        evaluate(tiny_model(), tiny_loader(0), predictions_output_file=path)
    assert not path.exists()
