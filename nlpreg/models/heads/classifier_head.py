"""`ClassifierHead`: a classification head."""

from typing import Any, ClassVar

from torch import Tensor

from nlpreg.common.checks import PositiveInt, Probability
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.basic_classifier import TextClassifier
from nlpreg.models.heads.head import Head
from nlpreg.modules import FeedForward, Seq2VecEncoder


@Head.register("classifier")
class ClassifierHead(TextClassifier, Head):
    """Pools an encoded text into one vector and classifies it.

    Args:
        vocab: has the labels.
        seq2vec_encoder: pools the sequence of vectors into one vector.
        feedforward: applied to the text vector before the classification layer, if given.
        input_dim: width of the text's vector, for a `seq2vec_encoder` that does not know it.
        dropout: dropout probability of the text's vector, from 0 to 1.
        num_labels: number of labels; by default the size of `label_namespace`.
        label_namespace: the namespace of the labels.

    Raises:
        ValueError: the width of the text's vector is unknown.
    """

    dimension_chain: ClassVar[tuple[str, ...]] = ("seq2vec_encoder", "feedforward")

    def __init__(
        self,
        vocab: Vocabulary,
        seq2vec_encoder: Seq2VecEncoder,
        feedforward: FeedForward | None = None,
        input_dim: PositiveInt | None = None,
        dropout: Probability | None = None,
        num_labels: PositiveInt | None = None,
        label_namespace: str = "labels",
    ) -> None:
        super().__init__(vocab)
        width = None if feedforward is not None else _width_of(seq2vec_encoder, input_dim)
        self.set_up_classifier(seq2vec_encoder, feedforward, dropout, num_labels, label_namespace, width)

    def forward(
        self, encoded_text: Tensor, encoded_text_mask: Tensor, label: Tensor | None = None
    ) -> dict[str, Any]:
        """Score the labels of each text.

        Args:
            encoded_text: vectors (B, T, D).
            encoded_text_mask: padding mask (B, T), true for tokens.
            label: gold label ids (B,).

        Returns:
            `logits` and `probs` (B, C); with gold labels `loss`, the mean over texts, 0-d, and
            their number, `batch_weight`, 0-d.
        """
        return self.classify(encoded_text, encoded_text_mask, label)


def _width_of(seq2vec_encoder: Seq2VecEncoder, input_dim: int | None) -> int:
    try:
        width = seq2vec_encoder.get_output_dim()
    except NotImplementedError:
        width = 0
    width = width or input_dim or 0
    if not width:
        raise ValueError(
            f"ClassifierHead: {type(seq2vec_encoder).__name__} does not say how wide its output is; give input_dim"
        )
    return width
