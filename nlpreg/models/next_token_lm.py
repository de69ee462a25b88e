"""A model that continues a text by one token, or by several found by beam search."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nlpreg.common.checks import Probability
from nlpreg.data import TextFieldTensors, Vocabulary
from nlpreg.models.model import Model
from nlpreg.models.tagging import tag_names
from nlpreg.models.token_prediction import TokenPredictionModel
from nlpreg.modules import Seq2SeqEncoder, TextFieldEmbedder
from nlpreg.modules.incremental_reading import last_words, read_next
from nlpreg.modules.language_model_heads import LanguageModelHead
from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import StepState
from nlpreg.nn.beam_search_generators import BeamSearchGenerator
from nlpreg.nn.initializers import InitializerApplicator
from nlpreg.nn.util import get_text_field_mask, get_token_ids_from_text_field_tensors

_START_SCORES = "start_target_logits"


@Model.register("next_token_lm")
class NextTokenLM(TokenPredictionModel):
    """Embeds a text and predicts the token after its end.

    The perplexity is that of all targets, whatever the batches.

    Args:
        vocab: its `target_namespace` has the tokens to predict.
        text_field_embedder: embeds the text; a pretrained transformer, or an embedding before a contextualizer.
        language_model_head: turns the last state into scores of the tokens.
        contextualizer: encodes the embedded text, if given.
        target_namespace: the namespace of the tokens to predict.
        dropout: dropout probability of the last state, from 0 to 1.
        initializer: sets the initial values of parameters, after everything is built.
        n_best: number of tokens to return, the best ones.
        beam_search_generator: finds continuations of several tokens instead.
        **kwargs: arguments of `Model`.

    Raises:
        ConfigurationError: the widths of neighbouring parts differ.
    """

    default_predictor = "next_token_lm"
    per_token_outputs: ClassVar[dict[str, str]] = {"token_ids": "_mask"}

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        language_model_head: LanguageModelHead,
        contextualizer: Seq2SeqEncoder | None = None,
        target_namespace: str = "bert",
        dropout: Probability = 0.0,
        initializer: InitializerApplicator | None = None,
        n_best: int = 5,
        beam_search_generator: BeamSearchGenerator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            vocab,
            text_field_embedder,
            language_model_head,
            contextualizer,
            target_namespace,
            dropout,
            initializer,
            **kwargs,
        )
        if beam_search_generator is not None:
            beam_search_generator.validate_text_field_embedder(text_field_embedder)
        self._n_best = n_best
        self._beam_search_generator = beam_search_generator

    def forward(self, tokens: TextFieldTensors, target_ids: TextFieldTensors | None = None) -> dict[str, Any]:
        """Predict what follows each text.

        Args:
            tokens: the tensors of a text field, T tokens in the longest of B texts.
            target_ids: the tensors of a text field with the token that follows.

        Returns:
            `token_ids` (B, T); `probabilities` (B, n), best first; `top_indices` (B, n, steps), the ids of the tokens
            that they belong to, with one step unless a beam search finds more; with targets `loss`, the mean of
            -log P(target) in nats, 0-d, and the number of targets, `batch_weight`, 0-d.

        Raises:
            ValueError: more than one target dimension beside the batch.
        """
        scores = self._next_token_scores(tokens)  # (B, V)
        output: dict[str, Any] = {
            "token_ids": get_token_ids_from_text_field_tensors(tokens),
            "_mask": get_text_field_mask(tokens),
        }
        if target_ids is not None:
            targets = get_token_ids_from_text_field_tensors(target_ids)
            if targets.dim() > 2:
                raise ValueError(f"target_ids: expected the shape (B,) or (B, n), got {tuple(targets.shape)}")
            if targets.dim() == 2:
                targets = targets[:, 0]
            output["loss"] = cross_entropy(scores, targets)
            self._perplexity(output["loss"], weight=targets.numel())
            output["batch_weight"] = torch.full((), targets.numel(), device=scores.device)
        if self._beam_search_generator is not None:
            state = self._beam_search_generator.get_step_state(tokens)
            state[_START_SCORES] = scores  # the first step needs no new run
            start = torch.zeros(scores.size(0), dtype=torch.int, device=scores.device)
            indices, log_probabilities = self._beam_search_generator.search(
                start, state, self._beam_search_step
            )
            output["probabilities"], output["top_indices"] = log_probabilities.exp(), indices
        else:
            best = scores.softmax(-1).topk(min(self._n_best, scores.size(-1)))
            output["probabilities"], output["top_indices"] = best.values, best.indices.unsqueeze(-1)
        return output

    def why_not_exported(self) -> str | None:
        """A beam search is a loop that no program holds."""
        if self._beam_search_generator is None:
            return None
        return "its beam search runs the model again for each token; leave beam_search_generator out to export one step"

    @property
    def max_context(self) -> int | None:
        """The largest number of tokens that the contextualizer can read; None for no limit that it knows of."""
        limit: int | None = getattr(self._contextualizer, "max_length", None)
        return limit

    def next_token_log_probabilities(
        self, tokens: TextFieldTensors, state: StepState | None = None
    ) -> tuple[Tensor, StepState]:
        """The distribution of the token after the last one of each row.

        A pretrained transformer reads the whole text again for every token.

        Args:
            tokens: tensors of the next tokens of each row (G, T, ...), padding last.
            state: what the call before returned; None at the start. It must not be used again.

        Returns:
            Natural logarithms of probabilities (G, V) by the ids of `target_namespace`, and the new state.
        """
        outputs, mask, state = read_next(self._text_field_embedder, self._contextualizer, tokens, state)
        scores: Tensor = self._language_model_head(self._dropout(last_words(outputs, mask)))
        return scores.log_softmax(-1), state

    def word_log_probabilities(self, source: TextFieldTensors) -> tuple[list[Tensor], Tensor]:
        """The log-probability of each token of a batch of texts given the tokens before it.

        The texts are read token by token, as in generation, so that no part of the model can see what it predicts.

        Args:
            source: the tensors of a text field, T tokens in the longest of B texts.

        Returns:
            In a list of one, natural logarithms of probabilities (B, T), NaN at the first token and at padding; and which
            tokens are unknown, (B, T) bool.
        """
        ids = get_token_ids_from_text_field_tensors(source)
        mask = get_text_field_mask(source)
        columns: list[Tensor] = []
        state: StepState | None = None
        for place in range(ids.size(1) - 1):
            token = {
                name: {key: tensor[:, place : place + 1] for key, tensor in tensors.items()}
                for name, tensors in source.items()
            }
            by_id, state = self.next_token_log_probabilities(token, state)  # (B, V)
            columns.append(by_id.gather(1, ids[:, place + 1 : place + 2]).float())
        known = torch.cat(columns, dim=1) if columns else torch.empty(ids.size(0), 0, device=ids.device)
        log_probabilities = nn.functional.pad(known, (1, 0), value=torch.nan).masked_fill(~mask, torch.nan)
        index_of = self.vocab.get_token_to_index_vocabulary(self._target_namespace)
        return [log_probabilities], (ids == index_of.get(self.vocab.oov_token, -1)) & mask

    def _next_token_scores(self, tokens: TextFieldTensors) -> Tensor:
        """The scores (B, V) of the tokens after the last one of each text."""
        mask = get_text_field_mask(tokens)
        states = nn.functional.pad(self._encode(tokens, mask), (0, 0, 0, 1))  # (B, T + 1, D)
        # A text without tokens continues from a state of zeros, alone as in a batch.
        final = last_words(states, mask).masked_fill(~mask.any(1, keepdim=True), 0.0)  # (B, D)
        scores: Tensor = self._language_model_head(self._dropout(final))
        return scores

    def _beam_search_step(
        self, predictions: Tensor, state: dict[str, Tensor], step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        assert self._beam_search_generator is not None
        if step == 0:
            scores = state.pop(_START_SCORES)
        else:
            scores = self._next_token_scores(
                self._beam_search_generator.prepare_step_input(predictions, state)
            )
        return scores.log_softmax(-1), state

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add `top_tokens` (B x n x steps strings) and `tokens` (B x T strings)."""
        output_dict["top_tokens"] = [
            tag_names(text, self.vocab, self._target_namespace)
            for text in output_dict["top_indices"].tolist()
        ]
        return super().make_output_human_readable(output_dict)
