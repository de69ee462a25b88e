"""Causal language models with tied or adaptive softmaxes and packed documents."""

from typing import Any

from torch import Tensor

from nlpreg.common import Lazy
from nlpreg.common.checks import ConfigurationError
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.language_model import LanguageModel, TextFieldInput, word_ids
from nlpreg.models.model import Model
from nlpreg.modules import Embedding, Seq2SeqEncoder, SoftmaxLoss, TextFieldEmbedder, WordDistribution


@Model.register("causal_language_model")
class CausalLanguageModel(LanguageModel):
    """A `language_model` from left to right whose softmax is chosen by the config.

    Args:
        vocab: its namespace `tokens` has the words to predict.
        text_field_embedder: embeds the text.
        contextualizer: computes hidden states from the embeddings.
        softmax: predicts words from states: `softmax`, `sampled_softmax`, `tied_softmax` and `tied_sampled_softmax`, which
            share the vectors of the embedder `tokens`, `tied_character_softmax` and `tied_character_sampled_softmax`, which
            share the embedder of characters, or `adaptive_softmax`; `softmax` if None.
        document_end: the end-of-document token, if a row packs several documents one after another: no word then attends to
            another document. The contextualizer must support such a document mask, as `transformer_lm` does.
        num_samples: must be left out; `softmax` has this choice.
        sparse_embeddings: likewise.
        bidirectional: must be false.
        **kwargs: other arguments of `LanguageModel`.

    Shape:
        as in `LanguageModel`.

    Raises:
        ConfigurationError: a tied softmax with an embedder that has no embedding to share, or `document_end` with a
            contextualizer that cannot mask other documents.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        contextualizer: Seq2SeqEncoder,
        softmax: Lazy[WordDistribution] | None = None,
        document_end: str | None = None,
        num_samples: int | None = None,
        sparse_embeddings: bool = False,
        bidirectional: bool = False,
        **kwargs: Any,
    ) -> None:
        refused = {
            "num_samples": num_samples,
            "sparse_embeddings": sparse_embeddings,
            "bidirectional": bidirectional,
        }
        for name, value in refused.items():
            if value:
                raise ConfigurationError(
                    f"model.{name}: a causal_language_model has no such choice; use model.softmax, or a language_model"
                )
        if document_end is not None and not getattr(contextualizer, "takes_documents", False):
            raise ConfigurationError(
                f"model.document_end: {type(contextualizer).__name__} cannot keep the documents of a row apart; use "
                "transformer_lm, or leave it out"
            )
        # set before `super().__init__`, which calls `_make_softmax`
        self._softmax_choice = softmax
        self._embedding_to_share = _embedding_of_words(text_field_embedder)
        super().__init__(vocab, text_field_embedder, contextualizer, **kwargs)
        self._document_end = None if document_end is None else vocab.get_token_index(document_end)

    def _make_softmax(self, num_samples: int | None, sparse: bool) -> WordDistribution:
        num_words = self.vocab.get_vocab_size()
        (embedding,) = self._embedding_to_share
        if self._softmax_choice is None:
            return SoftmaxLoss(num_words, self._forward_dim)
        known: dict[str, Any] = {
            "num_words": num_words,
            "embedding_dim": self._forward_dim,
            "text_field_embedder": self.text_field_embedder,
            "vocab": self.vocab,
        }
        if embedding is not None:
            known["embedding"] = embedding
        return self._softmax_choice.construct(**known)

    def _encode(self, embeddings: Tensor, mask: Tensor, source: TextFieldInput) -> Tensor | list[Tensor]:
        ids = word_ids(source)
        if self._document_end is None or ids is None:
            return super()._encode(embeddings, mask, source)
        is_end = (ids == self._document_end).long()
        documents = is_end.cumsum(1) - is_end  # the word that ends a document is its last one
        states: Tensor | list[Tensor] = self._contextualizer(embeddings, mask, documents=documents)
        return states


def _embedding_of_words(embedder: TextFieldEmbedder) -> tuple[Embedding | None]:
    """The embedding under `tokens`, in a tuple, where torch does not look for submodules."""
    embedding = dict(embedder.named_children()).get("token_embedder_tokens")
    return (embedding if isinstance(embedding, Embedding) else None,)
