import pytest
import torch

from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.transformer_classification_tt import TransformerClassificationTT

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    """The folder of a very small transformer with random weights."""
    folder = tmp_path_factory.mktemp("transformer")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "a", "b"]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    transformers.BertModel(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def model(transformer):
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(["bad", "good"], "labels")
    return TransformerClassificationTT(vocab, transformer).eval()


TEXT = {
    "tokens": {
        "token_ids": torch.tensor([[2, 5, 3, 0], [2, 6, 6, 3]]),
        "mask": torch.tensor([[True, True, True, False], [True] * 4]),
        "type_ids": torch.zeros(2, 4, dtype=torch.long),
    }
}


def test_outputs_and_metrics(model):
    assert model.get_metrics() == {"acc": 0.0}
    label = torch.tensor([1, 0])
    output = model(TEXT, label)
    log_probabilities = output["logits"].log_softmax(-1)
    torch.testing.assert_close(output["loss"], -log_probabilities[range(2), label].mean())
    assert output["answers"] == [["bad", "good"][best] for best in output["logits"].argmax(-1)]
    right = (output["logits"].argmax(-1) == label).double().mean().item()
    metrics = model.get_metrics(reset=True)
    assert metrics["acc"] == pytest.approx(right)
    kinds = [f"{name}-{kind}" for name in ("bad", "good") for kind in ("precision", "recall", "fscore")]
    assert set(metrics) == {"acc", *kinds}
    output["loss"].backward()


def test_padding_changes_nothing(model):
    short = {"tokens": {name: tensor[:1, :3] for name, tensor in TEXT["tokens"].items()}}
    torch.testing.assert_close(model(short)["logits"], model(TEXT)["logits"][:1])
