"""The layers of an archived bidirectional language model as vectors of tokens."""

from nlpreg.modules.token_embedders.language_model import LanguageModelTokenEmbedder
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder


@TokenEmbedder.register("bidirectional_lm_token_embedder")
class BidirectionalLanguageModelTokenEmbedder(LanguageModelTokenEmbedder):
    """A learned mix of the layers of an archived bidirectional language model, and of its vectors of the tokens alone.

    Shape:
        tokens (B, T) or (B, T, K) ids as the model was trained on -> (B, T, D).

    Source: Peters et al. (2018), https://arxiv.org/abs/1808.08949
    """
