import json

import pytest
import torch
from torch import nn

from nlpreg.common.params import Params
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.evaluation import Evaluator, Serializer, SimpleEvaluator
from nlpreg.models import Model
from nlpreg.training.metrics import Average
from nlpreg.training.util import evaluate


class Loader:
    """Batches as they are."""

    def __init__(self, batches):
        self.batches = batches
        self.device = None

    def set_target_device(self, device):
        self.device = device

    def __iter__(self):
        return iter(self.batches)

    def __len__(self):
        return len(self.batches)


class Doubling(nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = Average()

    def forward(self, number, loss=None):
        self.seen(number)
        output = {"doubled": 2 * number, "weight": number}
        if loss is not None:
            output["loss"] = loss
        return output

    def make_output_human_readable(self, output_dict):
        output_dict["text"] = str(output_dict["doubled"].item())
        return output_dict

    def get_metrics(self, reset=False):
        return {"seen": self.seen.get_metric(reset)}


def batches(*losses):
    return [
        {"number": torch.tensor(float(n)), **({} if loss is None else {"loss": torch.tensor(loss)})}
        for n, loss in enumerate(losses, start=1)
    ]


def test_metrics_and_mean_loss(tmp_path):
    model = Doubling().train()
    loader = Loader(batches(3.0, 6.0))
    evaluator = SimpleEvaluator()
    assert evaluator(model, loader) == {"seen": 1.5, "loss": 4.5}
    assert not model.training
    assert loader.device == torch.device("cpu")
    weighted = evaluator(model, loader, "weight", tmp_path / "metrics.json")
    assert weighted == {"seen": 1.5, "loss": pytest.approx((3.0 + 2 * 6.0) / 3)}
    assert json.loads((tmp_path / "metrics.json").read_text()) == weighted
    assert evaluator(model, loader) == evaluate(model, loader)


def test_data_without_labels():
    assert SimpleEvaluator()(Doubling(), Loader(batches(None, None))) == {"seen": 1.5}


def test_labels_on_some_batches_only():
    with pytest.raises(RuntimeError, match="a loss for every batch or for none, got 1 for 2 batches"):
        SimpleEvaluator()(Doubling(), Loader(batches(1.0, None)))


def test_a_line_of_predictions_for_each_batch(tmp_path):
    path = tmp_path / "predictions.jsonl"
    SimpleEvaluator()(Doubling(), Loader(batches(None, 1.0)[:1]), predictions_output_file=path)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"number": 1.0, "doubled": 2.0, "weight": 1.0, "text": "2.0"}
    ]
    SimpleEvaluator(postprocessor_fn_name="absent")(
        Doubling(), Loader(batches(None, None)), predictions_output_file=path
    )
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["doubled"] for line in lines] == [2.0, 4.0]
    assert "text" not in lines[0]


def test_own_serializer_from_a_config(tmp_path):
    @Serializer.register("only_text")
    class OnlyText(Serializer):
        def __call__(self, batch, output_dict, data_loader, output_postprocess_function=None):
            return output_postprocess_function(output_dict)["text"]

    evaluator = Evaluator.from_params(Params({"batch_serializer": "only_text"}), cuda_device=-1)
    assert type(evaluator) is SimpleEvaluator
    path = tmp_path / "predictions.txt"
    evaluator(Doubling(), Loader(batches(None, None)), predictions_output_file=path)
    assert path.read_text() == "2.0\n4.0\n"


def test_predictions_hold_gold_labels_by_name_and_no_padding(tmp_path):
    vocab = Vocabulary()
    for word in ("the", "dog"):
        vocab.add_token_to_namespace(word)
    for tag in ("X", "Y"):
        vocab.add_token_to_namespace(tag, "labels")
    torch.manual_seed(0)
    embedder = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 3}}}
    encoder = {"type": "pass_through", "input_dim": 3}
    config = {"type": "simple_tagger", "text_field_embedder": embedder, "encoder": encoder}
    model = Model.from_params(Params(config), vocab=vocab)
    batch = {
        "tokens": {"tokens": {"tokens": torch.tensor([[2, 3], [3, 0]])}},
        "tags": torch.tensor([[0, 1], [1, 0]]),
        "metadata": [{"words": ["the", "dog"]}, {"words": ["dog"]}],
    }
    SimpleEvaluator()(model, Loader([batch]), predictions_output_file=tmp_path / "p.jsonl")
    one, other = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert (one["gold_tags"], other["gold_tags"]) == (["X", "Y"], ["Y"])
    assert one["words"] == ["the", "dog"] and other["words"] == ["dog"]
    for name in ("tags", "logits", "class_probabilities"):
        assert (len(one[name]), len(other[name])) == (2, 1)
    assert not {"_mask", "loss", "batch_weight"} & set(one)
