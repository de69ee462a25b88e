"""Functions that a compiled model calls as they are."""

import pytest
import torch

from nlpreg.modules.seq2seq_encoders import StackedBidirectionalLstmSeq2SeqEncoder
from nlpreg.modules.seq2vec_encoders import CnnEncoder
from nlpreg.modules.token_embedders import Embedding, TokenCharactersEncoder
from nlpreg.modules.uncompiled import run_uncompiled


def test_without_a_compiler_it_is_a_call():
    assert run_uncompiled(divmod, 7, 2) == (3, 1)
    assert run_uncompiled(int, "11", base=2) == 3


def words_of(ids):
    return torch.unique(ids)


@pytest.mark.filterwarnings("ignore")
def test_compiled_models_break_off_once():
    def model(x):
        return run_uncompiled(words_of, x * 2).float() * 3

    torch._dynamo.reset()
    explained = torch._dynamo.explain(model)(torch.tensor([1, 2, 1]))
    assert explained.graph_break_count == 1
    found = torch.compile(model, backend="eager")(torch.tensor([1, 2, 1]))
    assert found.tolist() == [6.0, 12.0]
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_encoders_that_are_not_compiled_still_run_in_compiled_models():
    mask = torch.arange(5) < torch.tensor([[5], [2], [0]])
    ids = torch.randint(1, 9, (2, 4, 6))
    for module, arguments in (
        (StackedBidirectionalLstmSeq2SeqEncoder(4, 3, num_layers=2), (torch.randn(3, 5, 4), mask)),
        (TokenCharactersEncoder(Embedding(4, 9), CnnEncoder(4, 5)), (ids,)),
    ):
        torch._dynamo.reset()
        compiled = torch.compile(module, backend="aot_eager")
        torch.testing.assert_close(compiled(*arguments), module(*arguments))
    torch._dynamo.reset()
