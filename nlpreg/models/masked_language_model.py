"""A model that fills the gaps of a text."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nlpreg.common.checks import Probability
from nlpreg.data import TextFieldTensors, Vocabulary
from nlpreg.models.model import Model
from nlpreg.models.tagging import check_widths, tag_names, without_padding
from nlpreg.modules import Seq2SeqEncoder, TextFieldEmbedder
from nlpreg.modules.language_model_heads import LanguageModelHead
from nlpreg.nn.cpu_layers import Dropout
from nlpreg.nn.initializers import InitializerApplicator
from nlpreg.nn.util import get_text_field_mask, get_token_ids_from_text_field_tensors
from nlpreg.training.metrics import Perplexity

_NUM_BEST = 5
_NO_TARGET = -100


@Model.register("masked_language_model")
class MaskedLanguageModel(Model):
    """Embeds a text and predicts the tokens at its masked positions.

    The perplexity is that of all targets, whatever the batches.

    Args:
        vocab: its `target_namespace` has the tokens to predict.
        text_field_embedder: embeds the text; a pretrained transformer, or an embedding before a contextualizer.
        language_model_head: turns states into scores of the tokens.
        contextualizer: encodes the embedded text, if given.
        target_namespace: the namespace of the tokens to predict.
        dropout: dropout probability of the states, from 0 to 1.
        initializer: sets the initial values of parameters, after everything is built.
        **kwargs: arguments of `Model`.

    Raises:
        ConfigurationError: the widths of neighbouring parts differ.
    """

    dimension_chain: ClassVar[tuple[str, ...]] = (
        "text_field_embedder",
        "contextualizer",
        "language_model_head",
    )

    default_predictor = "masked_language_model"
    label_namespaces = ("_target_namespace",)
    raw_outputs = (*Model.raw_outputs, "top_indices")
    per_token_outputs: ClassVar[dict[str, str]] = {
        "token_ids": "_mask",
        "probabilities": "_gaps",
        "top_indices": "_gaps",
    }

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        language_model_head: LanguageModelHead,
        contextualizer: Seq2SeqEncoder | None = None,
        target_namespace: str = "bert",
        dropout: Probability = 0.0,
        initializer: InitializerApplicator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        width = text_field_embedder.get_output_dim()
        if contextualizer is not None:
            check_widths("text_field_embedder", width, "contextualizer", contextualizer.get_input_dim())
            width = contextualizer.get_output_dim()
        check_widths("the encoded text", width, "language_model_head", language_model_head.get_input_dim())
        self._text_field_embedder = text_field_embedder
        self._contextualizer = contextualizer
        self._language_model_head = language_model_head
        self._target_namespace = target_namespace
        self._perplexity = Perplexity()
        self._dropout: nn.Module = Dropout(dropout) if dropout else nn.Identity()
        if initializer is not None:
            initializer(self)

    def forward(
        self,
        tokens: TextFieldTensors,
        mask_positions: Tensor,
        target_ids: TextFieldTensors | None = None,
    ) -> dict[str, Any]:
        """Predict the tokens at the masked positions.

        Args:
            tokens: the tensors of a text field, T tokens in the longest of B texts.
            mask_positions: where to predict (B, M, 1); -1 where a text has fewer than M masks.
            target_ids: the tensors of a text field with the tokens that belong there (B, M).

        Returns:
            `probabilities` and `top_indices` (B, M, k), best first; `token_ids` (B, T); with targets `loss`, the mean
            of -log P(target) in nats, 0-d, and the number of targets, `batch_weight`, 0-d.

        Raises:
            ValueError: there are not as many targets as masks.
        """
        positions = mask_positions.squeeze(-1)  # (B, M)
        targets = None
        if target_ids is not None:
            targets = get_token_ids_from_text_field_tensors(target_ids)
            if targets.shape != positions.shape:
                raise ValueError(
                    f"target_ids: expected as many as there are masks, {tuple(positions.shape)}, "
                    f"got {tuple(targets.shape)}"
                )
        scores = self._scores(tokens, positions)  # (B, M, V)
        best = scores.softmax(-1).topk(min(_NUM_BEST, scores.size(-1)))
        output: dict[str, Any] = {
            "probabilities": best.values,
            "top_indices": best.indices,
            "token_ids": get_token_ids_from_text_field_tensors(tokens),
            "_mask": get_text_field_mask(tokens),  # (B, T)
            "_gaps": positions >= 0,  # (B, M)
        }
        if targets is not None:
            output["loss"] = self._loss(scores, targets, positions >= 0)
            output["batch_weight"] = (positions >= 0).sum()
        return output

    @property
    def target_namespace(self) -> str:
        """The vocabulary namespace of the predicted tokens."""
        return self._target_namespace

    def masked_log_probabilities(
        self, tokens: TextFieldTensors, mask_positions: Tensor, target_ids: Tensor
    ) -> Tensor:
        """How probable tokens are at masked positions, (B, M) natural logarithms.

        Args:
            tokens: as in `forward`.
            mask_positions: (B, M, 1), all of them positions.
            target_ids: the tokens, (B, M).
        """
        scores = self._scores(tokens, mask_positions.squeeze(-1))  # (B, M, V)
        return scores.log_softmax(-1).gather(-1, target_ids.to(scores.device).unsqueeze(-1)).squeeze(-1)

    def _scores(self, tokens: TextFieldTensors, positions: Tensor) -> Tensor:
        """The scores (B, M, V) of the tokens at positions (B, M); of no meaning at position -1."""
        states = self._text_field_embedder(tokens)
        if self._contextualizer is not None:
            states = self._contextualizer(states, get_text_field_mask(tokens))
        positions = positions.to(states.device)
        rows = torch.arange(positions.size(0), device=positions.device).unsqueeze(1)  # (B, 1)
        scores: Tensor = self._language_model_head(self._dropout(states[rows, positions.clamp(min=0)]))
        return scores

    def _loss(self, scores: Tensor, targets: Tensor, exists: Tensor) -> Tensor:
        """The mean over existing masks; scores (B, M, V), targets and `exists` (B, M)."""
        num_targets = exists.sum()
        wanted = targets.masked_fill(~exists, _NO_TARGET).flatten()
        total = cross_entropy(scores.flatten(0, 1), wanted, ignore_index=_NO_TARGET, reduction="sum")
        loss = total / num_targets.clamp(min=1)
        self._perplexity(loss, weight=num_targets)
        return loss

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add `words`, k strings for each gap of each text, and `tokens`, the text."""
        top, texts = output_dict["top_indices"].tolist(), output_dict["token_ids"].tolist()
        if "_mask" in output_dict:
            top, texts = (
                without_padding(top, output_dict["_gaps"]),
                without_padding(texts, output_dict["_mask"]),
            )
        output_dict["words"] = [tag_names(text, self.vocab, self._target_namespace) for text in top]
        output_dict["tokens"] = tag_names(texts, self.vocab, self._target_namespace)
        return output_dict

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """`perplexity` of the targets."""
        return {"perplexity": self._perplexity.get_metric(reset=reset)}
