"""`ClassifierHead`: a classification head."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nlpreg.common.checks import PositiveInt, Probability
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.heads.head import Head
from nlpreg.modules import FeedForward, Seq2VecEncoder
from nlpreg.nn.cpu_layers import Dropout
from nlpreg.training.metrics import CategoricalAccuracy


@Head.register("classifier")
class ClassifierHead(Head):
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

    default_predictor = "text_classifier"
    label_namespaces = ("_label_namespace",)
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
        self._seq2vec_encoder = seq2vec_encoder
        self._feedforward = feedforward
        width = _width_of(seq2vec_encoder, input_dim) if feedforward is None else feedforward.get_output_dim()
        self._dropout = Dropout(dropout) if dropout else None
        self._label_namespace = label_namespace
        self._num_labels = num_labels or vocab.get_vocab_size(label_namespace)
        self._classification_layer = nn.Linear(width, self._num_labels)
        self._accuracy = CategoricalAccuracy()

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
        vector = self._seq2vec_encoder(encoded_text, mask=encoded_text_mask)  # (B, D)
        if self._dropout is not None:
            vector = self._dropout(vector)
        if self._feedforward is not None:
            vector = self._feedforward(vector)
        logits = self._classification_layer(vector)  # (B, C)
        output = {"logits": logits, "probs": torch.softmax(logits, dim=-1)}
        if label is not None:
            gold = label.long().view(-1)
            output["loss"] = cross_entropy(logits, gold)
            output["batch_weight"] = torch.full((), gold.numel(), device=logits.device)
            self._accuracy(logits, gold)
        return output

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add `label`, the name of the best label (its id if it has no name), where there are `probs`."""
        if "probs" in output_dict:
            labels = self.vocab.get_index_to_token_vocabulary(self._label_namespace)
            best = output_dict["probs"].argmax(-1).tolist()
            output_dict["label"] = [labels.get(label_id, str(label_id)) for label_id in best]
        return output_dict

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """`accuracy`."""
        return {"accuracy": self._accuracy.get_metric(reset)}


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
