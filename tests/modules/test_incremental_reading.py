"""Texts read piece by piece have the outputs of texts read at once."""

import pytest
import torch

from nlpreg.data import Vocabulary
from nlpreg.modules.incremental_reading import embeds_word_by_word, last_words, read_next
from nlpreg.modules.seq2seq_encoders import CausalTransformer, LstmSeq2SeqEncoder
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding, TokenEmbedder


class RunningMean(TokenEmbedder):
    """A vector that depends on the words before: the mean of the vectors so far."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Embedding(embedding_dim=4, num_embeddings=9, vocab=Vocabulary())

    def get_output_dim(self) -> int:
        return 4

    def forward(self, tokens):
        vectors = self.inner(tokens)
        return vectors.cumsum(1) / torch.arange(1, tokens.size(1) + 1).view(1, -1, 1)


IDS = torch.tensor([[2, 3, 4, 5, 6], [7, 8, 0, 0, 0], [3, 3, 3, 0, 0]])


@pytest.mark.parametrize("embedder_class", [Embedding, RunningMean])
@pytest.mark.parametrize("encoder_class", [None, LstmSeq2SeqEncoder, CausalTransformer])
@pytest.mark.parametrize("is_flat", [True, False])
def test_pieces_equal_the_whole(embedder_class, encoder_class, is_flat):
    torch.manual_seed(1)
    part = RunningMean() if embedder_class is RunningMean else Embedding(embedding_dim=4, num_embeddings=9)
    embedder = BasicTextFieldEmbedder({"tokens": part})
    assert embeds_word_by_word(embedder) is (embedder_class is Embedding)
    encoder = None
    if encoder_class is LstmSeq2SeqEncoder:
        encoder = LstmSeq2SeqEncoder(4, 6, stateful=True).eval()
    elif encoder_class is CausalTransformer:
        encoder = CausalTransformer(input_dim=4, num_layers=2, num_attention_heads=2).eval()

    def text(ids):
        return {"tokens": ids} if is_flat else {"tokens": {"tokens": ids}}

    whole, mask, _ = read_next(embedder, encoder, text(IDS))
    torch.testing.assert_close(mask, IDS > 0)
    state, outputs = None, []
    for ids in IDS.split([2, 1, 2], dim=1):
        output, _, state = read_next(embedder, encoder, text(ids), state)
        outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs, 1)[mask], whole[mask])
    # a row that has ended is continued right behind its last word
    following, _, _ = read_next(embedder, encoder, text(torch.full((3, 1), 8)), state)
    for row, length in enumerate([5, 2, 3]):
        alone = torch.cat([IDS[row, :length], torch.tensor([8])]).unsqueeze(0)
        expected, _, _ = read_next(embedder, encoder, text(alone))
        torch.testing.assert_close(following[row, 0], expected[0, -1])
    torch.testing.assert_close(last_words(whole, mask)[1], whole[1, 1])
