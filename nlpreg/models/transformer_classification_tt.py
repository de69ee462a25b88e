"""A classifier on top of a pretrained transformer."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nlpreg.data import TextFieldTensors, Vocabulary
from nlpreg.models.model import Model
from nlpreg.modules.seq2vec_encoders import BertPooler
from nlpreg.modules.token_embedders import PretrainedTransformerEmbedder
from nlpreg.nn.operators import is_exporting
from nlpreg.training.metrics import CategoricalAccuracy, FBetaMeasure


@Model.register("transformer_classification_tt")
class TransformerClassificationTT(Model):
    """Encodes a text by a pretrained transformer and chooses the label with the highest score.

    Args:
        vocab: has the labels.
        transformer_model: name or folder of the transformer; the text is indexed for it under `tokens`.
        num_labels: number of labels; by default the size of `label_namespace`.
        label_namespace: the namespace of the labels.
        override_weights_file: weights of the transformer to use instead of its own.
        **kwargs: arguments of `Model`.
    """

    default_predictor = "text_classifier"
    label_namespaces = ("_label_namespace",)

    def __init__(
        self,
        vocab: Vocabulary,
        transformer_model: str = "roberta-large",
        num_labels: int | None = None,
        label_namespace: str = "labels",
        override_weights_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        self.embedder = PretrainedTransformerEmbedder(
            transformer_model, override_weights_file=override_weights_file
        )
        self.pooler = BertPooler(transformer_model, override_weights_file=override_weights_file)
        self._label_namespace = label_namespace
        self.label_tokens = vocab.get_index_to_token_vocabulary(label_namespace)
        self.linear_layer = nn.Linear(self.pooler.get_output_dim(), num_labels or len(self.label_tokens))
        nn.init.normal_(self.linear_layer.weight, std=0.02)
        nn.init.zeros_(self.linear_layer.bias)
        self.acc = CategoricalAccuracy()
        self.f1 = FBetaMeasure()

    def forward(
        self,
        text: TextFieldTensors | None = None,
        label: Tensor | None = None,
        tokens: TextFieldTensors | None = None,
    ) -> dict[str, Any]:
        """Score the labels of each text.

        Args:
            text: the tensors of a text field with a pretrained transformer's indexer under `tokens`.
            label: gold label ids (B,).
            tokens: the same as `text`, for readers that call it so.

        Returns:
            `logits` (B, C); `answers`, the names of the best labels; with gold labels `loss`, the mean over texts, 0-d, and
            their number, `batch_weight`, 0-d.

        Raises:
            ValueError: there is neither `text` nor `tokens`.
        """
        given = tokens if text is None else text
        if given is None:
            raise ValueError(
                "TransformerClassificationTT: expected a field `text` or `tokens` in each instance, got neither"
            )
        encoded = self.embedder(**given["tokens"])
        logits = self.linear_layer(self.pooler(encoded))
        output: dict[str, Any] = {"logits": logits}
        if not is_exporting():  # names are nothing that a program computes
            best = logits.argmax(-1).tolist()
            output["answers"] = [self.label_tokens.get(label_id, str(label_id)) for label_id in best]
        if label is not None:
            output["loss"] = cross_entropy(logits, label)
            output["batch_weight"] = torch.full((), label.numel(), device=logits.device)
            self.acc(logits, label)
            self.f1(logits, label)
        return output

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """`acc`, and `<label>-precision`, `<label>-recall` and `<label>-fscore` once there was a batch."""
        metrics = {"acc": self.acc.get_metric(reset)}
        try:
            by_class = self.f1.get_metric(reset)
        except RuntimeError:  # no batch yet
            return metrics
        for kind, values in by_class.items():
            assert isinstance(values, list)
            for label_id, value in enumerate(values):
                metrics[f"{self.label_tokens.get(label_id, str(label_id))}-{kind}"] = value
        return metrics
