import pytest
import torch

from nlpreg.common import Params
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.modules.language_model_heads import LanguageModelHead, LinearLanguageModelHead


def test_linear_head() -> None:
    vocab = Vocabulary()
    for word in ("a", "b", "ç"):
        vocab.add_token_to_namespace(word, "words")
    head = LanguageModelHead.from_params(
        Params({"type": "linear", "input_dim": 4, "vocab_namespace": "words"}), vocab=vocab
    )
    assert isinstance(head, LinearLanguageModelHead)
    assert (head.get_input_dim(), head.get_output_dim()) == (4, 5)
    states = torch.randn(2, 3, 4)
    torch.testing.assert_close(head(states), head.linear(states))
    assert set(head.state_dict()) == {"linear.weight", "linear.bias"}


def test_names() -> None:
    assert set(LanguageModelHead.list_available()) >= {"linear", "bert", "gpt2"}


def test_empty_namespace() -> None:
    class Empty:
        def get_vocab_size(self, namespace: str) -> int:
            return 0

    with pytest.raises(ValueError, match="no words in the namespace 'words'"):
        LinearLanguageModelHead(Empty(), 4, "words")


@pytest.mark.oracle
def test_heads_of_pretrained_models(tmp_path) -> None:
    transformers = pytest.importorskip("transformers")
    common = {"vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    bert = transformers.BertForMaskedLM(transformers.BertConfig(**common, intermediate_size=8))
    gpt2 = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=11, n_embd=8, n_layer=1, n_head=2))
    states = torch.randn(2, 3, 8)
    for name, model, key in (
        ("bert", bert, "bert_lm_head.predictions.bias"),
        ("gpt2", gpt2, "gpt2_lm_head.weight"),
    ):
        model.save_pretrained(tmp_path / name)
        head = LanguageModelHead.from_params(Params({"type": name, "model_name": str(tmp_path / name)}))
        assert (head.get_input_dim(), head.get_output_dim()) == (8, 11)
        assert key in head.state_dict()
        expected = model.cls(states) if name == "bert" else model.lm_head(states)
        torch.testing.assert_close(head.eval()(states), expected)
