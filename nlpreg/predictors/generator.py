"""Continues texts with a language model."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.iteration import lazy_groups_of
from nlpreg.data import DatasetReader, Token
from nlpreg.models import Model, load_archive
from nlpreg.models.generation import Decoding, GenerationOptions, search_beams
from nlpreg.predictors.language_model_texts import LanguageModelTexts

_LONGEST_CHARACTER = 4  # bytes, each of which is shown as one character until all are there


@dataclass(frozen=True)
class GeneratedText:
    """A continuation of a prompt.

    Args:
        prompt: the text that was continued.
        text: the continuation as text; it can be appended to the prompt unchanged.
        tokens: the tokens of the continuation.
        log_probability: natural logarithm of the continuation's probability given the prompt, its end token included.
        finished: why it ended: `end` at an end token, `stop` at a stop text, `length` at the maximum number of tokens.
    """

    prompt: str
    text: str
    tokens: list[str]
    log_probability: float
    finished: str


class Generator:
    """Continues texts with a language model.

    >>> generator = Generator.from_path("out/model.tar.gz")  # doctest: +SKIP
    >>> generator.generate("Once upon a", GenerationOptions(max_tokens=30, top_p=0.9))[0].text  # doctest: +SKIP

    Args:
        model: `language_model` (its forward direction), `next_token_lm`, or another model with
            `next_token_log_probabilities`.
        dataset_reader: the reader that the model was trained with.
        allow_unknown: whether the unknown word may be generated.

    Raises:
        ConfigurationError: the model does not predict the next token.
    """

    def __init__(self, model: Model, dataset_reader: DatasetReader, allow_unknown: bool = False) -> None:
        if not hasattr(model, "next_token_log_probabilities"):
            raise ConfigurationError(
                f"{type(model).__name__}: text can be generated from a model that predicts the next token, such as "
                "language_model or next_token_lm, and not from this one"
            )
        self._model: Any = model.eval()
        self._texts = LanguageModelTexts(model, dataset_reader)
        self._end_ids = self._texts.end_ids()
        self._forbidden_ids = self._texts.forbidden_ids(allow_unknown)

    @classmethod
    def from_path(
        cls,
        archive_path: str | os.PathLike[str],
        cuda_device: int = -1,
        overrides: str | dict[str, Any] = "",
        weights_file: str | None = None,
        allow_unknown: bool = False,
    ) -> "Generator":
        """The generator of an archive.

        Args:
            archive_path: path or URL of the archive, or the folder of a run.
            cuda_device: number of a GPU, or -1 for the CPU.
            overrides: changes to the archived config.
            weights_file: weights to use instead of those in the archive.
            allow_unknown: whether the unknown word may be generated.
        """
        archive = load_archive(archive_path, cuda_device, overrides, weights_file)
        return cls(archive.model, archive.validation_dataset_reader, allow_unknown)

    def generate(
        self, prompt: str, options: GenerationOptions | None = None, stop: Sequence[str] = ()
    ) -> list[GeneratedText]:
        """Continue one prompt, see `generate_batch`."""
        return self.generate_batch([prompt], options, stop)[0]

    def generate_batch(
        self,
        prompts: Sequence[str],
        options: GenerationOptions | None = None,
        stop: Sequence[str] = (),
        first_number: int = 0,
    ) -> list[list[GeneratedText]]:
        """Continue several prompts at once; they do not influence each other.

        Args:
            prompts: the texts to continue.
            options: options of decoding.
            stop: continuations are cut before the first of these texts.
            first_number: index of the first prompt among all prompts; together with `options.seed` it determines the samples.

        Returns:
            `options.num` continuations of each prompt; with beam search the most likely first.

        Raises:
            ConfigurationError: a prompt has no token and the model no start token, or (for a beam search) prompt and
                continuation are longer than the model can read.
        """
        options = options or GenerationOptions()
        tokens = [self._prompt_tokens(prompt) for prompt in prompts]
        if not prompts:
            return []
        if options.num_beams is not None:
            return self._search(prompts, tokens, options, stop)
        growing = [
            _Growing(self._texts, prompt, start, stop)
            for prompt, start in zip(prompts, tokens, strict=True)
            for _ in range(options.num)
        ]
        decoding = self._decoding(tokens, options, first_number)
        while decoding.active:
            for token in decoding.step():
                row = growing[token.row]
                row.add(None if token.is_end else self._texts.token_of(token.id), token.log_probability)
            decoding.stop([row for row in decoding.active if growing[row].finished is not None])
        texts = [row.result() for row in growing]
        return [texts[start : start + options.num] for start in range(0, len(texts), options.num)]

    def stream(
        self, prompt: str, options: GenerationOptions | None = None, stop: Sequence[str] = ()
    ) -> Iterator[str]:
        """Continue one prompt, and yield each piece of the continuation as soon as it is final.

        Raises:
            ConfigurationError: more than one continuation is requested, or beam search, which has no text before its end.
        """
        options = options or GenerationOptions()
        if options.num_beams is not None or options.num != 1:
            raise ConfigurationError("stream: expected one continuation and no beams")
        tokens = self._prompt_tokens(prompt)
        growing = _Growing(self._texts, prompt, tokens, stop)
        decoding = self._decoding([tokens], options, 0)
        shown = 0
        while decoding.active and growing.finished is None:
            for token in decoding.step():
                growing.add(None if token.is_end else self._texts.token_of(token.id), token.log_probability)
            certain = growing.certain_text(shown)
            if certain:
                yield certain
                shown += len(certain)
        rest = growing.text_since(shown)
        if rest:
            yield rest

    def generate_many(
        self,
        prompts: Iterable[str],
        options: GenerationOptions | None = None,
        stop: Sequence[str] = (),
        batch_size: int = 16,
    ) -> Iterator[list[GeneratedText]]:
        """Continue prompts, any number of them, `batch_size` at a time; see `generate_batch`."""
        number = 0
        for batch in lazy_groups_of(prompts, batch_size):
            yield from self.generate_batch(batch, options, stop, number)
            number += len(batch)

    def _prompt_tokens(self, prompt: str) -> list[Token]:
        tokens = self._texts.tokens_of(prompt)
        if tokens:
            return tokens
        if self._end_ids:  # the separator before a text in running text
            return [self._texts.token_of(self._end_ids[0])]
        raise ConfigurationError(
            "prompt: there is no token in it, and the model's texts begin with no start token; give a prompt"
        )

    def _decoding(
        self, tokens: Sequence[Sequence[Token]], options: GenerationOptions, first_number: int
    ) -> Decoding:
        return Decoding(
            self._model,
            self._texts.tensors_of,
            self._texts.token_of,
            tokens,
            options,
            self._end_ids,
            self._forbidden_ids,
            first_number,
        )

    def _search(
        self,
        prompts: Sequence[str],
        tokens: Sequence[Sequence[Token]],
        options: GenerationOptions,
        stop: Sequence[str],
    ) -> list[list[GeneratedText]]:
        found = search_beams(
            self._model,
            self._texts.tensors_of,
            self._texts.token_of,
            tokens,
            options,
            self._end_ids,
            self._forbidden_ids,
        )
        results = []
        for prompt, start, beams in zip(prompts, tokens, found, strict=True):
            texts = []
            for ids, score, has_end in beams:
                growing = _Growing(self._texts, prompt, start, stop)
                for index in ids:
                    growing.add(self._texts.token_of(index), 0.0)
                growing.log_probability = score
                if has_end and growing.finished is None:
                    growing.finished = "end"
                texts.append(growing.result())
            results.append(texts)
        return results


class _Growing:
    """A partial continuation and its text."""

    def __init__(
        self, texts: LanguageModelTexts, prompt: str, start: Sequence[Token], stop: Sequence[str]
    ) -> None:
        self._texts = texts
        self._prompt = prompt
        self._stop = [text for text in stop if text]
        self._text = texts.continuation(start)
        self._tokens: list[Token] = []
        self._length: int | None = None  # length of the text, after a stop text has cut it
        self.log_probability = 0.0
        self.finished: str | None = None

    def add(self, token: Token | None, log_probability: float) -> None:
        """Add a token, or the end (None)."""
        if self.finished is not None:
            return
        self.log_probability += log_probability
        if token is None:
            self.finished = "end"
            return
        self._tokens.append(token)
        # where a stop text that was not there before may begin
        first = max(0, self._final_length() - max(map(len, self._stop), default=0))
        self._texts.extend(self._text, token)
        if not self._stop:
            return
        new = self._text.since(first)
        ends = [found for found in map(new.find, self._stop) if found >= 0]
        if ends:
            self._length = first + min(ends)
            self.finished = "stop"

    def _final_length(self) -> int:
        """Number of characters that further tokens do not change; they may complete a character."""
        end = self._text.since(max(0, len(self._text) - _LONGEST_CHARACTER))
        return len(self._text) - (len(end) - len(end.rstrip("\ufffd")))

    def text_since(self, start: int) -> str:
        """The text from this character on."""
        return self._text.since(start)[: None if self._length is None else max(0, self._length - start)]

    def certain_text(self, start: int) -> str:
        """The text from a character on, without its end that may still change: an incomplete character, or the beginning of
        a stop text.
        """
        text = self.text_since(start)
        if self.finished is not None:
            return text
        certain = text.rstrip("\ufffd")
        for stop in self._stop:
            for length in range(min(len(stop) - 1, len(certain)), 0, -1):
                if certain.endswith(stop[:length]):
                    certain = certain[:-length]
                    break
        return certain

    def result(self) -> GeneratedText:
        """The current continuation."""
        return GeneratedText(
            self._prompt,
            self.text_since(0),
            [str(token) for token in self._tokens],
            self.log_probability,
            self.finished or "length",
        )
