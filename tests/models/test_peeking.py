"""Which contextualizers see what a language model predicts."""

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.models import LanguageModel
from nlpreg.models.peeking import find_peeking
from nlpreg.modules.seq2seq_encoders import LstmSeq2SeqEncoder, PytorchTransformer, Seq2SeqEncoder
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding
from tests.modules.seq2seq_encoders.test_contract import CASES, CONFIGS, build


def peeks(encoder: Seq2SeqEncoder) -> bool:
    """Whether a gradient flows from an output to an input that it must not see."""
    inputs = torch.randn(1, 6, encoder.get_input_dim(), requires_grad=True)
    outputs = encoder.eval()(inputs, torch.ones(1, 6, dtype=torch.bool))
    halves = outputs.chunk(2, dim=-1) if encoder.is_bidirectional() else [outputs]
    for backward, half in enumerate(halves):
        for word in range(6):
            weight = torch.randn(half.size(-1))
            (gradient,) = torch.autograd.grad(half[0, word] @ weight, inputs, retain_graph=True)
            seen = gradient[0].abs().sum(1) > 0
            if seen[:word].any() if backward else seen[word + 1 :].any():
                return True
    return False


@pytest.mark.parametrize(("name", "index"), CASES)
def test_every_registered_encoder_is_judged_as_its_gradients_judge_it(name, index):
    encoder = build(name, index)
    problem = find_peeking(encoder, encoder.get_input_dim())
    assert (problem is not None) == peeks(encoder)
    assert encoder.training is False or problem is None or "depends on" in problem


def test_both_verdicts_are_among_them():
    verdicts = {
        name: {find_peeking(build(name, i), 16) is not None for i in range(len(CONFIGS[name]))}
        for name in CONFIGS
    }
    assert verdicts["lstm"] == verdicts["pytorch_transformer"] == {True, False}
    assert verdicts["stacked_bidirectional_lstm"] == verdicts["alternating_lstm"] == {True}
    assert verdicts["transformer_lm"] == verdicts["gated-cnn-encoder"] == {False}


def test_the_test_leaves_no_trace():
    encoder = LstmSeq2SeqEncoder(4, 3, stateful=True)
    encoder(torch.randn(2, 3, 4), torch.ones(2, 3, dtype=torch.bool))
    before = [part.clone() for part in encoder._states]
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    assert find_peeking(encoder, 4) is None
    assert torch.equal(torch.rand(2), expected)
    assert encoder.training
    assert all(torch.equal(*pair) for pair in zip(before, encoder._states, strict=True))


def make_model(contextualizer, **options):
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(["a", "b"])
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=4, vocab=vocab)})
    return LanguageModel(vocab, embedder, contextualizer, **options)


def test_a_model_is_tested_before_training_unless_told_otherwise():
    peeking = PytorchTransformer(4, 1, 8, 2)
    with pytest.raises(
        ConfigurationError, match="model.contextualizer: its output at a word depends on later words"
    ):
        make_model(peeking).check_before_training()
    make_model(peeking, check_peeking=False).check_before_training()
    make_model(PytorchTransformer(4, 1, 8, 2, causal=True)).check_before_training()
    both = Seq2SeqEncoder.from_params(
        Params({"type": "lstm", "input_size": 4, "hidden_size": 3, "num_layers": 2, "bidirectional": True})
    )
    with pytest.raises(ConfigurationError, match="take a recurrent encoder of one layer"):
        make_model(both, bidirectional=True).check_before_training()


def test_an_encoder_of_another_kind_is_not_tested():
    class Other(PytorchTransformer):
        def forward(self, inputs, mask, further):
            return inputs

    assert find_peeking(Other(4, 1, 8, 2), 4) is None
