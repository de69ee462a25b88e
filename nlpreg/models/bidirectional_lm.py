"""`BidirectionalLanguageModel`: a language model of both directions."""

from typing import Any

from nlpreg.common.checks import PositiveInt, Probability
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.language_model import LanguageModel
from nlpreg.models.model import Model
from nlpreg.modules import Seq2SeqEncoder, TextFieldEmbedder
from nlpreg.nn import InitializerApplicator, RegularizerApplicator


@Model.register("bidirectional-language-model")
class BidirectionalLanguageModel(LanguageModel):
    """A `language_model` with `bidirectional` true.

    Args:
        vocab: its namespace `tokens` has the words to predict.
        text_field_embedder: embeds the text.
        contextualizer: computes the hidden states of both directions from the embeddings.
        dropout: dropout probability of the states before the prediction, from 0 to 1.
        num_samples: number of words to sample for the softmax in training; None for the softmax over all words.
        sparse_embeddings: whether the weights of the sampled softmax get sparse gradients.
        initializer: sets the initial values of parameters, after everything is built.
        regularizer: adds a penalty on the parameters to the loss in training.
        **kwargs: arguments of `Model`.

    Raises:
        ConfigurationError: the contextualizer is not bidirectional.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        contextualizer: Seq2SeqEncoder,
        dropout: Probability | None = None,
        num_samples: PositiveInt | None = None,
        sparse_embeddings: bool = False,
        initializer: InitializerApplicator | None = None,
        regularizer: RegularizerApplicator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            vocab,
            text_field_embedder,
            contextualizer,
            dropout=dropout,
            num_samples=num_samples,
            sparse_embeddings=sparse_embeddings,
            bidirectional=True,
            initializer=initializer,
            regularizer=regularizer,
            **kwargs,
        )
