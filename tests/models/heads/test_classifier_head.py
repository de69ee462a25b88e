import pytest
import torch

from nlpreg.common.params import Params
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.heads import ClassifierHead, Head
from nlpreg.modules.seq2vec_encoders import Seq2VecEncoder


class Untold(Seq2VecEncoder):
    def get_output_dim(self):
        raise NotImplementedError

    def forward(self, tokens, mask):
        return tokens[:, 0]


@pytest.fixture
def vocab():
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(["bad", "good"], "labels")
    return vocab


def test_against_an_independent_computation(vocab):
    head = Head.from_params(
        Params({"type": "classifier", "seq2vec_encoder": {"type": "boe", "embedding_dim": 3}}), vocab=vocab
    )
    text = torch.randn(2, 4, 3)
    mask = torch.tensor([[True] * 4, [True, False, False, False]])
    label = torch.tensor([1, 0])
    output = head(text, mask, label)
    logits = head._classification_layer(torch.stack([text[0].sum(0), text[1, 0]]))
    torch.testing.assert_close(output["logits"], logits)
    torch.testing.assert_close(output["loss"], -logits.log_softmax(-1)[range(2), label].mean())
    assert 0.0 <= head.get_metrics(reset=True)["accuracy"] <= 1.0
    readable = head.make_output_human_readable(output)
    assert readable["label"] == [["bad", "good"][best] for best in logits.argmax(-1)]
    assert {name.split(".")[0] for name in head.state_dict()} == {"_classification_layer"}


def test_without_its_outputs(vocab):
    head = ClassifierHead(vocab, Untold(), input_dim=3)
    assert head.make_output_human_readable({"other": 1}) == {"other": 1}


def test_the_width_has_to_come_from_somewhere(vocab):
    assert ClassifierHead(vocab, Untold(), input_dim=3)._classification_layer.in_features == 3
    with pytest.raises(ValueError, match="Untold does not say how wide its output is; give input_dim"):
        ClassifierHead(vocab, Untold())
