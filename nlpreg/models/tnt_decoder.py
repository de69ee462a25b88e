"""The search for the tags of a `tnt_tagger`, and its guesses for unknown words; needs only numpy.

T words, K tags, V words of the vocabulary, C candidate tags of a word.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

TINY = 1e-12

Array = np.ndarray[Any, Any]


def decode(
    sentences: Sequence[Sequence[str]],
    token_ids: Array,
    logits: Array,
    mask: Array,
    tables: Mapping[str, Array],
) -> list[list[int]]:
    """The best sequence of tags of each sentence.

    Args:
        sentences: the words of each of B sentences, from whose letters the tags of unknown words are guessed.
        token_ids: ids of the words (B, T).
        logits: score of each tag for each word that is known (B, T, K).
        mask: true at words (B, T), which come first in each row.
        tables: as `TntTagger.decoding_tables` gives them.

    Returns:
        For each sentence the ids of its tags, one for each word.
    """
    guesser = SuffixGuesser.from_arrays(tables)
    vocabulary = {word: index for index, word in enumerate(unpacked_texts(tables["vocabulary"]))}
    found = []
    for words, ids, scores, is_word in zip(sentences, token_ids, logits, mask, strict=True):
        length = int(is_word.sum())
        ids, scores = ids[:length], scores[:length].copy()
        unknown = np.flatnonzero(ids == tables["unknown_id"])
        if len(unknown):
            keys = [(words[position], position == 0) for position in unknown.tolist()]
            scores[unknown] = guess_unknown(guesser, keys, vocabulary, tables["words"], tables["priors"])
        found.append(_best(scores, ids, tables))
    return found


def _best(emissions: Array, ids: Array, tables: Mapping[str, Array]) -> list[int]:
    """The best tags of the words of one sentence, by their scores (T, K)."""
    if not len(ids):
        return []
    trigrams, rows = tables["trigrams"], tables["rows"][ids]
    border = emissions.shape[1]  # the tag before the first word and after the last
    order = np.argsort(-(emissions + tables["priors"]), axis=1, kind="stable")
    candidates = np.sort(order[:, : int(tables["num_candidates"])], axis=1)  # (T, C)
    two_back = last = np.array([border])
    state = np.zeros((1, 1), dtype=emissions.dtype)  # of the last two tags
    pointers = []
    for step, here in enumerate(candidates):
        pairs = emissions[step, here] + tables["before"][rows[step]][np.ix_(last, here)]
        if step:
            pairs = pairs + tables["after"][rows[step - 1]][np.ix_(last, here)]
        contexts = two_back if len(trigrams) > 1 else np.zeros_like(two_back)
        paths = state[:, :, None] + (trigrams[np.ix_(contexts, last, here)] + pairs)
        pointers.append(paths.argmax(axis=0))
        state, two_back, last = paths.max(axis=0), last, here
    contexts = two_back if len(trigrams) > 1 else np.zeros_like(two_back)
    ends = trigrams[np.ix_(contexts, last, [border])][:, :, 0] + tables["after"][rows[-1]][last, border]
    before, place = np.unravel_index((state + ends).argmax(), state.shape)
    path = []
    for tags, pointer in zip(candidates[::-1], pointers[::-1], strict=True):
        path.append(int(tags[place]))
        before, place = pointer[before, place], before
    return path[::-1]


def guess_unknown(
    guesser: "SuffixGuesser",
    keys: Sequence[tuple[str, bool]],
    ids: Mapping[str, int],
    word_scores: Array,
    priors: Array,
) -> Array:
    """The scores of the tags of words that are not in the vocabulary, log P(tag | word) / P(tag).

    Args:
        guesser: of words by their letters.
        keys: the words, each with whether it is the first of its sentence.
        ids: of the words of the vocabulary.
        word_scores: their scores (V, K).
        priors: log P(tag) (K,).

    Returns:
        (len(keys), K).
    """
    guesses = guesser([word for word, _ in keys])
    in_lower_case = guesser([word.lower() for word, _ in keys])
    for row, (word, is_first) in enumerate(keys):
        lower_id = ids.get(word.lower())
        if lower_id is not None:
            # What is known of the word in lower case outweighs the guess.
            guesses[row] = 0.8 * np.exp(word_scores[lower_id] + priors) + 0.2 * guesses[row]
        elif is_first and word_shape(word) == "capitalized":
            # The first word of a sentence is capitalized whatever it is.
            guesses[row] = 0.5 * guesses[row] + 0.5 * in_lower_case[row]
    scores: Array = np.log(guesses + TINY).astype(priors.dtype) - priors
    return scores


def packed_texts(texts: Sequence[str]) -> Array:
    """Texts of any length as an array of bytes."""
    return np.frombuffer(json.dumps(list(texts)).encode(), dtype=np.uint8)


def unpacked_texts(array: Array) -> list[str]:
    """The inverse of `packed_texts`."""
    texts: list[str] = json.loads(array.tobytes())
    return texts


@dataclass(frozen=True)
class SuffixGuesser:
    """The tags of words that were not seen in training, from their last letters and their shape.

    The distribution of tags after a suffix is interpolated with that after the suffix which is shorter by one letter,
    and so on to the distribution of all rare words of that shape (successive abstraction).

    Args:
        rows: the rows of `shares` by shape and suffix.
        shares: the distribution of tags after each suffix.
        of_all: the distribution of tags of all rare words (K,).
        max_length: number of letters of the longest suffix.
        weight: how much the shorter suffix counts.

    Source: Brants (2000), https://aclanthology.org/A00-1031/, section 2.3. There the shape is the case of the first
    letter, and the weight the spread of the tags' frequencies.
    """

    rows: Mapping[tuple[str, str], int]
    shares: Array
    of_all: Array
    max_length: int
    weight: float

    @classmethod
    def from_counts(
        cls, words: Sequence[str], counts: Array, max_length: int, rare: int, weight: float
    ) -> "SuffixGuesser":
        """Estimate the distributions.

        Args:
            words: the words seen in training.
            counts: how often each was seen with each tag (V, K).
            max_length: number of letters of the longest suffix.
            rare: words seen more often than this tell nothing of unknown ones.
            weight: how much the shorter suffix counts.
        """
        totals = counts.sum(1)
        kept = np.flatnonzero((totals > 0) & (totals <= rare))
        if len(kept) == 0:
            kept = np.flatnonzero(totals > 0)
        row_of: dict[tuple[str, str], int] = {}
        rows, sources = [], []
        for source in kept.tolist():
            shape, letters = word_shape(words[source]), words[source].lower()
            for length in range(min(max_length, len(letters)) + 1):
                key = (shape, letters[len(letters) - length :])
                rows.append(row_of.setdefault(key, len(row_of)))
                sources.append(source)
        of_suffixes = np.zeros((len(row_of), counts.shape[1]))
        np.add.at(of_suffixes, rows, counts[sources])
        shares = of_suffixes / of_suffixes.sum(1, keepdims=True).clip(min=1)
        of_all = counts[kept].sum(0) + 0.1  # a tag that no rare word has is not impossible
        return cls(row_of, shares, of_all / of_all.sum(), max_length, weight)

    def arrays(self) -> dict[str, Array]:
        """The state of the guesser, see `from_arrays`."""
        keys = [text for key in self.rows for text in key]
        return {
            "suffixes": packed_texts(keys),
            "suffix_shares": self.shares,
            "suffix_of_all": self.of_all,
            "suffix_length": np.array(self.max_length),
            "suffix_weight": np.array(self.weight),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> "SuffixGuesser":
        """Restore a guesser from its `arrays`."""
        keys = unpacked_texts(arrays["suffixes"])
        return cls(
            {key: row for row, key in enumerate(zip(keys[::2], keys[1::2], strict=True))},
            arrays["suffix_shares"],
            arrays["suffix_of_all"],
            int(arrays["suffix_length"]),
            float(arrays["suffix_weight"]),
        )

    def __call__(self, words: Sequence[str]) -> Array:
        """The probability of each tag for each word (len(words), K)."""
        probabilities = np.tile(self.of_all, (len(words), 1))
        keys = [(word_shape(word), word.lower()) for word in words]
        for length in range(self.max_length + 1):
            rows = np.array(
                [
                    self.rows.get((shape, letters[len(letters) - length :]), -1)
                    if length <= len(letters)
                    else -1
                    for shape, letters in keys
                ],
                dtype=np.int64,
            )
            known = rows >= 0
            shorter = probabilities[known]
            probabilities[known] = (self.shares[rows[known]] + self.weight * shorter) / (1 + self.weight)
        return probabilities


def word_shape(word: str) -> str:
    """The kind of a word by its characters: with digits, without letters, in capitals, capitalized, hyphenated, other."""
    if any(character.isdigit() for character in word):
        return "digit"
    if not any(character.isalpha() for character in word):
        return "symbol"
    if word.isupper() and len(word) > 1:
        return "capitals"
    if word[0].isupper():
        return "capitalized"
    return "hyphenated" if "-" in word else "other"
