"""`HmmTagger`: a hidden Markov model for sequence tagging."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import TextFieldTensors, Vocabulary
from nlpreg.models import tagging
from nlpreg.models.model import Model
from nlpreg.nn.initializers import InitializerApplicator
from nlpreg.nn.operators import is_exporting
from nlpreg.nn.util import get_text_field_mask, get_token_ids_from_text_field_tensors
from nlpreg.nn.util.decoding import best_paths
from nlpreg.training.metrics import CategoricalAccuracy


@Model.register("hmm_tagger")
class HmmTagger(tagging.SequenceTagger):
    """A first-order hidden Markov model: each tag depends on the tag before it, each word on its tag alone.

    P(words, tags) = P(first tag) * product of P(tag | tag before) * product of P(word | tag) * P(end | last tag)

    Training minimizes -log P(words, tags), whose optimum is given by the relative frequencies; the parameters are logits of the
    probabilities, so any optimizer works (`adam` with a learning rate of 0.1 and a few epochs). Decoding finds the sequence of
    tags with the highest probability.

    Args:
        vocab: has the words and the tags.
        token_namespace: the namespace of the words.
        label_namespace: the namespace of the tags.
        unknown_word_chance: probability, from 0 to 1, of replacing a word by the unknown token in training, from which the
            model learns the tags of unknown words.
        initializer: sets the initial values of parameters, after everything is built.
        **kwargs: arguments of `SequenceTagger` and `Model`.

    Raises:
        ConfigurationError: a probability is outside [0, 1], or `calculate_span_f1` is set without an encoding.

    Source: Rabiner (1989), A tutorial on hidden Markov models, sections II and III.B.
    """

    default_predictor = "sentence_tagger"
    per_token_outputs: ClassVar[dict[str, str]] = {"tags": "mask", "mask": "mask"}

    def __init__(
        self,
        vocab: Vocabulary,
        token_namespace: str = "tokens",
        label_namespace: str = "labels",
        unknown_word_chance: float = 0.02,
        initializer: InitializerApplicator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, label_namespace, **kwargs)
        if not 0.0 <= unknown_word_chance < 1.0:
            raise ConfigurationError(
                f"model.unknown_word_chance: expected a number from 0 to below 1, got {unknown_word_chance}"
            )
        self.metrics = {"accuracy": CategoricalAccuracy()}
        self._unknown_word_chance = unknown_word_chance
        self._unknown_id = vocab.get_token_index(vocab.oov_token, token_namespace)
        self.start_scores = nn.Parameter(torch.zeros(self.num_tags))
        # the last column is the end of the sentence
        self.transition_scores = nn.Parameter(torch.zeros(self.num_tags, self.num_tags + 1))
        self.emission_scores = nn.Parameter(torch.zeros(self.num_tags, vocab.get_vocab_size(token_namespace)))
        if initializer is not None:
            initializer(self)

    def forward(
        self,
        tokens: TextFieldTensors,
        tags: Tensor | None = None,
        metadata: list[dict[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """Find the best tags of each sentence.

        Args:
            tokens: the tensors of a text field with word ids, T words in the longest of B sentences.
            tags: gold tag ids (B, T).
            metadata: for each sentence a dict with its `words`.

        Returns:
            `tags`, the ids of the best tags (B, T), 0 at padding; `log_probability` (B,) of the words together with
            these tags; `mask` (B, T); with gold tags `loss`, the mean over words of -log P(words, tags), in nats,
            0-d, and `batch_weight`, the number of words, 0-d; with metadata `words`.
        """
        mask = get_text_field_mask(tokens)  # (B, T)
        words = get_token_ids_from_text_field_tensors(tokens)
        output: dict[str, Any] = {"mask": mask}
        if tags is not None:
            tagging.refuse_unknown_tags(tags, tagging.NEEDS_TAGS)
            num_words = mask.sum()
            log_likelihood = self.joint_log_probability(self._with_unknown(words), tags, mask).sum()
            output["loss"] = -log_likelihood / num_words.clamp(min=1)
            output["batch_weight"] = num_words.to(log_likelihood.dtype)
        if is_exporting():  # the search is a loop over the words, outside of the program
            output["logits"] = self._word_scores(words)
            return output
        output["tags"], output["log_probability"] = self.decode(words, mask)
        if tags is not None:
            self.measure(nn.functional.one_hot(output["tags"], self.num_tags), tags, mask)
        tagging.add_words(output, metadata)
        return output

    def _with_unknown(self, words: Tensor) -> Tensor:
        if not self.training or self._unknown_word_chance == 0.0:
            return words
        chosen = torch.rand(words.shape, device=words.device) < self._unknown_word_chance
        return words.masked_fill(chosen, self._unknown_id)

    def _log_probabilities(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of first tags (K,), of tags after tags (K, K), of the end after tags (K,), of words under tags (K, V)."""
        transitions = self.transition_scores.log_softmax(-1)
        return (
            self.start_scores.log_softmax(-1),
            transitions[:, :-1],
            transitions[:, -1],
            self.emission_scores.log_softmax(-1),
        )

    def joint_log_probability(self, words: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """log P(words, tags) of each sentence, in nats.

        Shape:
            words (B, T), tags (B, T), mask (B, T) with the words first -> (B,); 0 for a sentence without words.
        """
        start, transitions, end, emissions = self._log_probabilities()
        zero = emissions.new_zeros(())
        of_words = emissions[tags, words].where(mask, zero).sum(1)
        of_tags = transitions[tags[:, :-1], tags[:, 1:]].where(mask[:, 1:], zero).sum(1)
        last = tags.gather(1, (mask.sum(1, keepdim=True) - 1).clamp(min=0)).squeeze(1)  # (B,)
        ends = (start[tags[:, 0]] + end[last]).where(mask[:, 0], zero)
        return of_words + of_tags + ends

    @torch.no_grad()
    def decode(self, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The sequence of tags with the highest joint probability.

        Shape:
            words (B, T), mask (B, T) with the words first -> tags (B, T), 0 at padding, and their joint
            log-probabilities (B,), in nats.
        """
        start, transitions, end, _ = self._log_probabilities()
        scores = self._word_scores(words)
        paths, log_probabilities = best_paths(scores, mask.sum(1), transitions, start, end)
        return paths[:, 0] * mask, log_probabilities[:, 0]

    def decoding_scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """The scores that decoding adds to log P(word | tag): natural logarithms of probabilities.

        Returns:
            Of tags (columns) after tags (rows) (K, K), of first tags (K,), of the end after tags (K,).
        """
        start, transitions, end, _ = self._log_probabilities()
        return transitions, start, end

    def _word_scores(self, words: Tensor) -> Tensor:
        """log P(word | tag) for words (B, T): (B, T, K)."""
        return nn.functional.embedding(words, self.emission_scores.log_softmax(-1).t())

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Turn `tags` into names: for each sentence as many as it has words."""
        paths = tagging.without_padding(output_dict["tags"].tolist(), output_dict["mask"])
        output_dict["tags"] = tagging.tag_names(paths, self.vocab, self.label_namespace)
        return output_dict

    def load_smaller_weights(self, smaller: Model) -> None:
        """Copy the weights of a model with fewer tags; the end of a sentence stays the last column."""
        super().load_smaller_weights(smaller)
        assert isinstance(smaller, HmmTagger)
        old, new = smaller.transition_scores, self.transition_scores
        with torch.no_grad():
            new[: smaller.num_tags, smaller.num_tags : -1] = 0.0  # as the scores of new tags at the start
            new[: smaller.num_tags, -1] = old[:, -1]
