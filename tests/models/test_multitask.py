import pytest
import torch

from nlpreg.common.params import Params
from nlpreg.models.heads import Head
from nlpreg.models.model import Model
from nlpreg.models.multitask import MultiTaskModel
from nlpreg.modules.backbones import Backbone
from nlpreg.training.metrics import load_metrics_state_dict, metrics_state_dict

TASKS = ["sentiment", "topic", "sentiment"]


@pytest.fixture
def vocab(tag_vocab):
    tag_vocab.add_tokens_to_namespace(["bad", "good"], "sentiment_labels")
    tag_vocab.add_tokens_to_namespace(["sport", "art", "rest"], "topic_labels")
    return tag_vocab


def make_model(vocab, **arguments):
    torch.manual_seed(0)

    def head(name):
        encoder = {"type": "boe", "embedding_dim": 3}
        return {"type": "classifier", "seq2vec_encoder": encoder, "label_namespace": f"{name}_labels"}

    config = {
        "type": "multitask",
        "backbone": {
            "type": "text",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
            "encoder": {"type": "lstm", "input_size": 4, "hidden_size": 3},
        },
        "heads": {"sentiment": head("sentiment"), "topic": head("topic")},
        "arg_name_mapping": {
            "backbone": {"words": "text"},
            "sentiment": {"mood": "label"},
            "topic": {"subject": "label"},
        },
        **arguments,
    }
    return Model.from_params(Params(config), vocab=vocab)


def batch(tokens, **fields):
    return {"words": tokens, "task": TASKS, **fields}


def test_each_head_sees_the_rows_of_its_task(vocab, tokens):
    model = make_model(vocab, loss_weights={"topic": 2.0})
    output = model(**batch(tokens, mood=torch.tensor([1, 9, 0]), subject=torch.tensor([9, 2, 9])))
    encoded = model._backbone(tokens)
    torch.testing.assert_close(output["encoded_text"], encoded["encoded_text"])
    sentiment = model._heads["sentiment"](
        encoded["encoded_text"][[0, 2]], encoded["encoded_text_mask"][[0, 2]], torch.tensor([1, 0])
    )
    topic = model._heads["topic"](
        encoded["encoded_text"][[1]], encoded["encoded_text_mask"][[1]], torch.tensor([2])
    )
    torch.testing.assert_close(output["sentiment_logits"], sentiment["logits"])
    torch.testing.assert_close(output["topic_logits"], topic["logits"])
    torch.testing.assert_close(output["loss"], sentiment["loss"] + 2.0 * topic["loss"])
    output["loss"].backward()


def test_metrics_of_the_heads_that_had_a_loss(vocab, tokens):
    model = make_model(vocab)
    assert model.get_metrics() == {}
    fields = {"mood": torch.tensor([1, 0, 0]), "subject": torch.tensor([0, 2, 0])}
    model(**{**batch(tokens, **fields), "task": ["topic"] * 3})
    assert set(model.get_metrics()) == {"topic_accuracy"}
    model(**batch(tokens, **fields))
    other = make_model(vocab)
    load_metrics_state_dict(other, metrics_state_dict(model))
    assert other.get_metrics() == model.get_metrics()
    assert set(model.get_metrics(reset=True)) == {"sentiment_accuracy", "topic_accuracy"}
    assert model.get_metrics() == {}


def test_prediction_without_labels(vocab, tokens):
    model = make_model(vocab)
    output = model(**batch(tokens))
    assert "loss" not in output
    readable = model.make_output_human_readable(output)
    assert len(readable["sentiment_label"]) == 2
    assert readable["topic_label"][0] in ("sport", "art", "rest")
    single = model(words=tokens, task=["topic"] * 3)
    assert "sentiment_label" not in model.make_output_human_readable(single)


def test_bad_calls(vocab, tokens):
    with pytest.raises(ValueError, match="expected a field `task`"):
        make_model(vocab)(words=tokens)
    with pytest.raises(ValueError, match="backbone: two inputs go to the parameter 'text'"):
        make_model(vocab)(**batch(tokens, text=tokens))


def test_arguments_may_be_named(vocab, tokens):
    class Taking(Head):
        def forward(self, **kwargs):
            return {"seen": sorted(kwargs)}

        def make_output_human_readable(self, output_dict):
            return output_dict

    class Giving(Backbone):
        def forward(self, words):
            return {"text": words["tokens"]["tokens"], "number": torch.tensor(3)}

    model = MultiTaskModel(
        vocab,
        Giving(),
        {"topic": Taking(vocab)},
        allowed_arguments={"backbone": {"words"}, "topic": {"text", "number", "words", "extra"}},
    )
    output = model(**batch(tokens, extra=["a", "b", "c"], more=1))
    assert output["topic_seen"] == ["extra", "number", "text", "words"]


def test_batches_of_one_update_count_the_same(vocab, tokens):
    """Else a task with many targets would outweigh what `loss_weights` says."""
    model = make_model(vocab).train()
    output = model(**batch(tokens, mood=torch.tensor([1, 9, 0]), subject=torch.tensor([9, 2, 9])))
    assert "batch_weight" not in output
    assert {name: float(value) for name, value in output.items() if name.endswith("batch_weight")} == {
        "sentiment_batch_weight": 2,
        "topic_batch_weight": 1,
    }
    output = model.eval()(**batch(tokens, mood=torch.tensor([1, 9, 0]), subject=torch.tensor([9, 2, 9])))
    assert float(output["batch_weight"]) == 3
