"""A trigram tagger that is estimated by counting, and its guesses for unknown words.

B sentences, T words, K tags, V words of the vocabulary, C candidate tags of a word, N paths.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nlpreg.common.checks import ConfigurationError, check_at_least
from nlpreg.data import TextFieldTensors, Vocabulary
from nlpreg.models import tagging
from nlpreg.models.model import Model
from nlpreg.models.tnt_decoder import TINY, Array, SuffixGuesser, guess_unknown, packed_texts
from nlpreg.nn.operators import is_exporting
from nlpreg.nn.util import get_text_field_mask, get_token_ids_from_text_field_tensors
from nlpreg.training.metrics import CategoricalAccuracy
from nlpreg.training.metrics.metric import sum_over_ranks

_IMPOSSIBLE = -1e30
# If the tables by word would have more entries than this, only the most frequent words have rows of their own.
_MAX_TABLE_ENTRIES = 50_000_000
# Above this number of tags the table of trigrams is left out, and tags depend on one tag before.
_MAX_TAGS_FOR_TRIGRAMS = 300


class _Tables(NamedTuple):
    """Scores, natural logarithms, made from the counts; START and END are tag K.

    Args:
        words: score of each tag for each word, log P(tag | word) / P(tag) (V, K).
        priors: log P(tag) (K,).
        trigrams: log P(tag | tag before the last, last tag) (K + 1, K + 1, K + 1); (1, K + 1, K + 1) without trigrams.
        rows: the row of each word in the next two tables (V,); row 0 is for words without one.
        before: what a word says of the tag before its own, log P(word | tag before, tag) / P(word | tag)
            (R, K + 1, K).
        after: what a word says of the tag after its own, log P(next tag | tag, word) / P(next tag | tag)
            (R, K, K + 1).
    """

    words: Tensor
    priors: Tensor
    trigrams: Tensor
    rows: Tensor
    before: Tensor
    after: Tensor


@Model.register("tnt_tagger")
class TntTagger(tagging.SequenceTagger):
    """A second-order hidden Markov model, estimated by relative frequencies, in the manner of TnT.

    A tag depends on the two tags before it; probabilities of trigrams, bigrams and single tags are interpolated, with
    weights from deleted interpolation. Unknown words are guessed from their suffix and shape, and rare words are
    smoothed with that guess. Beyond TnT, a word also says what tags its neighbours have: P(word | tag) depends on
    the tag before, and the next tag on the word, each smoothed towards TnT's own estimate.

    It is trained by the trainer `counting`, in one pass. Words should be in the vocabulary as they are written, all of
    them: an indexer of single ids without lower-casing, and no `min_count`. The unknown words of a sentence are read
    from its metadata.

    Args:
        vocab: has the words and the tags.
        token_namespace: the namespace of the words.
        label_namespace: the namespace of the tags.
        max_suffix_length: number of letters of the longest suffix that unknown words are guessed from.
        rare_word_count: words seen at most this often tell what unknown words are like.
        suffix_weight: how much a shorter suffix counts beside a longer one.
        guess_count: a known word's guess by suffix counts as much as this number of occurrences of the word.
        before_count: the smoothing of what a word says of the tag before, as a number of occurrences of that tag.
        after_count: the smoothing of what a word says of the tag after, as a number of occurrences of the word.
        beam_size: number of candidate tags of each word; with all tags as candidates, the search is exact.
        top_k: how many of the best sequences to find.
        confidences: whether to give the probability of each word's tag, from 0 to 1.
        **kwargs: arguments of `SequenceTagger` and `Model`.

    Raises:
        ConfigurationError: a number is out of range, or `calculate_span_f1` without an encoding.

    Source: Brants (2000), https://aclanthology.org/A00-1031/. Lexical contexts: Thede and Harper (1999),
    https://aclanthology.org/P99-1023/.
    """

    default_predictor = "sentence_tagger"
    per_token_outputs: ClassVar[dict[str, str]] = {"tags": "mask", "confidences": "mask", "mask": "mask"}

    counts: Tensor

    def __init__(
        self,
        vocab: Vocabulary,
        token_namespace: str = "tokens",
        label_namespace: str = "labels",
        max_suffix_length: int = 10,
        rare_word_count: int = 10,
        suffix_weight: float = 0.3,
        guess_count: float = 0.5,
        before_count: float = 1000.0,
        after_count: float = 20.0,
        beam_size: int = 5,
        top_k: int = 1,
        confidences: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, label_namespace, **kwargs)
        self.check_arguments(
            max_suffix_length, suffix_weight, guess_count, before_count, after_count, beam_size, top_k
        )
        self.token_namespace = token_namespace
        self.top_k = top_k
        self._max_suffix_length = max_suffix_length
        self._rare_word_count = rare_word_count
        self._suffix_weight = suffix_weight
        self._guess_count = guess_count
        self._before_count = before_count
        self._after_count = after_count
        self._num_candidates = min(beam_size, self.num_tags)
        self.confidences = confidences
        self.confidence_threshold = 0.0  # words whose tag is less probable are listed as `uncertain`
        self._unknown_id = vocab.get_token_index(vocab.oov_token, token_namespace)
        # Rows of word, tag before, tag, tag after, and how often they were seen together, (n, 5). This is the whole
        # state of the model; everything else is made from it.
        self.register_buffer("counts", torch.zeros((0, 5), dtype=torch.long))
        self._seen: list[Tensor] = []
        self._tables: _Tables | None = None
        self._guesser: SuffixGuesser | None = None
        self._guesses: dict[tuple[str, bool], Tensor] = {}
        self.metrics = {"accuracy": CategoricalAccuracy()}
        kinds = ("accuracy_known", "accuracy_unknown")
        self._accuracies_by_kind = {kind: CategoricalAccuracy() for kind in kinds}

    @staticmethod
    def check_arguments(
        max_suffix_length: int,
        suffix_weight: float,
        guess_count: float,
        before_count: float,
        after_count: float,
        beam_size: int,
        top_k: int,
    ) -> None:
        """Check the arguments; also called by `nlpreg check`."""
        check_at_least(0, max_suffix_length=max_suffix_length, suffix_weight=suffix_weight)
        check_at_least(1, beam_size=beam_size, top_k=top_k)
        above_0 = {"guess_count": guess_count, "before_count": before_count, "after_count": after_count}
        for name, value in above_0.items():
            if not value > 0:
                raise ConfigurationError(f"model.{name}: expected a number above 0, got {value}")

    # -- training ------------------------------------------------------------------------------------------------

    def count(
        self, tokens: TextFieldTensors, tags: Tensor, metadata: list[dict[str, Any]] | None = None
    ) -> None:
        """Count a batch of tagged sentences.

        Args:
            tokens: the tensors of a text field with word ids, T words in the longest of B sentences.
            tags: gold tag ids (B, T).
            metadata: not used.
        """
        tagging.refuse_unknown_tags(tags, tagging.NEEDS_TAGS)
        mask = get_text_field_mask(tokens)
        words = get_token_ids_from_text_field_tensors(tokens)
        outside = self.num_tags  # START before the first word, END after the last
        known = tags.masked_fill(~mask, outside)
        border = known.new_full((len(known), 1), outside)
        before = torch.cat([border, known[:, :-1]], dim=1)
        after = torch.cat([known[:, 1:], border], dim=1)
        self._seen.append(torch.stack([words, before, known, after], dim=-1)[mask].cpu())  # (words, 4)

    def finish_counting(self) -> None:
        """Merge the counts of all batches."""
        rows = torch.cat([self.counts[:, :4].repeat_interleave(self.counts[:, 4], dim=0), *self._seen])
        base = self.num_tags + 1
        # One number for each row makes them quick to compare.
        keys = ((rows[:, 0] * base + rows[:, 1]) * base + rows[:, 2]) * base + rows[:, 3]
        distinct, counts = map(torch.from_numpy, np.unique(keys.numpy(), return_counts=True))
        columns = [distinct // base**power % base for power in (2, 1, 0)]
        self.counts = torch.stack([distinct // base**3, *columns, counts], dim=1)
        self._seen = []
        self._forget_tables()

    def _forget_tables(self) -> None:
        self._tables = self._guesser = None
        self._guesses = {}

    def make_room_for(self, state: Mapping[str, Any]) -> None:
        """Resize the counts to those of a `state_dict`, if it has any."""
        if "counts" in state:
            self.counts = self.counts.new_empty(state["counts"].shape)
            self._forget_tables()

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load the counts, whose number depends on the training data."""
        self.make_room_for(state_dict)
        return super().load_state_dict(state_dict, *args, **kwargs)

    # -- tables --------------------------------------------------------------------------------------------------

    def tables(self) -> _Tables:
        """The scores that follow from the counts, made when they are first needed.

        Raises:
            ConfigurationError: nothing was counted.
        """
        if self._tables is None:
            if len(self.counts) == 0:
                raise ConfigurationError(
                    "model: tnt_tagger has not been trained; train it with the trainer `counting`"
                )
            device = self.counts.device
            self._tables = _Tables(*(table.to(device) for table in self._make_tables()))
        return self._tables

    def _make_tables(self) -> _Tables:
        word, before, tag, after, number = self.counts.cpu().numpy().T
        num_tags, base = self.num_tags, self.num_tags + 1
        names = self.vocab.get_index_to_token_vocabulary(self.token_namespace)
        num_words = self.vocab.get_vocab_size(self.token_namespace)
        by_word = np.zeros((num_words, num_tags))
        np.add.at(by_word, (word, tag), number)
        words = [names[index] for index in range(num_words)]
        self._guesser = SuffixGuesser.from_counts(
            words, by_word, self._max_suffix_length, self._rare_word_count, self._suffix_weight
        )
        of_tags = by_word.sum(0)  # (K,)
        priors = (of_tags + 0.1) / (of_tags + 0.1).sum()
        given_word = self._smoothed(by_word, self._guesser(words))  # (V, K): P(tag | word)

        # Bigrams: every tag with the one before, and the end.
        bigrams = np.zeros((base, base))
        np.add.at(bigrams, (before, tag), number)
        is_last = after == num_tags
        np.add.at(bigrams, (tag[is_last], after[is_last]), number[is_last])
        trigrams = self._trigram_probabilities(before, tag, after, number, bigrams)
        of_next = bigrams.sum(0) / bigrams.sum()
        given_last = 0.1 * of_next + 0.9 * bigrams / bigrams.sum(1, keepdims=True).clip(min=1)

        # Words with rows of their own in the tables of neighbours: all, unless the tables would be too large.
        totals = by_word.sum(1)
        order = np.argsort(-totals, kind="stable")
        num_rows = min(int((totals > 0).sum()), max(1, _MAX_TABLE_ENTRIES // (2 * base * num_tags)))
        rows = np.zeros(num_words, dtype=np.int64)
        rows[order[:num_rows]] = np.arange(1, num_rows + 1)
        of_word_before = np.zeros((num_rows + 1, base, num_tags), dtype=np.float32)
        np.add.at(of_word_before, (rows[word], before, tag), number)
        of_word_after = np.zeros((num_rows + 1, num_tags, base), dtype=np.float32)
        np.add.at(of_word_after, (rows[word], tag, after), number)
        chosen = order[:num_rows]
        # P(word | tag) by Bayes' rule, (R, K)
        emitted = given_word[chosen] * (totals[chosen] / totals.sum())[:, None] / priors
        emitted = np.concatenate([np.ones((1, num_tags)), emitted]).clip(min=TINY).astype(np.float32)
        smoothing = emitted[:, None] * np.float32(self._before_count)  # (R, 1, K)
        pairs = bigrams[:, :num_tags].astype(np.float32)  # (K + 1, K)
        of_word_before = np.log(
            (of_word_before + smoothing) / ((pairs + np.float32(self._before_count)) * emitted[:, None])
        )
        expected = given_last[:num_tags].clip(min=TINY).astype(np.float32)  # (K, K + 1)
        of_word_after = np.log(
            (of_word_after + np.float32(self._after_count) * expected)
            / ((of_word_after.sum(2, keepdims=True) + np.float32(self._after_count)) * expected)
        )
        of_word_before[0], of_word_after[0] = 0.0, 0.0  # words without a row say nothing
        scores = np.log(given_word / priors + TINY)
        arrays = (scores, np.log(priors), trigrams, rows, of_word_before, of_word_after)
        return _Tables(
            *(torch.from_numpy(a if a.dtype == np.int64 else a.astype(np.float32)) for a in arrays)
        )

    def _smoothed(self, counts: Array, guess: Array) -> Array:
        smoothed: Array = (counts + self._guess_count * guess) / (
            counts.sum(-1, keepdims=True) + self._guess_count
        )
        return smoothed

    def _trigram_probabilities(
        self,
        before: Array,
        tag: Array,
        after: Array,
        number: Array,
        bigrams: Array,
    ) -> Array:
        """Interpolated log-probabilities, with the weights of deleted interpolation."""
        num_tags, base = self.num_tags, self.num_tags + 1
        singles = bigrams.sum(0)
        total = singles.sum()
        of_single = singles / total
        of_bigram = bigrams / bigrams.sum(1, keepdims=True).clip(min=1)
        if num_tags > _MAX_TAGS_FOR_TRIGRAMS:
            mixed: Array = np.log(0.1 * of_single + 0.9 * of_bigram + TINY)[None]
            return mixed
        trigrams = np.zeros((base, base, base))
        np.add.at(trigrams, (before, tag, after), number)
        is_first = before == num_tags
        np.add.at(trigrams, (before[is_first], before[is_first], tag[is_first]), number[is_first])
        contexts = trigrams.sum(2)
        seen = np.argwhere(trigrams > 0)
        first, second, third = seen.T
        counts = trigrams[first, second, third]
        # How well each order predicts a trigram that is left out once; the best one gets the trigram's count.
        of_pair = bigrams.sum(1)[second] - 1
        of_two = contexts[first, second] - 1
        predictions = np.stack(
            [
                (singles[third] - 1) / max(total - 1, 1),
                np.where(of_pair > 0, (bigrams[second, third] - 1) / of_pair.clip(min=1), 0.0),
                np.where(of_two > 0, (counts - 1) / of_two.clip(min=1), 0.0),
            ]
        )
        weights = np.bincount(predictions.argmax(0), weights=counts, minlength=3) / counts.sum()
        probabilities = weights[0] * of_single + weights[1] * of_bigram[None]
        probabilities = probabilities + weights[2] * trigrams / contexts[:, :, None].clip(min=1)
        logarithms: Array = np.log(probabilities + TINY)
        return logarithms

    def decoding_tables(self) -> dict[str, Array]:
        """The tables that `tnt_decoder.decode` needs."""
        tables = self.tables()
        assert self._guesser is not None
        names = self.vocab.get_index_to_token_vocabulary(self.token_namespace)
        words = [names[index] for index in range(len(names))]
        return {
            "vocabulary": packed_texts(words),
            "unknown_id": np.array(self._unknown_id),
            "num_candidates": np.array(self._num_candidates),
            **{name: table.cpu().numpy() for name, table in tables._asdict().items()},
            **self._guesser.arrays(),
        }

    def _guess(self, words: set[tuple[str, bool]]) -> None:
        """Compute and keep the scores of the tags (K,) of words that are not in the vocabulary.

        Args:
            words: the words, each with whether it is the first of its sentence.
        """
        tables = self.tables()
        assert self._guesser is not None
        keys = sorted(words)
        ids = self.vocab.get_token_to_index_vocabulary(self.token_namespace)
        word_scores, priors = tables.words.cpu().numpy(), tables.priors.cpu().numpy()
        scores = torch.from_numpy(guess_unknown(self._guesser, keys, ids, word_scores, priors)).to(
            tables.priors
        )
        self._guesses.update(zip(keys, scores, strict=True))

    # -- decoding ------------------------------------------------------------------------------------------------

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
            metadata: for each sentence a dict with its `words`, which unknown words are guessed from.

        Returns:
            `tags`, the ids of the best tags (B, T), 0 at padding; `mask` (B, T); with `top_k` above 1 `top_k_tags`, for
            each sentence pairs of tags and the log of their probability; with `confidences` those of the best tags
            (B, T); with metadata `words`.
        """
        if tags is not None:
            tagging.refuse_unknown_tags(tags, tagging.NEEDS_TAGS)
        mask = get_text_field_mask(tokens)
        words = get_token_ids_from_text_field_tensors(tokens)
        if is_exporting():  # the letters of unknown words and the search for tags are outside of a program
            return {"logits": self._emissions(words, mask, None), "mask": mask, "token_ids": words}
        emissions = self._emissions(words, mask, metadata)
        lattice = self._lattice(words, emissions)
        lengths = mask.sum(1)
        paths, scores = best_paths_in(lattice, lengths, self.top_k)  # (B, N, T), (B, N)
        best = paths[:, 0] * mask
        output: dict[str, Any] = {"tags": best, "mask": mask}
        if self.confidences or self.top_k > 1:
            marginals, log_partition = marginals_in(lattice, lengths)  # (B, T, C), (B,)
            if self.confidences:
                is_best = lattice.tags == best.unsqueeze(2)
                output["confidences"] = (marginals * is_best).sum(2)
            if self.top_k > 1:
                output["top_k_tags"] = _listed(paths, scores - log_partition.unsqueeze(1), lengths)
        if tags is not None:
            choices = nn.functional.one_hot(best, self.num_tags)
            is_unknown = words == self._unknown_id
            self.measure(choices, tags, mask)
            self._accuracies_by_kind["accuracy_known"](choices, tags, mask & ~is_unknown)
            self._accuracies_by_kind["accuracy_unknown"](choices, tags, mask & is_unknown)
        tagging.add_words(output, metadata)
        return output

    def _emissions(self, words: Tensor, mask: Tensor, metadata: list[dict[str, Any]] | None) -> Tensor:
        """The score of each tag for each word (B, T, K)."""
        scores = nn.functional.embedding(words, self.tables().words)
        if metadata is not None:
            unknown = ((words == self._unknown_id) & mask).nonzero()
            if len(unknown):
                keys = [
                    (str(metadata[row]["words"][position]), position == 0)
                    for row, position in unknown.tolist()
                ]
                self._guess(set(keys) - self._guesses.keys())
                scores[unknown[:, 0], unknown[:, 1]] = torch.stack([self._guesses[key] for key in keys])
        return scores

    def _lattice(self, words: Tensor, emissions: Tensor) -> "Lattice":
        """The best tags of each word by themselves, and the scores of their sequences."""
        tables = self.tables()
        batch_size, num_steps = words.shape
        size, outside = self._num_candidates, self.num_tags
        ranked = emissions + tables.priors
        candidates = ranked.topk(size, dim=2).indices.sort(dim=2).values  # (B, T, C)
        # Two borders before the sentence: START is their first candidate, and the others are impossible.
        tags = torch.cat([candidates.new_full((batch_size, 2, size), outside), candidates], dim=1)
        rows = tables.rows[words]  # (B, T)
        own = emissions.gather(2, candidates)  # (B, T, C)
        previous = tags[:, 1:-1]  # (B, T, C): the candidates of the word before
        # Rows of the tables are fetched whole and entries picked out of them, which is quicker than single entries.
        places = rows[:, :, None] * (outside + 1) + previous  # (B, T, C)
        wanted = candidates.unsqueeze(2).expand(batch_size, num_steps, size, size)
        of_previous = nn.functional.embedding(places, tables.before.flatten(0, 1))  # (B, T, C, K)
        pairs = own.unsqueeze(2) + of_previous.gather(3, wanted)  # (B, T, C, C)
        places = rows[:, :, None] * outside + candidates
        of_next = nn.functional.embedding(places, tables.after.flatten(0, 1))  # (B, T, C, K + 1)
        pairs[:, 1:] += of_next[:, :-1].gather(3, wanted[:, 1:])
        pairs[:, :1, 1:] = _IMPOSSIBLE  # the border before the first word
        two_back = tags[:, :-2]  # (B, T, C)
        if tables.trigrams.size(0) == 1:
            two_back = torch.zeros_like(two_back)
        places = two_back[:, :, :, None] * (outside + 1) + previous[:, :, None, :]  # (B, T, C, C)
        rows_of_trigrams = nn.functional.embedding(places, tables.trigrams.flatten(0, 1))  # (..., K + 1)
        wanted = candidates[:, :, None, None, :].expand(*places.shape, size)
        scores = rows_of_trigrams.gather(4, wanted) + pairs.unsqueeze(2)  # (B, T, C, C, C)
        scores[:, :2, 1:] += _IMPOSSIBLE / 10  # the border two words before
        ends = tables.trigrams[
            two_back.new_zeros(()) if tables.trigrams.size(0) == 1 else previous[:, :, :, None],
            candidates[:, :, None, :],
            outside,
        ]  # (B, T, C, C)
        ends = ends + of_next[:, :, None, :, outside]
        return Lattice(candidates, scores, ends)

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Turn `tags` and `top_k_tags` into names, and leave out padding."""
        mask = output_dict["mask"]
        paths = tagging.without_padding(output_dict["tags"].tolist(), mask)
        output_dict["tags"] = tagging.tag_names(paths, self.vocab, self.label_namespace)
        if "confidences" in output_dict:
            output_dict["confidences"] = tagging.without_padding(output_dict["confidences"].tolist(), mask)
            tagging.add_uncertain(output_dict, self.confidence_threshold)
        if "top_k_tags" in output_dict:
            output_dict["top_k_tags"] = tagging.named_paths(
                output_dict["top_k_tags"], "log_probability", self.vocab, self.label_namespace
            )
        return output_dict

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """`accuracy`, of known and of unknown words too where there were any, and the F1 of spans if measured."""
        totals = sum_over_ranks(*(metric.total_count for metric in self._accuracies_by_kind.values()))
        metrics = super().get_metrics(reset)
        for (kind, metric), total in zip(self._accuracies_by_kind.items(), totals, strict=True):
            value = metric.get_metric(reset)
            if total:
                metrics[kind] = value
        return metrics


class Lattice(NamedTuple):
    """The candidate tags of each word and the scores of three candidates in a row.

    Args:
        tags: the candidates (B, T, C).
        scores: at each word, of the candidates two words before, one word before, and here (B, T, C, C, C). At the
            first word only the first candidates before it are possible, at the second those two words before.
        ends: of the last two candidates, if the sentence ends here (B, T, C, C).
    """

    tags: Tensor
    scores: Tensor
    ends: Tensor


@torch.no_grad()
def best_paths_in(lattice: Lattice, lengths: Tensor, num_paths: int = 1) -> tuple[Tensor, Tensor]:
    """The sequences of tags with the highest scores, best first.

    Shape:
        lengths (B,) -> tags (B, N, T), arbitrary past the length, and their scores (B, N), -inf where there are fewer.
    """
    batch_size, num_steps, size = lattice.tags.shape
    state = lattice.scores.new_full((batch_size, size, size, num_paths), _IMPOSSIBLE)
    state[:, 0, 0, 0] = 0.0  # two borders
    pointers: list[Tensor] = []
    for step in range(num_steps):
        best, chosen = _best_extensions(state, lattice.scores[:, step])
        is_word = (lengths > step).view(-1, 1, 1, 1)
        state = torch.where(is_word, best, state)
        pointers.append(chosen)
    last = (lengths - 1).clamp(min=0)
    rows = torch.arange(batch_size, device=lengths.device)
    if num_steps == 0:
        scores = lattice.scores.new_full((batch_size, num_paths), -torch.inf)
        scores[:, 0] = 0.0  # the empty path
        return lattice.tags.new_zeros((batch_size, num_paths, 0)), scores
    ended = state + lattice.ends[rows, last].unsqueeze(3)  # (B, b, c, N)
    whole = torch.where((lengths > 0).view(-1, 1, 1, 1), ended, state)
    scores, places = whole.flatten(1).topk(min(num_paths, whole[0].numel()), dim=1)  # (B, N)
    before, here, slot = places // (size * num_paths), places // num_paths % size, places % num_paths
    paths = lattice.tags.new_zeros((batch_size, scores.size(1), num_steps))
    for step in reversed(range(num_steps)):
        is_word = (lengths > step).unsqueeze(1)
        paths[:, :, step] = lattice.tags[:, step].gather(1, here)
        pointer = pointers[step][rows.unsqueeze(1), before, here, slot]  # (B, N)
        earlier, slot_before = pointer // num_paths, pointer % num_paths
        here, before, slot = (
            torch.where(is_word, new, old)
            for new, old in ((before, here), (earlier, before), (slot_before, slot))
        )
    return paths, scores.masked_fill(scores < _IMPOSSIBLE / 100, -torch.inf)


def _best_extensions(state: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """The best ways to reach each pair of candidates, and where they come from, as a * N + n.

    Shape:
        state (B, a, b, N), scores (B, a, b, c) -> both (B, b, c, N).
    """
    num_paths = state.size(3)
    if num_paths > 1:
        extended = state.unsqueeze(3) + scores.unsqueeze(4)  # (B, a, b, c, N)
        best, chosen = extended.permute(0, 2, 3, 1, 4).flatten(3).topk(num_paths, dim=3)
        return best, chosen
    # A maximum over so few entries is much slower than comparing whole tensors.
    best = state[:, 0] + scores[:, 0]  # (B, b, c)
    chosen = torch.zeros_like(best, dtype=torch.long)
    for candidate in range(1, state.size(1)):
        other = state[:, candidate] + scores[:, candidate]
        chosen.masked_fill_(other > best, candidate)
        best = torch.maximum(best, other)
    return best.unsqueeze(3), chosen.unsqueeze(3)


def marginals_in(lattice: Lattice, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The probability of each candidate, and the log-sum of the scores of all sequences.

    Shape:
        lengths (B,) -> (B, T, C), zeros at padding, and (B,).
    """
    batch_size, num_steps, size = lattice.tags.shape
    if num_steps == 0:
        return lattice.scores.new_zeros((batch_size, 0, size)), lattice.scores.new_zeros(batch_size)
    with torch.enable_grad():
        # The derivative of the log-sum by a score of its own for each candidate is the candidate's probability.
        extra = lattice.scores.new_zeros((batch_size, num_steps, size), requires_grad=True)
        state = lattice.scores.new_full((batch_size, size, size), _IMPOSSIBLE)
        state[:, 0, 0] = 0.0
        for step in range(num_steps):
            scores = lattice.scores[:, step].detach() + extra[:, step, None, None]
            longer = torch.logsumexp(state.unsqueeze(3) + scores, dim=1)  # (B, b, c)
            state = torch.where((lengths > step).view(-1, 1, 1), longer, state)
        rows, last = torch.arange(batch_size, device=lengths.device), (lengths - 1).clamp(min=0)
        ended = state + lattice.ends[rows, last].detach()
        state = torch.where((lengths > 0).view(-1, 1, 1), ended, state)
        log_partition = torch.logsumexp(state.flatten(1), dim=1)
        (probabilities,) = torch.autograd.grad(log_partition.sum(), extra)
    return probabilities, log_partition.detach()


def _listed(paths: Tensor, scores: Tensor, lengths: Tensor) -> list[list[tuple[list[int], float]]]:
    """For each sentence pairs of a path and its score, as many as there are."""
    return [
        [(path[:length], score) for path, score in zip(row, row_scores, strict=True) if score > -torch.inf]
        for row, row_scores, length in zip(paths.tolist(), scores.tolist(), lengths.tolist(), strict=True)
    ]
