"""Probabilities of texts under a language model, token by token."""

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.iteration import groups_of_max_size, lazy_groups_of
from nlpreg.data import DatasetReader, Token
from nlpreg.models import Model, load_archive
from nlpreg.predictors.language_model_texts import LanguageModelTexts

# Number of texts that are sorted by length together.
_CHUNK_TEXTS = 2048


@dataclass(frozen=True)
class ScoredText:
    """A text and the probabilities of its tokens. All logarithms are natural.

    Args:
        text: the text.
        tokens: its tokens, start and end tokens included.
        log_probabilities: of each token given the tokens before it; None for a token that is not predicted: the first
            one, and start and end tokens of masked models. For models of both directions half the sum of both, of which the
            first and the last token have one; for masked models given all other tokens (pseudo-log-likelihood, Salazar et
            al. 2020, https://arxiv.org/abs/1910.14659).
        num_targets: number of predicted tokens, in one direction.
        num_unknown: number of predicted tokens that are not in the vocabulary, and share the probability of one word.
        num_words: number of words, separated by spaces, that are predicted; an end token counts as one.
        num_characters: number of characters that are predicted; an end token counts as one.
    """

    text: str
    tokens: list[str]
    log_probabilities: list[float | None]
    num_targets: int
    num_unknown: int = 0
    num_words: int = 0
    num_characters: int = 0

    @property
    def log_probability(self) -> float:
        """Of the whole text: the sum over its tokens."""
        return math.fsum(value for value in self.log_probabilities if value is not None)

    @property
    def perplexity(self) -> float | None:
        """exp of the mean negative log probability of a predicted token; None without one, infinite where it overflows."""
        return perplexity_of(self.log_probability, self.num_targets)


@dataclass
class ScoreTotals:
    """Sums over scored texts.

    Args:
        num_texts: number of texts.
        log_probability: natural logarithm of the probability of all texts.
        num_targets: number of predicted tokens.
        num_unknown: number of them that are not in the vocabulary.
        num_words: number of predicted words, see `ScoredText`.
        num_characters: number of predicted characters, see `ScoredText`.
    """

    num_texts: int = 0
    log_probability: float = 0.0
    num_targets: int = 0
    num_unknown: int = 0
    num_words: int = 0
    num_characters: int = 0

    def add(self, text: ScoredText) -> None:
        """Count a text."""
        self.num_texts += 1
        self.log_probability += text.log_probability
        self.num_targets += text.num_targets
        self.num_unknown += text.num_unknown
        self.num_words += text.num_words
        self.num_characters += text.num_characters

    def as_dict(self) -> dict[str, float | int | None]:
        """The sums, and the perplexity of a token and of a word, and the bits of a character, None where there is none."""
        bits = -self.log_probability / math.log(2)
        return {
            "num_texts": self.num_texts,
            "num_targets": self.num_targets,
            "num_unknown": self.num_unknown,
            "log_probability": self.log_probability,
            "perplexity": perplexity_of(self.log_probability, self.num_targets),
            "word_perplexity": perplexity_of(self.log_probability, self.num_words),
            "bits_per_character": bits / self.num_characters if self.num_characters else None,
        }


def perplexity_of(log_probability: float, count: int) -> float | None:
    """exp of the mean negative log probability; None of nothing, infinite where it overflows."""
    if not count:
        return None
    try:
        return math.exp(-log_probability / count)
    except OverflowError:
        return math.inf


@dataclass
class _Values:
    """The log probabilities of the tokens of a text, and how many of them are predicted and unknown."""

    log_probabilities: list[float | None]
    num_targets: int = 0
    num_unknown: int = 0


@dataclass
class _Piece:
    """A part of a text that the model reads at once.

    Args:
        number: of the text.
        tokens: of the part.
        start: position of its first token in the text.
        first_scored: position in the text from which on its tokens are scored; the ones before are context.
    """

    number: int
    tokens: Sequence[Token]
    start: int
    first_scored: int


class Scorer:
    """Scores texts with a language model.

    >>> Scorer.from_path("out/model.tar.gz").score("The dog barks .").perplexity  # doctest: +SKIP

    Args:
        model: `language_model`, `next_token_lm` or `masked_language_model`.
        dataset_reader: the reader that the model was trained with.
        tokens_per_batch: number of tokens, padding included, that the model reads at once.
        masked_context: number of tokens, start and end tokens included, that a masked model reads around a masked one; the
            time grows with it. A shorter text is read whole.

    Raises:
        ConfigurationError: the model gives no probabilities of tokens.
    """

    def __init__(
        self,
        model: Model,
        dataset_reader: DatasetReader,
        tokens_per_batch: int = 4096,
        masked_context: int = 512,
    ) -> None:
        self._is_masked = hasattr(model, "masked_log_probabilities")
        if not self._is_masked and not hasattr(model, "word_log_probabilities"):
            raise ConfigurationError(
                f"{type(model).__name__}: texts can be scored by a language model, such as language_model or "
                "masked_language_model, and not by this one"
            )
        self._model: Any = model.eval()
        self._texts = LanguageModelTexts(model, dataset_reader)
        self._tokens_per_batch = tokens_per_batch
        self._masked_context = masked_context

    @classmethod
    def from_path(
        cls,
        archive_path: str | os.PathLike[str],
        cuda_device: int = -1,
        overrides: str | dict[str, Any] = "",
        weights_file: str | None = None,
        tokens_per_batch: int = 4096,
    ) -> "Scorer":
        """The scorer of an archive.

        Args:
            archive_path: path or URL of the archive, or the folder of a run.
            cuda_device: number of a GPU, or -1 for the CPU.
            overrides: changes to the archived config.
            weights_file: weights to use instead of those in the archive.
            tokens_per_batch: as in the class.
        """
        archive = load_archive(archive_path, cuda_device, overrides, weights_file)
        return cls(archive.model, archive.validation_dataset_reader, tokens_per_batch)

    def score(self, text: str) -> ScoredText:
        """Score one text."""
        return next(self.score_many([text]))

    def score_many(self, texts: Iterable[str]) -> Iterator[ScoredText]:
        """Score texts, any number of them, in batches of similar length; results come in the order of the texts."""
        for chunk in lazy_groups_of(texts, _CHUNK_TEXTS):
            tokens = [self._tokens_of(text) for text in chunk]
            with torch.inference_mode():
                values = self._masked_values(tokens) if self._is_masked else self._values(tokens)
            for text, own_tokens, own_values in zip(chunk, tokens, values, strict=True):
                yield self._scored(text, own_tokens, own_values)

    def _tokens_of(self, text: str) -> list[Token]:
        if self._is_masked:
            return self._texts.tokenize(text)
        _, text_field = self._texts.field_of(self._texts.instance_of(text))
        return list(text_field.tokens)

    def _scored(self, text: str, tokens: Sequence[Token], values: _Values) -> ScoredText:
        log_probabilities = values.log_probabilities
        words = [str(token) for token in tokens]
        ends = self._texts.end_tokens
        has_end = bool(words and ends and words[-1] == ends[-1] and log_probabilities[-1] is not None)
        num_words, num_characters = len(text.split()), len(text)
        starts = self._texts.start_tokens
        if words and log_probabilities[0] is None and words[0] not in starts and not self._is_masked:
            # Nothing predicts the first token.
            num_words -= words[0] == (text.split() or [""])[0]
            num_characters -= min(len(words[0]), num_characters)
        return ScoredText(
            text,
            words,
            log_probabilities,
            values.num_targets,
            values.num_unknown,
            num_words + has_end,
            num_characters + has_end,
        )

    def _values(self, texts: Sequence[Sequence[Token]]) -> list[_Values]:
        values = [_Values([None] * len(tokens)) for tokens in texts]
        pieces = [
            piece for number, tokens in enumerate(texts) if tokens for piece in self._pieces(number, tokens)
        ]
        pieces.sort(key=lambda piece: len(piece.tokens))
        sizes = [len(piece.tokens) for piece in pieces]
        for batch in groups_of_max_size(pieces, sizes, self._tokens_per_batch):
            tensors = self._texts.tensors_of([piece.tokens for piece in batch])
            directions, is_unknown = self._model.word_log_probabilities(tensors)
            # (directions, B, T); NaN where nothing predicts a word
            stacked = torch.stack(directions).double()
            halves = stacked.nansum(0).masked_fill(stacked.isnan().all(0), torch.nan) / len(directions)
            is_target = ~directions[0].isnan()
            columns = (halves.tolist(), is_target.tolist(), is_unknown.tolist())
            for piece, row, targets, unknown in zip(batch, *columns, strict=True):
                own = values[piece.number]
                for position in range(piece.first_scored - piece.start, len(piece.tokens)):
                    if not math.isnan(row[position]):
                        own.log_probabilities[piece.start + position] = row[position]
                        own.num_targets += targets[position]
                        own.num_unknown += unknown[position]
        return values

    def _pieces(self, number: int, tokens: Sequence[Token]) -> Iterator[_Piece]:
        """The text itself, or, where it is longer than the model reads, overlapping parts.

        Each part but the first begins with half of what the model reads as context.
        """
        limit = self._model.max_context
        if limit is None or len(tokens) <= limit:
            yield _Piece(number, tokens, 0, 0)
            return
        context = limit // 2
        yield _Piece(number, tokens[:limit], 0, 0)
        scored = limit
        while scored < len(tokens):
            start = scored - context
            yield _Piece(number, tokens[start : start + limit], start, scored)
            scored = min(start + limit, len(tokens))

    def _masked_values(self, texts: Sequence[Sequence[Token]]) -> list[_Values]:
        """The log probability of each token where it alone is masked."""
        special = {*self._texts.start_tokens, *self._texts.end_tokens}
        found = []
        for tokens in texts:
            values: list[float | None] = [None] * len(tokens)
            scored = [position for position, token in enumerate(tokens) if str(token) not in special]
            size = max(1, self._tokens_per_batch // max(1, min(len(tokens), self._masked_context)))
            for some in lazy_groups_of(scored, size):
                masked = [self._masked(tokens, scored, position) for position in some]
                copies, masks = zip(*masked, strict=True)
                targets = torch.tensor([[self._texts.id_of(tokens[position])] for position in some])
                tensors = self._texts.tensors_of(copies)
                scores = self._model.masked_log_probabilities(
                    tensors, torch.tensor(masks).view(-1, 1, 1), targets
                )  # (B, 1)
                for position, value in zip(some, scores.squeeze(1).tolist(), strict=True):
                    values[position] = value
            unknown = sum(self._texts.is_unknown(tokens[position]) for position in scored)
            found.append(_Values(values, len(scored), unknown))
        return found

    def _masked(
        self, tokens: Sequence[Token], scored: Sequence[int], position: int
    ) -> tuple[list[Token], int]:
        """A text, or what there is room for of it, with the token at `position` masked, and the position of the mask.

        Args:
            tokens: of the text.
            scored: positions of those that are neither start nor end tokens.
            position: one of these.
        """
        first, end = scored[0], scored[-1] + 1
        size = max(1, min(end - first, self._masked_context - first - (len(tokens) - end)))
        start = min(max(first, position - size // 2), end - size)
        head = [*tokens[:first], *tokens[start:position]]
        rest = [*tokens[position + 1 : start + size], *tokens[end:]]
        return [*head, self._texts.mask_token(), *rest], len(head)
