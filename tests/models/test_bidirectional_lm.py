import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.config.hints import signature_of
from nlpreg.common.params import Params
from nlpreg.models.bidirectional_lm import BidirectionalLanguageModel
from nlpreg.models.model import Model


def make_model(vocab, name, **contextualizer):
    torch.manual_seed(0)
    config = {
        "type": name,
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}},
        "contextualizer": {"type": "lstm", "input_size": 8, "hidden_size": 3, **contextualizer},
    }
    if name == "language_model":
        config["bidirectional"] = True
    return Model.from_params(Params(config), vocab=vocab)


def test_it_is_the_language_model_of_both_directions(tag_vocab, tokens):
    short = make_model(tag_vocab, "bidirectional-language-model", bidirectional=True)
    long = make_model(tag_vocab, "language_model", bidirectional=True)
    assert type(short) is BidirectionalLanguageModel
    assert list(short.state_dict()) == list(long.state_dict())
    torch.testing.assert_close(short(tokens)["loss"], long(tokens)["loss"])
    assert short(tokens)["backward_loss"] is not None


def test_the_number_of_directions_is_no_argument(tag_vocab):
    model = make_model(tag_vocab, "bidirectional-language-model", bidirectional=True)
    assert "bidirectional" not in signature_of(type(model)).parameters
    config = {"type": "bidirectional-language-model", "bidirectional": True}
    with pytest.raises(ConfigurationError, match="bidirectional"):
        Model.from_params(Params(config), vocab=tag_vocab)


def test_one_direction_is_not_enough(tag_vocab):
    with pytest.raises(ConfigurationError, match="has to equal model.bidirectional"):
        make_model(tag_vocab, "bidirectional-language-model", bidirectional=False)


@pytest.mark.parametrize(
    "contextualizer",
    [
        {
            "type": "bidirectional_language_model_transformer",
            "input_dim": 8,
            "hidden_dim": 16,
            "num_layers": 2,
        },
        {"type": "gated-cnn-encoder", "input_dim": 8, "layers": [[[2, 8]], [[2, 8], [2, 8]]]},
    ],
)
def test_no_peeking_with_other_contextualizers(tag_vocab, contextualizer):
    config = {
        "type": "bidirectional-language-model",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}},
        "contextualizer": contextualizer,
    }
    torch.manual_seed(0)
    model = Model.from_params(Params(config), vocab=tag_vocab).eval()
    ids = torch.tensor([[2, 3, 4, 5, 6]])
    changed = torch.tensor([[2, 3, 9, 5, 6]])
    before, after = (model({"tokens": each})["lm_embeddings"] for each in (ids, changed))
    half = before.size(-1) // 2
    torch.testing.assert_close(before[:, :2, :half], after[:, :2, :half])
    torch.testing.assert_close(before[:, 3:, half:], after[:, 3:, half:])
    assert not torch.equal(before[:, 2], after[:, 2])
