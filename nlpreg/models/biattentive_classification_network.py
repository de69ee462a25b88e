"""`BiattentiveClassificationNetwork`: text classification with self-attention."""

from typing import Any, ClassVar, Union

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nlpreg.common.checks import ConfigurationError, Probability
from nlpreg.data import TextFieldTensors, Vocabulary
from nlpreg.models.model import Model
from nlpreg.models.tagging import accuracy_metrics, check_chain, check_widths
from nlpreg.modules import Elmo, FeedForward, Maxout, Seq2SeqEncoder, TextFieldEmbedder
from nlpreg.nn.initializers import InitializerApplicator
from nlpreg.nn.util import get_text_field_mask, masked_max, masked_mean, masked_softmax, weighted_sum

_ELMO = "elmo"


@Model.register("bcn")
class BiattentiveClassificationNetwork(Model):
    """Classifies a text from its words, each encoded together with the words that it attends to.

    Args:
        vocab: has the labels.
        text_field_embedder: embeds the words.
        embedding_dropout: dropout probability of the embeddings, from 0 to 1.
        pre_encode_feedforward: comes between embeddings and encoder.
        encoder: encodes the text.
        integrator: encodes the words again, each with its difference from and product with what it attends to.
        integrator_dropout: dropout probability of the pooled text, from 0 to 1.
        output_layer: turns the pooled text into scores of the labels.
        elmo: embeds the characters under the key `elmo` of the text, if given.
        use_input_elmo: whether ELMo vectors are joined to the embeddings.
        use_integrator_output_elmo: whether ELMo vectors are joined to the integrator's output.
        initializer: sets the initial values of parameters, after everything is built.
        **kwargs: arguments of `Model`.

    Raises:
        ConfigurationError: the dimensions of consecutive layers do not match; the embedder has an ELMo of its own; ELMo is
            given but not used, or used but not given; its number of output representations differs from the number of uses.

    Source: McCann et al. (2017), https://arxiv.org/abs/1708.00107, section 5, with a single text.
    """

    dimension_chain: ClassVar[tuple[str | tuple[str, ...], ...]] = (
        ("text_field_embedder", "elmo"),
        "pre_encode_feedforward",
        "encoder",
    )

    default_predictor = "text_classifier"
    label_namespaces = ("_label_namespace",)

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        embedding_dropout: Probability,
        pre_encode_feedforward: FeedForward,
        encoder: Seq2SeqEncoder,
        integrator: Seq2SeqEncoder,
        integrator_dropout: Probability,
        output_layer: Union[FeedForward, Maxout],
        elmo: Elmo | None = None,
        use_input_elmo: bool = False,
        use_integrator_output_elmo: bool = False,
        initializer: InitializerApplicator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        _check_elmo(text_field_embedder, elmo, use_input_elmo + use_integrator_output_elmo)
        self._text_field_embedder = text_field_embedder
        self._elmo = elmo
        self._use_input_elmo = use_input_elmo
        self._use_integrator_output_elmo = use_integrator_output_elmo
        self._label_namespace = "labels"
        self._num_classes = vocab.get_vocab_size("labels")
        self._embedding_dropout = nn.Dropout(embedding_dropout)
        self._pre_encode_feedforward = pre_encode_feedforward
        self._encoder = encoder
        self._integrator = integrator
        self._integrator_dropout = nn.Dropout(integrator_dropout)
        elmo_width = 0 if elmo is None else elmo.get_output_dim()
        embedded_width = text_field_embedder.get_output_dim() + use_input_elmo * elmo_width
        integrated_width = integrator.get_output_dim() + use_integrator_output_elmo * elmo_width
        self._self_attentive_pooling_projection = nn.Linear(integrated_width, 1)
        self._output_layer = output_layer
        first_input = pre_encode_feedforward.get_input_dim()
        check_widths("the embedders", embedded_width, "pre_encode_feedforward", first_input)
        encoded_width = check_chain(pre_encode_feedforward=pre_encode_feedforward, encoder=encoder)
        check_widths("three times encoder", 3 * encoded_width, "integrator", integrator.get_input_dim())
        pooled_width = 4 * integrated_width
        check_widths("four pools of integrator", pooled_width, "output_layer", output_layer.get_input_dim())
        num_scores = output_layer.get_output_dim()
        check_widths("output_layer", num_scores, "the softmax over labels", self._num_classes)
        self.metrics = accuracy_metrics()
        if initializer is not None:
            initializer(self)

    def forward(self, tokens: TextFieldTensors, label: Tensor | None = None) -> dict[str, Any]:
        """Score the labels of each text.

        Args:
            tokens: the tensors of a text field, T words in the longest of B texts; with ELMo, characters under `elmo`.
            label: gold label ids (B,).

        Returns:
            `logits` and `class_probabilities` (B, C); with gold labels `loss`, the mean over texts, 0-d, and
            their number, `batch_weight`, 0-d.

        Raises:
            ConfigurationError: the model has ELMo and the text has no characters for it.
        """
        mask = get_text_field_mask(tokens)  # (B, T)
        embedded, elmo_for_integrator = self._embed(tokens)
        encoded = self._encoder(self._pre_encode_feedforward(self._embedding_dropout(embedded)), mask)
        attention = masked_softmax(encoded @ encoded.transpose(1, 2), mask)  # (B, T, T)
        attended = weighted_sum(encoded, attention)  # (B, T, D)
        integrated = self._integrator(
            torch.cat([encoded, encoded - attended, encoded * attended], dim=-1), mask
        )
        if elmo_for_integrator is not None:
            integrated = torch.cat([integrated, elmo_for_integrator], dim=-1)
        logits = self._output_layer(self._integrator_dropout(self._pool(integrated, mask)))
        output = {"logits": logits, "class_probabilities": logits.softmax(-1)}
        if label is not None:
            output["loss"] = cross_entropy(logits, label)
            output["batch_weight"] = torch.full((), label.numel(), device=logits.device)
            for metric in self.metrics.values():
                metric(logits, label)
        return output

    def _embed(self, tokens: TextFieldTensors) -> tuple[Tensor, Tensor | None]:
        """The embedded words (B, T, E), and the ELMo vectors (B, T, E') to join to the integrator's output."""
        others = {name: tensors for name, tensors in tokens.items() if name != _ELMO}
        parts = [self._text_field_embedder(others)] if others else []
        vectors: list[Tensor] = []
        if self._elmo is not None:
            if _ELMO not in tokens:
                raise ConfigurationError(
                    "model.elmo needs characters under the key `elmo` of the text: "
                    "add an elmo_characters indexer of that name to the dataset reader"
                )
            characters: Any = tokens[_ELMO]
            if not isinstance(characters, Tensor):
                (characters,) = characters.values()
            vectors = list(self._elmo(characters)["elmo_representations"])
        for_integrator = vectors.pop() if self._use_integrator_output_elmo else None
        if self._use_input_elmo:
            parts.append(vectors.pop())
        return torch.cat(parts, dim=-1), for_integrator

    def _pool(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Concatenate max, min, mean and self-attentive pooling over a text: (B, T, D) -> (B, 4 D); zeros for an empty text."""
        real = mask.unsqueeze(-1)
        weights = masked_softmax(self._self_attentive_pooling_projection(vectors).squeeze(-1), mask)
        pools = [
            masked_max(vectors, real, dim=1),
            -masked_max(-vectors, real, dim=1),
            masked_mean(vectors, real, dim=1),
            weighted_sum(vectors, weights),
        ]
        return torch.cat(pools, dim=-1) * mask.any(1, keepdim=True)

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add `label`, the name of the best label."""
        best = output_dict["class_probabilities"].argmax(-1).tolist()
        output_dict["label"] = [self.vocab.get_token_from_index(label_id, "labels") for label_id in best]
        return output_dict

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """`accuracy`, and `accuracy3` for the gold label among the three best."""
        return {name: metric.get_metric(reset) for name, metric in self.metrics.items()}


def _check_elmo(text_field_embedder: TextFieldEmbedder, elmo: Elmo | None, num_uses: int) -> None:
    """Check that ELMo has one output representation for each use.

    Raises:
        ConfigurationError: they differ, or the embedder has an embedder `elmo` of its own.
    """
    if _ELMO in getattr(text_field_embedder, "token_embedders", {}):
        raise ConfigurationError(
            "model.text_field_embedder: expected no embedder under `elmo`, whose key is kept for model.elmo"
        )
    if elmo is None:
        if num_uses:
            raise ConfigurationError(
                "model.use_input_elmo and use_integrator_output_elmo need model.elmo, got none"
            )
        return
    if not num_uses:
        raise ConfigurationError("model.elmo needs use_input_elmo or use_integrator_output_elmo, got neither")
    num_outputs = sum(name.startswith("scalar_mix_") for name, _ in elmo.named_children())
    if num_outputs != num_uses:
        raise ConfigurationError(
            f"model.elmo.num_output_representations: expected {num_uses}, one for each use of ELMo, got {num_outputs}"
        )
