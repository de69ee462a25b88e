"""A model that fills the gaps of a text."""

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nlpreg.data import TextFieldTensors
from nlpreg.models.model import Model
from nlpreg.models.tagging import tag_names, without_padding
from nlpreg.models.token_prediction import TokenPredictionModel
from nlpreg.nn.util import get_text_field_mask, get_token_ids_from_text_field_tensors

_NUM_BEST = 5
_NO_TARGET = -100


@Model.register("masked_language_model")
class MaskedLanguageModel(TokenPredictionModel):
    """Embeds a text and predicts the tokens at its masked positions.

    The perplexity is that of all targets, whatever the batches.
    """

    default_predictor = "masked_language_model"
    per_token_outputs: ClassVar[dict[str, str]] = {
        "token_ids": "_mask",
        "probabilities": "_gaps",
        "top_indices": "_gaps",
    }

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
        states = self._encode(tokens, get_text_field_mask(tokens))
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
        top = output_dict["top_indices"].tolist()
        if "_gaps" in output_dict:
            top = without_padding(top, output_dict["_gaps"])
        output_dict["words"] = [tag_names(text, self.vocab, self._target_namespace) for text in top]
        return super().make_output_human_readable(output_dict)
