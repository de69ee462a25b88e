"""How well a language model predicts data: by frequency, by position, and text by text."""

import bisect
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlpreg.models.archival import Archive
    from nlpreg.predictors.scorer import ScoredText

_RANK_LIMITS = (10, 100, 1_000, 10_000)
_POSITION_LIMITS = (1, 2, 3, 5, 10, 20, 50)
NUM_SAMPLES = 5
_SAMPLE_TOKENS = 40


@dataclass(frozen=True)
class Band:
    """Predicted tokens with similar frequency or position.

    Args:
        name: the range of ranks or positions.
        count: number of tokens.
        perplexity: exp of their mean surprisal; infinite where it overflows.
    """

    name: str
    count: int
    perplexity: float


@dataclass
class LanguageAnalysis:
    """Scores of a language model on data.

    Args:
        data: the name of the data on the command line or in the config.
        texts: every text with the probabilities of its tokens.
        ranks: token -> its rank by frequency in the vocabulary, from 1; a token without one is unknown.
        samples: texts sampled from the model.
    """

    data: str
    texts: "list[ScoredText]"
    ranks: dict[str, int] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)

    def _bands(self, key: Callable[[str, int], tuple[int, str]]) -> list[Band]:
        """Group the predicted tokens by a key of token and position: (order of the band, its name)."""
        surprisals: dict[tuple[int, str], list[float]] = {}
        for text in self.texts:
            for position, (token, value) in enumerate(zip(text.tokens, text.log_probabilities, strict=True)):
                if value is not None:
                    surprisals.setdefault(key(token, position), []).append(-value)
        return [
            Band(name, len(values), _exp(math.fsum(values) / len(values)))
            for (_, name), values in sorted(surprisals.items())
        ]

    def by_frequency(self) -> list[Band]:
        """By rank in the vocabulary, the most frequent first; unknown tokens last."""

        def key(token: str, _: int) -> tuple[int, str]:
            rank = self.ranks.get(token)
            return (len(_RANK_LIMITS) + 1, "unknown") if rank is None else _interval(rank, _RANK_LIMITS)

        return self._bands(key)

    def by_position(self) -> list[Band]:
        """By the position in the text, the first token being 1."""
        return self._bands(lambda _, position: _interval(position + 1, _POSITION_LIMITS))

    def worst(self, number: int = 10) -> "list[ScoredText]":
        """The texts with the highest perplexity."""
        scored = [text for text in self.texts if text.perplexity is not None]
        return sorted(scored, key=lambda text: -(text.perplexity or 0.0))[:number]


def _interval(value: int, limits: Sequence[int]) -> tuple[int, str]:
    """Number and name of the interval that contains a value of 1 or more; each limit is the end of an interval."""
    number = bisect.bisect_left(limits, value)
    if number == len(limits):
        return number, f"over {limits[-1]:,}"
    low = limits[number - 1] + 1 if number else 1
    return number, f"{low:,}" if low == limits[number] else f"{low:,} to {limits[number]:,}"


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def analyse_language_model(archive: "Archive", data: Any, max_instances: int) -> LanguageAnalysis | None:
    """Score data with an archived language model, and sample texts from it.

    Args:
        archive: the archive.
        data: what its validation reader reads.
        max_instances: maximum number of instances.

    Returns:
        The analysis; None for a model without probabilities of tokens.
    """
    from nlpreg.common.checks import ConfigurationError
    from nlpreg.models.generation import GenerationOptions
    from nlpreg.predictors.generator import Generator
    from nlpreg.predictors.language_model_texts import LanguageModelTexts
    from nlpreg.predictors.scorer import Scorer

    try:
        scorer = Scorer(archive.model, archive.validation_dataset_reader)
    except ConfigurationError:
        return None
    texts = LanguageModelTexts(archive.model, archive.validation_dataset_reader)
    instances = itertools.islice(archive.validation_dataset_reader.read(data), max_instances)
    plain = [texts.text_of(texts.field_of(instance)[1].tokens) for instance in instances]
    scored = list(scorer.score_many(plain))
    distinct = {token for text in scored for token in text.tokens}
    vocab, namespace = archive.model.vocab, getattr(archive.model, "target_namespace", "tokens")
    ids = vocab.get_token_to_index_vocabulary(namespace)
    # Ids follow frequency; the first two are padding and the unknown word.
    entries = {token: texts.entry_of(token) for token in distinct}
    ranks = {token: max(1, ids[entry] - 1) for token, entry in entries.items() if entry in ids}
    try:
        generator = Generator(archive.model, archive.validation_dataset_reader)
    except ConfigurationError:  # a masked language model cannot be sampled
        return LanguageAnalysis(str(data), scored, ranks)
    options = GenerationOptions(num=NUM_SAMPLES, max_tokens=_SAMPLE_TOKENS, seed=0)
    prompt = ""
    if not texts.start_tokens:  # the first sampled word needs a context
        prompt = next((text.text.split()[0] for text in scored if text.text.split()), "")
    samples = [prompt + written.text for written in generator.generate(prompt, options)]
    return LanguageAnalysis(str(data), scored, ranks, samples)
