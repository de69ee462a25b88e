"""The layers of an archived bidirectional language model as vectors of tokens."""

from nlpreg.modules.token_embedders.language_model import LanguageModelTokenEmbedder
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder

__all__ = ["BidirectionalLanguageModelTokenEmbedder"]


@TokenEmbedder.register("bidirectional_lm_token_embedder")
class BidirectionalLanguageModelTokenEmbedder(LanguageModelTokenEmbedder):
    """A learned mix of the layers of an archived bidirectional language model, and of its vectors of the tokens alone.

    Args:
        archive_file: path or URL of the language model's archive. It is needed again whenever a model with this embedder
            is loaded.
        dropout: chance, from 0 to 1, that a value of the mix is zeroed; None for no dropout.
        bos_eos_tokens: the words that were put around each text when the model was trained; null if the reader adds them.
        remove_bos_eos: whether to leave the first and the last token's vectors out of the result.
        requires_grad: whether the model is trained; the mix is anyway.

    Shape:
        tokens (B, T) or (B, T, K) ids as the model was trained on -> (B, T, D).

    Source: Peters et al. (2018), https://arxiv.org/abs/1808.08949
    """

    def __init__(
        self,
        archive_file: str,
        dropout: float | None = None,
        bos_eos_tokens: tuple[str, str] | None = ("<S>", "</S>"),
        remove_bos_eos: bool = True,
        requires_grad: bool = False,
    ) -> None:
        super().__init__(archive_file, dropout, bos_eos_tokens, remove_bos_eos, requires_grad)
