"""Language models that predict each word from the words before it, after it, or both."""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nlpreg.common.checks import ConfigurationError, PositiveInt, Probability
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.model import Model
from nlpreg.models.peeking import PeekingCheckedModel
from nlpreg.modules import (
    SampledSoftmaxLoss,
    Seq2SeqEncoder,
    SoftmaxLoss,
    TextFieldEmbedder,
    WordDistribution,
)
from nlpreg.modules.incremental_reading import last_words, read_next
from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import StepState
from nlpreg.nn import InitializerApplicator, RegularizerApplicator
from nlpreg.nn.cpu_layers import Dropout
from nlpreg.nn.operators import is_exporting
from nlpreg.nn.util import get_text_field_mask
from nlpreg.training.metrics import Perplexity
from nlpreg.training.state import fresh_states

_SoftmaxLoss = SoftmaxLoss

_NO_CLASS = -1

TextFieldInput = dict[str, dict[str, Tensor] | Tensor]


@Model.register("language_model")
class LanguageModel(PeekingCheckedModel):
    """A language model: predicts each word from the words before it and, if bidirectional, also from the words after it.

    The contextualizer determines the context of a prediction. Its output at a word must not depend on later words (and in its
    second half, for the backward direction, not on earlier ones): recurrent encoders of one direction, bidirectional ones of
    one layer, `transformer_lm`, `gated-cnn-encoder` and `bidirectional_language_model_transformer` do so. `nlpreg check` and
    the start of training test it, unless `check_peeking` is false.

    The perplexity is that of the corpus: the loss is averaged over words, independently of batches (AllenNLP averaged over
    batches). Padding does not affect the loss: the backward direction predicts from words only (AllenNLP also predicted the
    last word of a sentence from the padding after it, if there was any).

    Args:
        vocab: its namespace `tokens` has the words to predict.
        text_field_embedder: embeds the text.
        contextualizer: computes hidden states from the embeddings; may return a list of layers, of which the last is used for
            prediction.
        dropout: dropout probability of the states before the prediction, from 0 to 1.
        num_samples: number of words to sample for the softmax in training; None for the softmax over all words.
        sparse_embeddings: whether the weights of the sampled softmax get sparse gradients; no effect without sampling.
        bidirectional: whether to predict in both directions, with a shared softmax.
        initializer: sets the initial values of parameters, after everything is built.
        regularizer: adds a penalty on the parameters to the loss in training.
        **kwargs: arguments of `Model`.

    Shape:
        source, target: word ids `{"tokens": {"tokens": (B, T)}}`, beside the tensors of other indexers; in the flat form
        `{"tokens": (B, T)}` too.

    Raises:
        ConfigurationError: the contextualizer has another number of directions than the model.
    """

    dimension_chain: ClassVar[tuple[str, ...]] = ("text_field_embedder", "contextualizer")
    per_token_outputs: ClassVar[dict[str, str]] = {
        "lm_embeddings": "mask",
        "noncontextual_token_embeddings": "mask",
        "mask": "mask",
    }

    default_predictor = "language_model"

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        contextualizer: Seq2SeqEncoder,
        dropout: Probability | None = None,
        num_samples: PositiveInt | None = None,
        sparse_embeddings: bool = False,
        bidirectional: bool = False,
        initializer: InitializerApplicator | None = None,
        regularizer: RegularizerApplicator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, regularizer=regularizer, **kwargs)
        if bool(contextualizer.is_bidirectional()) != bool(bidirectional):
            raise ConfigurationError(
                f"model.contextualizer: its bidirectional ({contextualizer.is_bidirectional()}) has to equal "
                f"model.bidirectional ({bidirectional})"
            )
        self._text_field_embedder = text_field_embedder
        self._contextualizer = contextualizer
        self._bidirectional = bidirectional
        width = contextualizer.get_output_dim()
        self._forward_dim = width // 2 if bidirectional else width
        self._softmax_loss: WordDistribution | None = self._make_softmax(num_samples, sparse_embeddings)
        # unused; archives of AllenNLP have it
        self.register_buffer("_last_average_loss", torch.zeros(1))
        self._perplexity = Perplexity()
        self._sampled_perplexity = Perplexity()
        self._dropout: nn.Module = Dropout(dropout) if dropout else nn.Identity()
        if initializer is not None:
            initializer(self)

    def _make_softmax(self, num_samples: int | None, sparse: bool) -> WordDistribution:
        """Make the softmax layer; may be overridden."""
        num_words = self.vocab.get_vocab_size()
        if num_samples is None:
            return SoftmaxLoss(num_words=num_words, embedding_dim=self._forward_dim)
        return SampledSoftmaxLoss(
            num_words=num_words, embedding_dim=self._forward_dim, num_samples=num_samples, sparse=sparse
        )

    @property
    def text_field_embedder(self) -> TextFieldEmbedder:
        """The text field embedder."""
        return self._text_field_embedder

    @property
    def contextualizer(self) -> Seq2SeqEncoder:
        """The contextualizer."""
        return self._contextualizer

    def contextualizer_to_check(self) -> tuple[nn.Module, int]:
        """See `PeekingCheckedModel.contextualizer_to_check`."""
        return self._contextualizer, self._text_field_embedder.get_output_dim()

    def forward(self, source: TextFieldInput, target: TextFieldInput | None = None) -> dict[str, Any]:
        """The states of a batch of texts and, where the text has word ids, the loss of predicting its words.

        Args:
            source: the tensors of a text field, nested or flat; it is not changed.
            target: likewise of the word after each word, for texts that continue in the next batch (`running_text` with
                `targets`); without it the words of `source` are predicted from each other. In one direction only.

        Returns:
            - `loss`: mean of -log P(word), in nats, over the predicted words and the directions, 0-d;
            - `forward_loss`, `backward_loss`: the same for each direction; `backward_loss` is None in one direction;
            - `batch_weight`: number of predicted words in one direction, 0-d;
            - `lm_embeddings`: states (B, T, D) without dropout, or the list of layers if the contextualizer gives one;
            - `noncontextual_token_embeddings`: embeddings (B, T, E);
            - `mask`: where there are words (B, T).

            The first four are missing without ids under `tokens`, or after `delete_softmax`. An exported program has
            `next_word_log_probabilities` (B, T, V) in their place, and in both directions `previous_word_log_probabilities`.
        """
        mask = get_text_field_mask(source)
        embeddings = self._text_field_embedder(source)
        contextual = self._encode(embeddings, mask, source)
        output: dict[str, Any] = {}
        ids = word_ids(source)
        top_layer = contextual[-1] if isinstance(contextual, list) else contextual
        if is_exporting():  # the words of a batch to predict are not of a fixed number
            if self._softmax_loss is not None:
                output = self._log_probabilities(top_layer)
        elif ids is not None and self._softmax_loss is not None:
            targets = None if target is None else self._checked_targets(target, ids)
            output = self._losses(self._dropout(top_layer), ids, targets)
        output["lm_embeddings"] = contextual
        output["noncontextual_token_embeddings"] = embeddings
        output["mask"] = mask
        return output

    def _encode(self, embeddings: Tensor, mask: Tensor, source: TextFieldInput) -> Tensor | list[Tensor]:
        """The states (B, T, D) of embedded words (B, T, E), or those of all layers."""
        states: Tensor | list[Tensor] = self._contextualizer(embeddings, mask)
        return states

    def _log_probabilities(self, states: Tensor) -> dict[str, Tensor]:
        """Of every word to come next after each word, by the states (B, T, D), and in both directions also to come before.

        Natural logarithms by word id, (B, T, V) each; -inf at the padding id.
        """
        softmax = self._existing_softmax()
        directions = {"next": states[..., : self._forward_dim]}
        if self._bidirectional:
            directions["previous"] = states[..., self._forward_dim :]
        found = {}
        for name, own in directions.items():
            by_class = softmax.log_probabilities(own.flatten(0, 1)).view(*own.shape[:2], -1)
            found[f"{name}_word_log_probabilities"] = _by_word_id(by_class)
        return found

    def _losses(self, states: Tensor, ids: Tensor, targets: Tensor | None) -> dict[str, Tensor | None]:
        """The losses of states (B, T, D) for word ids (B, T), and the number of predicted words."""
        # Words are predicted in pairs of neighbours, in both directions. A word next to padding is no pair, so padding
        # changes nothing in either direction. The padding id is not a class of the softmax: the word with id 1 is class 0.
        right = nn.functional.pad(ids[:, 1:], (0, 1)) if targets is None else targets  # (B, T)
        next_words = (right - 1).masked_fill(ids == 0, _NO_CLASS)
        num_targets = (next_words >= 0).sum()
        divisor = num_targets.clamp(min=1)
        groups = [(states[..., : self._forward_dim], next_words)]
        if self._bidirectional:
            left = nn.functional.pad(ids[:, :-1], (1, 0))  # (B, T)
            previous_words = (left - 1).masked_fill(ids == 0, _NO_CLASS)
            groups.append((states[..., self._forward_dim :], previous_words))
        forward_loss, *others = (total / divisor for total in self._sums_of_losses(groups))
        loss, backward_loss = forward_loss, None
        if others:
            backward_loss = others[0]
            loss = 0.5 * (forward_loss + backward_loss)
        weight = num_targets.to(loss.dtype)
        (self._sampled_perplexity if self._samples_words() else self._perplexity)(loss, weight)
        return {
            "loss": loss,
            "forward_loss": forward_loss,
            "backward_loss": backward_loss,
            "batch_weight": weight,
        }

    def _checked_targets(self, target: TextFieldInput, ids: Tensor) -> Tensor:
        """The ids of the words to predict, in the shape of `ids` (B, T).

        Raises:
            ConfigurationError: there are none, or the model predicts in both directions.
        """
        if self._bidirectional:
            raise ConfigurationError(
                "model.bidirectional: a model of both directions predicts the words of each batch from one another; leave "
                "out `targets` of the data loader"
            )
        targets = word_ids(target)
        if targets is None:
            raise ConfigurationError("target: expected the word ids of an indexer named `tokens`, got none")
        missing = ids.size(1) - targets.size(1)  # at the end of the text there is no word after the last
        return nn.functional.pad(targets, (0, missing)) if missing else targets

    def _sums_of_losses(self, groups: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
        """The sum of -log P(class | state), where there is a class, for each group.

        Shape:
            states (B, T, D), classes (B, T), -1 where there is none -> 0-d.
        """
        assert self._softmax_loss is not None
        flat = [_rows_with_class(states.flatten(0, 1), classes.flatten()) for states, classes in groups]
        if isinstance(self._softmax_loss, SampledSoftmaxLoss):
            losses = self._softmax_loss.losses(flat)
        else:
            losses = [self._softmax_loss(*group) for group in flat]
        # Without any target the loss may be a constant; backward() must work nevertheless.
        return [
            loss + states.sum() * 0.0 if states.requires_grad and not loss.requires_grad else loss
            for loss, (states, _) in zip(losses, groups, strict=True)
        ]

    @property
    def target_namespace(self) -> str:
        """The vocabulary namespace of the predicted words."""
        return "tokens"

    @property
    def max_context(self) -> int | None:
        """The maximum number of words that the contextualizer can read; None if unlimited or unknown."""
        return self._contextualizer.max_length

    def next_token_log_probabilities(
        self, tokens: TextFieldInput, state: StepState | None = None
    ) -> tuple[Tensor, StepState]:
        """The distribution of the word after the last one of each row, by the forward direction.

        Args:
            tokens: tensors of the next words of each row (G, T, ...), padding last.
            state: what the call before returned; None at the start. It must not be used again.

        Returns:
            Natural logarithms of probabilities by word id, (G, size of the vocabulary), and the new state.

        Raises:
            ConfigurationError: the softmax has been deleted.
        """
        softmax = self._existing_softmax()
        outputs, mask, state = read_next(self._text_field_embedder, self._contextualizer, tokens, state)
        states = last_words(outputs, mask)[:, : self._forward_dim]
        return _by_word_id(softmax.log_probabilities(states)), state

    def word_log_probabilities(self, source: TextFieldInput) -> tuple[list[Tensor], Tensor]:
        """The log-probability of each word of a batch of texts.

        States that the contextualizer carries from batch to batch are neither used nor changed.

        Args:
            source: as in `forward`.

        Returns:
            For each direction natural logarithms of probabilities (B, T), of each word given the words before it, or in
            the backward direction after it, NaN where a word has none of these and at padding; and which words are
            unknown, (B, T) bool.

        Raises:
            ConfigurationError: the softmax has been deleted, or there are no word ids.
        """
        softmax = self._existing_softmax()
        ids = word_ids(source)
        if ids is None:
            raise ConfigurationError("source: expected the word ids of an indexer named `tokens`, got none")
        with fresh_states(self):
            contextual = self._encode(self._text_field_embedder(source), get_text_field_mask(source), source)
        states = contextual[-1] if isinstance(contextual, list) else contextual  # (B, T, D)
        left, right = ids[:, :-1], ids[:, 1:]
        is_pair = (left > 0) & (right > 0)  # (B, T - 1)
        forward = states.new_full(ids.shape, torch.nan)
        # The padding id is not a class of the softmax, so the word with id 1 is class 0.
        before = states[:, :-1, : self._forward_dim][is_pair]
        forward[:, 1:][is_pair] = softmax.target_log_probabilities(before, right[is_pair] - 1)
        directions = [forward]
        if self._bidirectional:
            backward = states.new_full(ids.shape, torch.nan)
            after = states[:, 1:, self._forward_dim :][is_pair]
            backward[:, :-1][is_pair] = softmax.target_log_probabilities(after, left[is_pair] - 1)
            directions.append(backward)
        return directions, ids == 1

    def _existing_softmax(self) -> WordDistribution:
        if self._softmax_loss is None:
            raise ConfigurationError(
                f"{type(self).__name__}: its softmax has been deleted, so it gives states and no probabilities"
            )
        return self._softmax_loss

    def _samples_words(self) -> bool:
        """Whether losses come from a sample of the words, as in training with `num_samples`."""
        return self.training and isinstance(self._softmax_loss, SampledSoftmaxLoss)

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """`perplexity` of the words predicted since the last reset.

        In training with sampled words it is called `sampled_perplexity`: the choice is among fewer words, so it is much
        lower than the perplexity, and not to be compared with that of validation. NaN where no word was predicted.
        """
        is_sampled = self._samples_words()
        metric = self._sampled_perplexity if is_sampled else self._perplexity
        # 0.0 stands for a mean of nothing; it must not be taken for the best perplexity of all.
        value = metric.get_metric(reset=reset) or math.nan
        return {"sampled_perplexity" if is_sampled else "perplexity": value}

    def delete_softmax(self) -> None:
        """Remove the softmax, whose large weights are not needed if only the hidden states are used."""
        self._softmax_loss = None

    def num_layers(self) -> int:
        """Number of layers of states, that of the token embeddings included.

        Raises:
            NotImplementedError: the contextualizer has no `num_layers`.
        """
        num_layers: Any = getattr(self._contextualizer, "num_layers", None)
        if num_layers is None:
            raise NotImplementedError(
                f"{type(self._contextualizer).__name__} has no attribute num_layers, "
                "so the number of layers of this language model is not known"
            )
        return int(num_layers) + 1


def _by_word_id(by_class: Tensor) -> Tensor:
    """Log-probabilities (..., V) by word id: the padding id is not a class, so the last class is not a word."""
    return nn.functional.pad(by_class[..., :-1], (1, 0), value=-torch.inf)


def _rows_with_class(states: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Leave out the rows without a class, (N, D) and (N,), where that costs no wait for a device and no break of a graph."""
    if states.device.type != "cpu" or torch.compiler.is_compiling():
        return states, classes
    rows = (classes >= 0).nonzero().squeeze(1)
    return states.index_select(0, rows), classes.index_select(0, rows)


def word_ids(source: TextFieldInput) -> Tensor | None:
    """The ids under `tokens` (B, T), if there are any.

    Raises:
        ConfigurationError: the indexer of that name does not give word ids.
    """
    if "tokens" not in source:
        return None
    tensors = source["tokens"]
    if isinstance(tensors, Tensor):
        return tensors
    if "tokens" not in tensors:
        raise ConfigurationError(
            "source.tokens: expected the word ids of a single_id indexer under `tokens`, "
            f"got {sorted(tensors)}; give other indexers another name"
        )
    return tensors["tokens"]
