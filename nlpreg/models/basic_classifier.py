"""`BasicClassifier`: text classification."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nlpreg.common.checks import PositiveInt, Probability
from nlpreg.data import TextFieldTensors, Vocabulary
from nlpreg.models.model import Model
from nlpreg.models.tagging import without_padding
from nlpreg.modules import FeedForward, Seq2SeqEncoder, Seq2VecEncoder, TextFieldEmbedder
from nlpreg.nn.cpu_layers import Dropout
from nlpreg.nn.initializers import InitializerApplicator
from nlpreg.nn.util import get_text_field_mask, get_token_ids_from_text_field_tensors
from nlpreg.training.metrics import CategoricalAccuracy


class TextClassifier(Model):
    """Base class of models that pool an encoded text into one vector and classify it."""

    default_predictor = "text_classifier"
    label_namespaces = ("_label_namespace",)

    def set_up_classifier(
        self,
        seq2vec_encoder: Seq2VecEncoder,
        feedforward: FeedForward | None,
        dropout: float | None,
        num_labels: int | None,
        label_namespace: str,
        width: int | None = None,
    ) -> None:
        """Create the layers and metrics; the arguments are those of `BasicClassifier`.

        Args:
            width: width of the pooled text, for an encoder that does not know it.
        """
        self._seq2vec_encoder = seq2vec_encoder
        self._feedforward = feedforward
        self._dropout = Dropout(dropout) if dropout else None
        self._label_namespace = label_namespace
        self._num_labels = num_labels or self.vocab.get_vocab_size(label_namespace)
        if feedforward is not None:
            width = feedforward.get_output_dim()
        self._classification_layer = nn.Linear(width or seq2vec_encoder.get_output_dim(), self._num_labels)
        self._accuracy = CategoricalAccuracy()
        # an attribute, because subclasses written for AllenNLP replace it
        self._loss: nn.Module = nn.CrossEntropyLoss()

    def classify(self, encoded: Tensor, mask: Tensor, label: Tensor | None) -> dict[str, Any]:
        """The outputs for encoded texts (B, T, D) with the mask (B, T) and gold label ids (B,)."""
        vector = self._seq2vec_encoder(encoded, mask=mask)  # (B, D)
        if self._dropout is not None:
            vector = self._dropout(vector)
        if self._feedforward is not None:
            vector = self._feedforward(vector)
        logits = self._classification_layer(vector)  # (B, C)
        output = {"logits": logits, "probs": torch.softmax(logits, dim=-1)}
        if label is not None:
            gold = label.long().view(-1)
            output["loss"] = self._loss(logits, gold)
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


@Model.register("basic_classifier")
class BasicClassifier(TextClassifier):
    """Embeds a text, encodes it as one vector and chooses the label with the highest score.

    Args:
        vocab: vocabulary with the labels and the tokens.
        text_field_embedder: embeds the text.
        seq2vec_encoder: pools the sequence of vectors into one vector.
        seq2seq_encoder: encodes the sequence before pooling, if given.
        feedforward: applied to the text vector before the classification layer, if given.
        dropout: dropout probability of the text's vector, from 0 to 1.
        num_labels: number of labels; by default the size of `label_namespace`.
        label_namespace: the namespace of the labels.
        namespace: vocabulary namespace of the tokens, used to print them.
        initializer: sets the initial values of parameters, after everything is built.
        **kwargs: arguments of `Model`.
    """

    dimension_chain: ClassVar[tuple[str, ...]] = (
        "text_field_embedder",
        "seq2seq_encoder",
        "seq2vec_encoder",
        "feedforward",
    )

    per_token_outputs: ClassVar[dict[str, str]] = {"token_ids": "_mask"}

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        seq2vec_encoder: Seq2VecEncoder,
        seq2seq_encoder: Seq2SeqEncoder | None = None,
        feedforward: FeedForward | None = None,
        dropout: Probability | None = None,
        num_labels: PositiveInt | None = None,
        label_namespace: str = "labels",
        namespace: str = "tokens",
        initializer: InitializerApplicator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        self._text_field_embedder = text_field_embedder
        self._seq2seq_encoder = seq2seq_encoder
        self._namespace = namespace
        self.set_up_classifier(seq2vec_encoder, feedforward, dropout, num_labels, label_namespace)
        if initializer is not None:
            initializer(self)

    def forward(
        self,
        tokens: TextFieldTensors,
        label: Tensor | None = None,
        metadata: list[dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Score the labels of each text.

        Args:
            tokens: the tensors of a text field, T tokens in the longest of B texts.
            label: gold label ids (B,).
            metadata: not used.

        Returns:
            `logits` and `probs` (B, C), `token_ids` (B, T); with gold labels `loss`, the mean over texts, 0-d, and
            their number, `batch_weight`, 0-d.
        """
        mask = get_text_field_mask(tokens)  # (B, T)
        encoded = self._text_field_embedder(tokens)  # (B, T, E)
        if self._seq2seq_encoder is not None:
            encoded = self._seq2seq_encoder(encoded, mask=mask)  # (B, T, H)
        output = self.classify(encoded, mask, label)
        output["token_ids"] = get_token_ids_from_text_field_tensors(tokens)  # (B, T)
        output["_mask"] = mask
        return output

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add `label`, the name of the best label (its id if it has no name), and `tokens`."""
        super().make_output_human_readable(output_dict)
        texts = output_dict["token_ids"].tolist()
        if "_mask" in output_dict:
            texts = without_padding(texts, output_dict["_mask"])
        output_dict["tokens"] = [
            [self.vocab.get_token_from_index(token_id, self._namespace) for token_id in text]
            for text in texts
        ]
        return output_dict
