"""`CrfTagger`: sequence tagging with a conditional random field."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from nlpreg.common.checks import ConfigurationError, PositiveInt, Probability
from nlpreg.data import TextFieldTensors, Vocabulary
from nlpreg.models import tagging
from nlpreg.models.model import Model
from nlpreg.modules import FeedForward, Seq2SeqEncoder, TextFieldEmbedder, TimeDistributed
from nlpreg.modules import conditional_random_field as crf
from nlpreg.nn.cpu_layers import Dropout
from nlpreg.nn.initializers import InitializerApplicator
from nlpreg.nn.operators import is_exporting, run_uncompiled
from nlpreg.nn.util import get_text_field_mask
from nlpreg.training.metrics.metric import widest

logger = logging.getLogger(__name__)

WeightStrategy = Literal["emission", "emission_transition", "lannoy"]

_WEIGHTED_CRFS = {
    "emission": crf.ConditionalRandomFieldWeightEmission,
    "emission_transition": crf.ConditionalRandomFieldWeightTrans,
    "lannoy": crf.ConditionalRandomFieldWeightLannoy,
}

# Number of batches whose gold tags are checked: enough to see the common tags, at no noticeable cost.
_NUM_GOLD_CHECKS = 100


@Model.register("crf_tagger")
class CrfTagger(tagging.ProbabilisticTagger, tagging.SequenceTagger):
    """Embeds and encodes a sentence and decodes the best tag sequence with a conditional random field.

    Args:
        vocab: has the tags.
        text_field_embedder: embeds the words.
        encoder: encodes the sentence.
        label_namespace: the namespace of the tags.
        feedforward: applied to the encoder's output before the emission scores, if given.
        label_encoding: how tags encode spans.
        include_start_end_transitions: whether to learn transition scores from the start
            of a sentence and to its end.
        constrain_crf_decoding: whether decoding is restricted to transitions that the encoding allows (the loss is not); by
            default if `label_encoding` is given.
        calculate_span_f1: whether to compute precision, recall and F1 of spans; by default if `label_encoding` is given.
        dropout: dropout probability after the embedder and after the encoder, from 0 to 1.
        verbose_metrics: whether to report the metrics of each span label too; without span F1, those of each tag.
        initializer: sets the initial values of parameters, after everything is built.
        top_k: number of best tag sequences to decode; fewer are given where decoding allows fewer.
        partial_labels: whether some gold tags may be unknown (see the readers' `unknown_tag`). The loss is then the negative
            logarithm of the summed probability of all sequences that have the known tags.
        ignore_loss_on_o_tags: whether to exclude words whose gold tag is `O` from the loss (not from the metrics).
        label_weights: tag -> its weight in the loss; 1.0 for all others.
        weight_strategy: what the weights are applied to: the `emission` scores (the default), both emission and transition
            scores (`emission_transition`), or as in Lannoy et al. (`lannoy`).
        **kwargs: `confidences` and `confidence_threshold`, see `ProbabilisticTagger`, and arguments of `Model`. The
            probabilities, also those of each of the best sequences, are marginals over the sequences that decoding allows.

    Raises:
        ConfigurationError: the dimensions of consecutive layers do not match; an option needs a label encoding and none is
            given; a weight for an unknown tag; or a strategy without weights.

    Source: Lample et al. (2016), https://arxiv.org/abs/1603.01360, section 2; weights: Lannoy et al. (2019).
    """

    dimension_chain: ClassVar[tuple[str, ...]] = ("text_field_embedder", "encoder", "feedforward")

    per_token_outputs: ClassVar[dict[str, str]] = {"logits": "mask", "mask": "mask"}
    loss_is_sum = True
    """With gradient accumulation, the losses of the batches of an update are summed, not averaged."""

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        encoder: Seq2SeqEncoder,
        label_namespace: str = "labels",
        feedforward: FeedForward | None = None,
        label_encoding: tagging.LabelEncoding | None = None,
        include_start_end_transitions: bool = True,
        constrain_crf_decoding: bool | None = None,
        calculate_span_f1: bool | None = None,
        dropout: Probability | None = None,
        verbose_metrics: bool = False,
        initializer: InitializerApplicator | None = None,
        top_k: PositiveInt = 1,
        ignore_loss_on_o_tags: bool = False,
        label_weights: dict[str, float] | None = None,
        weight_strategy: WeightStrategy | None = None,
        partial_labels: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            vocab,
            text_field_embedder,
            encoder,
            label_namespace=label_namespace,
            label_encoding=label_encoding,
            calculate_span_f1=calculate_span_f1,
            verbose_metrics=verbose_metrics,
            **kwargs,
        )
        width = tagging.check_chain(encoder=encoder, feedforward=feedforward)
        self.check_arguments(
            label_encoding, constrain_crf_decoding, calculate_span_f1, partial_labels, label_weights
        )
        self.top_k = top_k
        self.ignore_loss_on_o_tags = ignore_loss_on_o_tags
        self.dropout = Dropout(dropout) if dropout else None
        self._feedforward = feedforward
        self.tag_projection_layer = TimeDistributed(nn.Linear(width, self.num_tags))
        self.include_start_end_transitions = include_start_end_transitions
        self.label_weights = _weights_by_id(label_weights, vocab, label_namespace)
        constrained = tagging.given_encoding(constrain_crf_decoding, label_encoding, "constrain_crf_decoding")
        names = vocab.get_index_to_token_vocabulary(label_namespace)
        constraints = (
            crf.allowed_transitions(label_encoding, names) if constrained and label_encoding else None
        )
        self.crf = _make_crf(
            self.num_tags, constraints, include_start_end_transitions, self.label_weights, weight_strategy
        )
        self.partial_labels = partial_labels
        self._num_gold_checks_left = _NUM_GOLD_CHECKS if constraints is not None and not partial_labels else 0
        if initializer is not None:
            initializer(self)

    @staticmethod
    def check_arguments(
        label_encoding: tagging.LabelEncoding | None,
        constrain_crf_decoding: bool | None,
        calculate_span_f1: bool | None,
        partial_labels: bool,
        label_weights: dict[str, float] | None,
    ) -> None:
        """Check the arguments; also called by `nlpreg check`."""
        if partial_labels and label_weights is not None:
            raise ConfigurationError(
                "model.partial_labels: not together with label_weights, which are for words whose tag is known"
            )
        tagging.given_encoding(constrain_crf_decoding, label_encoding, "constrain_crf_decoding")
        tagging.given_encoding(calculate_span_f1, label_encoding, "calculate_span_f1")

    def forward(
        self,
        tokens: TextFieldTensors,
        tags: Tensor | None = None,
        metadata: list[dict[str, Any]] | None = None,
        ignore_loss_on_o_tags: bool | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Find the best tags of each sentence.

        Args:
            tokens: the tensors of a text field, T words in the longest of B sentences.
            tags: gold tag ids (B, T); with `partial_labels`, -1 for a word whose tag is not known.
            metadata: for each sentence a dict with its `words`.
            ignore_loss_on_o_tags: overrides the constructor's argument.
            kwargs: other fields of the instances; not used.

        Returns:
            `logits` (B, T, C); `mask` (B, T); `tags`, for each sentence the ids of its tags, as many as it has words;
            with `top_k` above 1 `top_k_tags`, for each sentence pairs of such tags and their score; with `confidences`
            the probabilities of the tags (B, T), with `top_k` also `top_k_probabilities`, and in evaluation with a label
            encoding `spans`; with gold tags
            `loss`, the negative log-likelihood summed over the batch, 0-d; with metadata `words`.
        """
        mask = get_text_field_mask(tokens)
        logits = self._logits(tokens, mask)
        output: dict[str, Any] = {"logits": logits, "mask": mask}
        if tags is not None:
            if ignore_loss_on_o_tags is None:
                ignore_loss_on_o_tags = self.ignore_loss_on_o_tags
            counted = mask
            if ignore_loss_on_o_tags:
                counted = tagging.without_outside_tags(mask, tags, self.vocab, self.label_namespace)
            output["loss"] = self._loss(logits, tags, counted)
            # Training on an accelerator must not wait for a result; there only validation checks.
            may_check = tags.device.type == "cpu" or not self.training
            if self._num_gold_checks_left and may_check and not torch.compiler.is_compiling():
                self._check_gold(tags, mask, metadata)
        if is_exporting():
            return output  # an exported program is decoded outside of it, by a loop over the words
        if torch.compiler.is_compiling():
            # A graph break: code that uses Python lists of numbers would be recompiled for each list.
            return run_uncompiled(self._decode, output, tags)
        self._decode(output, tags)
        tagging.add_words(output, metadata)
        return output

    def _loss(self, logits: Tensor, tags: Tensor, counted: Tensor) -> Tensor:
        """The negative log-likelihood of the gold tags, summed over the batch: 0-d."""
        if self.partial_labels:
            allowed = one_hot(tags.clamp(min=0), self.num_tags).bool() | (tags < 0).unsqueeze(2)  # (B, T, C)
            return -self.crf.log_probability_of_sets(logits, allowed, counted).sum()
        tagging.refuse_unknown_tags(
            tags, "set model.partial_labels to true, so that the loss sums over the tags that they may have"
        )
        loss: Tensor = -self.crf(logits, tags, counted)
        return loss

    def _check_gold(self, tags: Tensor, mask: Tensor, metadata: list[dict[str, Any]] | None) -> None:
        """Warn once about gold tags that decoding can never predict, because the label encoding does not allow them."""
        self._num_gold_checks_left -= 1
        allowed = self.crf.allows(tags, mask)
        if bool(allowed.all()):
            return
        self._num_gold_checks_left = 0
        row = int((~allowed).nonzero()[0])
        (names,) = tagging.tag_names([tags[row][mask[row]].tolist()], self.vocab, self.label_namespace)
        words = metadata[row].get("words", names) if metadata else names
        sentence = " ".join(f"{word}/{tag}" for word, tag in zip(words, names, strict=False))
        logger.warning(
            "model.label_encoding: %s does not allow the gold tags of %d of the %d sentences of a batch, such as: %s. "
            "Decoding keeps to the encoding, so it can never give them; set label_encoding to that of the data, or "
            "let the dataset reader convert the tags",
            self._label_encoding,
            int((~allowed).sum()),
            len(allowed),
            sentence,
        )

    def _decode(self, output: dict[str, Any], tags: Tensor | None) -> dict[str, Any]:
        """Add the best paths to the output and, with gold tags, update the metrics."""
        mask = output["mask"]
        logits = output["logits"]
        best_paths = self.crf.viterbi_tags(logits, mask, top_k=self.top_k)
        output["tags"] = [paths[0][0] for paths in best_paths]
        if self.top_k > 1:
            output["top_k_tags"] = best_paths
        found = self._as_tensor(output["tags"], mask)
        marginals = None
        if self.confidences or (tags is not None and not self.training):
            marginals = self.crf.marginals(logits, mask, constrained=True)  # (B, T, C)
        if self.confidences and marginals is not None:
            output["confidences"] = marginals.gather(2, found.unsqueeze(2)).squeeze(2)  # (B, T)
            if self.top_k > 1:
                totals = self.crf.log_partition(logits, mask, constrained=True).tolist()
                output["top_k_probabilities"] = [
                    [math.exp(float(score) - total) for _, score in paths]
                    for paths, total in zip(best_paths, totals, strict=True)
                ]
            if self._label_encoding is not None and not self.training:
                output["spans"] = self._described_spans(output["tags"], [(self, logits)], mask)
        if tags is not None:
            # Marginals cost as much as the loss, so in training tags other than the best are ranked by their emissions.
            self._measure(found, logits.softmax(-1) if marginals is None else marginals, tags, mask)
        return output

    def decoding_scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """The scores that decoding adds to `logits`, see `ConditionalRandomField.decoding_scores`."""
        return self.crf.decoding_scores()

    def tag_probabilities(self, output: Mapping[str, Any]) -> dict[str, Tensor]:
        """The marginals over the sequences that decoding allows.

        In double precision where the device has it: in single precision a probability close to 1 is 1, so that two such
        members that disagree would be in a tie.
        """
        return {"tags": self.crf.marginals(widest(output["logits"]), output["mask"], constrained=True)}

    def choose(
        self, output: Mapping[str, Any], probabilities: Mapping[str, Tensor], gold: Mapping[str, Tensor]
    ) -> dict[str, Any]:
        """The outputs for other marginals, see `ProbabilisticTagger`.

        The tags are those with the greatest product of marginals among the sequences that decoding allows. Marginals alone
        do not say how probable spans and whole sequences are: `add_of_members` adds these.
        """
        marginals, mask = probabilities["tags"], output["mask"]
        tags = self.crf.tags_of_marginals(marginals, mask)
        found = self._as_tensor(tags, mask)  # (B, T)
        marginals = marginals.to(torch.promote_types(output["logits"].dtype, torch.float32))
        chosen = {name: value for name, value in output.items() if not name.startswith(("top_k", "spans"))}
        chosen.update(tags=tags, logits=marginals.clamp(min=torch.finfo(marginals.dtype).tiny).log())
        if self.confidences:
            chosen["confidences"] = marginals.gather(2, found.unsqueeze(2)).squeeze(2)
        if "tags" in gold:
            self._measure(found, marginals, gold["tags"], mask)
        return chosen

    def add_of_members(
        self,
        chosen: dict[str, Any],
        members: Sequence[tagging.ProbabilisticTagger],
        outputs: Sequence[Mapping[str, Any]],
    ) -> None:
        """Add the spans and the best sequences of an ensemble, see `ProbabilisticTagger`.

        The probability of a span or a sequence is the mean of its probabilities by the members. The sequences are the
        `top_k` most probable ones of all that are among the `top_k` of a member; their score is the logarithm of the
        probability.
        """
        pairs = [
            (member, output["logits"])
            for member, output in zip(members, outputs, strict=True)
            if isinstance(member, CrfTagger)
        ]
        mask = chosen["mask"]
        if self.top_k > 1:
            candidates: list[list[tuple[int, ...]]] = [
                list(
                    dict.fromkeys(tuple(path) for output in outputs for path, _ in output["top_k_tags"][row])
                )
                for row in range(len(mask))
            ]
            found = _mean([member.path_probabilities(candidates, logits, mask) for member, logits in pairs])
            # The probability of a sequence that is far less likely than the best one may be 0, which has no logarithm.
            ranked = [
                sorted(
                    ((p, path) for p, path in zip(probabilities, paths, strict=True) if p > 0),
                    key=lambda pair: -pair[0],
                )[: self.top_k]
                for probabilities, paths in zip(found, candidates, strict=True)
            ]
            chosen["top_k_tags"] = [
                [(list(path), math.log(probability)) for probability, path in row] for row in ranked
            ]
            if self.confidences:
                chosen["top_k_probabilities"] = [[probability for probability, _ in row] for row in ranked]
        if self.confidences and self._label_encoding is not None and not self.training:
            chosen["spans"] = self._described_spans(chosen["tags"], pairs, mask)

    def _logits(self, tokens: TextFieldTensors, mask: Tensor) -> Tensor:
        """The scores of the tags of each word (B, T, C)."""
        vectors = self.text_field_embedder(tokens)
        if self.dropout is not None:
            vectors = self.dropout(vectors)
        vectors = self.encoder(vectors, mask)
        if self.dropout is not None:
            vectors = self.dropout(vectors)
        if self._feedforward is not None:
            vectors = self._feedforward(vectors)
        logits: Tensor = self.tag_projection_layer(vectors)
        return logits

    @staticmethod
    def _as_tensor(paths: list[list[int]], mask: Tensor) -> Tensor:
        """The predicted tags as a tensor (B, T); arbitrary at padding."""
        num_steps = mask.size(1)
        padded = torch.tensor([path + [0] * (num_steps - len(path)) for path in paths], dtype=torch.long)
        # Paths skip masked words: their tags belong to the unmasked ones, in order.
        places = mask.sort(dim=1, descending=True, stable=True).indices
        return torch.empty_like(places).scatter_(1, places, padded.view(places.shape).to(places.device))

    def _measure(self, found: Tensor, probabilities: Tensor, tags: Tensor, mask: Tensor) -> None:
        """Update the metrics: the decoded tags (B, T) rank first, all others by their probabilities (B, T, C)."""
        choices = one_hot(found, self.num_tags)
        self.measure(probabilities.detach() + choices, tags, mask, choices)

    def _described_spans(
        self, tags: list[list[int]], pairs: Sequence[tuple["CrfTagger", Tensor]], mask: Tensor
    ) -> list[list[dict[str, Any]]]:
        """The spans of each sentence, each with its probability."""
        encoding = self._label_encoding
        assert encoding is not None
        spans = [
            tagging.spans_of(sentence, encoding)
            for sentence in tagging.tag_names(tags, self.vocab, self.label_namespace)
        ]
        found = _mean([tagger.span_probabilities(spans, logits, mask) for tagger, logits in pairs])
        return [
            tagging.described_spans(row, confidences, self.confidence_threshold)
            for row, confidences in zip(spans, found, strict=True)
        ]

    def span_probabilities(
        self, spans: Sequence[Sequence[tagging.Span]], logits: Tensor, mask: Tensor
    ) -> list[list[float]]:
        """The total probability of all sequences with a span, for some spans of each sentence; needs a label encoding.

        Args:
            spans: label, first and last word.
            logits: scores of the tags of each word (B, T, C).
            mask: true for words (B, T).
        """
        encoding = self._label_encoding
        assert encoding is not None
        names = self.vocab.get_index_to_token_vocabulary(self.label_namespace)
        lengths = mask.sum(1).tolist()
        return self._probabilities_of_sets(
            [
                [tagging.tags_of_span(span, length, encoding, names) for span in found]
                for found, length in zip(spans, lengths, strict=True)
            ],
            logits,
            mask,
        )

    def path_probabilities(
        self, paths: Sequence[Sequence[Sequence[int]]], logits: Tensor, mask: Tensor
    ) -> list[list[float]]:
        """The probability of some tag sequences of each sentence, given as ids of tags; the rest as above."""
        sets = [
            [
                one_hot(torch.tensor(path, dtype=torch.long), self.num_tags).bool().unsqueeze(0)
                for path in found
            ]
            for found in paths
        ]
        return self._probabilities_of_sets(sets, logits, mask)

    def _probabilities_of_sets(
        self, sets: Sequence[Sequence[Tensor]], logits: Tensor, mask: Tensor
    ) -> list[list[float]]:
        """The probability of sets of tag sequences, for each sentence some.

        Args:
            sets: for each set its alternatives, which exclude each other: the tags that each word may have (A, words, C).
            logits: (B, T, C).
            mask: (B, T).
        """
        all_allowed, rows = [], []
        for row, alternatives_of_sets in enumerate(sets):
            is_word = mask[row].cpu()
            for alternatives in alternatives_of_sets:
                allowed = torch.ones(len(alternatives), *logits.shape[1:], dtype=torch.bool)
                allowed[:, is_word] = alternatives
                all_allowed.append(allowed)
                rows += [row] * len(alternatives)
        probabilities: list[float] = []
        if rows:
            # In double precision: the probability is a difference of sums over whole sentences.
            of_alternatives = self.crf.log_probability_of_sets(
                logits[rows].double(), torch.cat(all_allowed).to(logits.device), mask[rows], constrained=True
            )
            of_sets = torch.split(of_alternatives.exp(), [len(allowed) for allowed in all_allowed])
            probabilities = torch.stack([part.sum() for part in of_sets]).clamp(max=1.0).tolist()
        left = iter(probabilities)
        return [[next(left) for _ in alternatives_of_sets] for alternatives_of_sets in sets]

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Turn `tags` and `top_k_tags` into names; each of the best becomes a dict of `tags`, `score` and `probability`."""
        output_dict["tags"] = tagging.tag_names(output_dict["tags"], self.vocab, self.label_namespace)
        if "confidences" in output_dict:
            rows = zip(output_dict["confidences"], output_dict["mask"], strict=True)
            output_dict["confidences"] = [row[mask].tolist() for row, mask in rows]
            tagging.add_uncertain(output_dict, self.confidence_threshold)
        if "top_k_tags" in output_dict:
            output_dict["top_k_tags"] = tagging.named_paths(
                output_dict["top_k_tags"], "score", self.vocab, self.label_namespace
            )
        for entries, probabilities in zip(
            output_dict.get("top_k_tags", ()), output_dict.pop("top_k_probabilities", ()), strict=False
        ):
            for entry, probability in zip(entries, probabilities, strict=True):
                entry["probability"] = probability
        return output_dict


def _weights_by_id(
    label_weights: dict[str, float] | None, vocab: Vocabulary, label_namespace: str
) -> list[float] | None:
    """The weight of each tag id; 1.0 by default.

    Raises:
        ConfigurationError: a weight for a tag that the vocabulary does not have.
    """
    if label_weights is None:
        return None
    ids = vocab.get_token_to_index_vocabulary(label_namespace)
    weights = [1.0] * len(ids)
    for label, weight in label_weights.items():
        if label not in ids:
            raise ConfigurationError(
                f"model.label_weights: {label!r} is not in the vocabulary's namespace {label_namespace!r}, "
                f"which has {sorted(ids)}"
            )
        weights[ids[label]] = weight
    return weights


def _make_crf(
    num_tags: int,
    constraints: list[tuple[int, int]] | None,
    include_start_end_transitions: bool,
    label_weights: list[float] | None,
    weight_strategy: str | None,
) -> crf.ConditionalRandomField:
    """Make the plain CRF, or the weighted one for a weighting strategy.

    Raises:
        ConfigurationError: an unknown strategy, or a strategy without weights.
    """
    if weight_strategy is not None and weight_strategy not in _WEIGHTED_CRFS:
        raise ConfigurationError(
            f"model.weight_strategy: expected null or one of {sorted(_WEIGHTED_CRFS)}, got {weight_strategy!r}"
        )
    if label_weights is None:
        if weight_strategy is not None:
            raise ConfigurationError("model.weight_strategy needs model.label_weights, got none")
        return crf.ConditionalRandomField(num_tags, constraints, include_start_end_transitions)
    weighted = _WEIGHTED_CRFS[weight_strategy or "emission"]
    return weighted(num_tags, label_weights, constraints, include_start_end_transitions)


def _mean(tables: Sequence[list[list[float]]]) -> list[list[float]]:
    """The mean of several lists of rows of numbers, number by number."""
    return [
        [sum(numbers) / len(tables) for numbers in zip(*rows, strict=True)]
        for rows in zip(*tables, strict=True)
    ]
