import torch

from nlpreg.common.params import Params
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.modules.backbones import Backbone


def make(**arguments):
    vocab = Vocabulary()
    vocab.add_tokens_to_namespace(["a", "b"])
    embedder = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
    config = {"type": "text", "text_field_embedder": embedder, **arguments}
    return Backbone.from_params(Params(config), vocab=vocab)


def test_embedded_and_encoded_text():
    text = {"tokens": {"tokens": torch.tensor([[2, 3], [3, 0]])}}
    plain = make()
    output = plain(text)
    torch.testing.assert_close(output["encoded_text"], plain._text_field_embedder(text))
    assert output["encoded_text_mask"].tolist() == [[True, True], [True, False]]
    encoded = make(encoder={"type": "lstm", "input_size": 4, "hidden_size": 5})(text)
    assert encoded["encoded_text"].shape == (2, 2, 5)
    assert plain.make_output_human_readable(output) is output
