import math

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params
from nlpreg.models.model import Model


def make_model(vocab, head_width=3, **arguments):
    torch.manual_seed(0)
    config = {
        "type": "masked_language_model",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}},
        "contextualizer": {"type": "lstm", "input_size": 4, "hidden_size": 3},
        "language_model_head": {"type": "linear", "input_dim": head_width, "vocab_namespace": "tokens"},
        "target_namespace": "tokens",
        **arguments,
    }
    return Model.from_params(Params(config), vocab=vocab)


def states_of(model, tokens):
    return model._contextualizer(model._text_field_embedder(tokens), tokens["tokens"]["tokens"] > 0)


def test_predictions_at_the_masks(tag_vocab, tokens):
    model = make_model(tag_vocab)
    positions = torch.tensor([[[0], [3]], [[1], [0]], [[0], [0]]])
    targets = torch.tensor([[4, 5], [6, 7], [8, 9]])
    output = model(tokens, positions, {"tokens": {"tokens": targets}})
    states = states_of(model, tokens)
    scores = torch.stack([model._language_model_head(states[row][positions[row, :, 0]]) for row in range(3)])
    expected = scores.softmax(-1).topk(5)
    torch.testing.assert_close(output["probabilities"], expected.values)
    assert output["top_indices"].tolist() == expected.indices.tolist()
    loss = -scores.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).mean()
    torch.testing.assert_close(output["loss"], loss)
    assert model.get_metrics() == {"perplexity": pytest.approx(math.exp(loss.item()), rel=1e-5)}
    output["loss"].backward()


def test_texts_with_fewer_masks(tag_vocab, tokens):
    model = make_model(tag_vocab)
    positions = torch.tensor([[[0], [3]], [[1], [-1]], [[-1], [-1]]])
    targets = torch.tensor([[4, 5], [6, 0], [0, 0]])
    loss = model(tokens, positions, {"tokens": {"tokens": targets}})["loss"]
    states = states_of(model, tokens)
    log_probabilities = model._language_model_head(states).log_softmax(-1)
    expected = log_probabilities[0, 0, 4] + log_probabilities[0, 3, 5] + log_probabilities[1, 1, 6]
    torch.testing.assert_close(loss, -expected / 3)


def test_readable_outputs(tag_vocab, tokens):
    model = make_model(tag_vocab)
    output = model.make_output_human_readable(model(tokens, torch.tensor([[[1]], [[0]], [[0]]])))
    assert output["tokens"][0] == ["the", "dog", "ate", "apple"]
    assert [[len(words) for words in text] for text in output["words"]] == [[5]] * 3
    assert output["words"][0][0][0] == tag_vocab.get_token_from_index(output["top_indices"][0, 0, 0].item())
    assert "loss" not in output


def test_as_many_targets_as_masks(tag_vocab, tokens):
    with pytest.raises(ValueError, match=r"as many as there are masks, \(3, 1\), got \(3, 2\)"):
        make_model(tag_vocab)(
            tokens, torch.zeros(3, 1, 1, dtype=torch.long), {"tokens": {"tokens": torch.ones(3, 2).long()}}
        )


def test_bad_configs(tag_vocab):
    with pytest.raises(ConfigurationError, match="the input of language_model_head has width 4"):
        make_model(tag_vocab, head_width=4)
    with pytest.raises(ConfigurationError, match="the input of contextualizer has width 7"):
        make_model(tag_vocab, contextualizer={"type": "lstm", "input_size": 7, "hidden_size": 3})
