"""Text generation with a model of the next token.

Letters in shapes: G rows (a prompt times the number of texts wanted for it), T tokens, V size of the vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError, check_at_least, check_share
from nlpreg.data import TextFieldTensors, Token, Vocabulary
from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import StepState
from nlpreg.nn import beam_search


class NextTokenModel(Protocol):
    """The interface that generation needs from a model; `LanguageModel` and `NextTokenLM` implement it."""

    vocab: Vocabulary

    @property
    def target_namespace(self) -> str:
        """The vocabulary namespace of the tokens that are predicted."""

    @property
    def max_context(self) -> int | None:
        """The largest number of tokens that can be read; None for no limit."""

    def next_token_log_probabilities(
        self, tokens: TextFieldTensors, state: StepState | None = None
    ) -> tuple[Tensor, StepState]:
        """The distribution of the token after the last one of each row.

        Args:
            tokens: tensors of the next tokens of each row (G, T, ...), padding last.
            state: the state that the previous call returned; None at the start. It must not be reused.

        Returns:
            Natural logarithms of probabilities (G, V) by the ids of `target_namespace`, and the new state.
        """


@dataclass(frozen=True)
class GenerationOptions:
    """Options of decoding: how tokens are selected, and how many.

    Args:
        max_tokens: maximum number of tokens of a continuation.
        min_tokens: minimum number of tokens before an end token.
        num: number of continuations of each prompt.
        temperature: sampling temperature; above 1 flattens the distribution, below 1 sharpens it, 0 is greedy decoding.
        top_k: sample from this many of the most likely tokens only.
        top_p: sample from the smallest set of most likely tokens whose probabilities sum to at least this (nucleus sampling).
        min_p: sample only from tokens with at least this fraction of the most likely token's probability.
        repetition_penalty: factor, at least 1, applied to the log probabilities of tokens that the continuation already
            contains.
        no_repeat_ngram_size: size of n-grams that may occur only once in a continuation.
        num_beams: use beam search with this many beams instead of sampling.
        seed: random seed; the continuations of a prompt depend on the seed and the index of the prompt, not on the batch. None
            for a different result each time.

    Raises:
        ConfigurationError: a number is out of its range, or two options exclude each other.
    """

    max_tokens: int = 100
    min_tokens: int = 0
    num: int = 1
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int | None = None
    num_beams: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_tokens", "num", "top_k", "repetition_penalty", "no_repeat_ngram_size", "num_beams"):
            check_at_least(1, **{name: getattr(self, name)})
        check_at_least(0, min_tokens=self.min_tokens, temperature=self.temperature)
        check_share(top_p=self.top_p, min_p=self.min_p)
        if self.min_tokens > self.max_tokens:
            raise ConfigurationError(
                f"min_tokens: expected at most max_tokens, {self.max_tokens}, got {self.min_tokens}"
            )
        draws = [name for name in ("top_k", "top_p", "min_p") if getattr(self, name) is not None]
        if self.num_beams is not None:
            if draws:
                raise ConfigurationError(
                    f"num_beams: a beam search looks for the most likely text and does not draw; leave out {draws[0]}"
                )
            if self.num > self.num_beams:
                raise ConfigurationError(f"num: expected at most num_beams, {self.num_beams}, got {self.num}")
        elif self.temperature == 0 and self.num > 1:
            raise ConfigurationError(
                f"num: with temperature 0 every continuation of a prompt is the same; got {self.num}"
            )

    def sampler(self, num_tokens: int) -> beam_search.Sampler:
        """The sampler for these options.

        Args:
            num_tokens: size of the vocabulary.
        """
        if self.temperature == 0:
            return beam_search.DeterministicSampler()
        top_k = None if self.top_k is None else min(self.top_k, num_tokens)
        cuts = [name for name in ("top_k", "top_p", "min_p") if getattr(self, name) is not None]
        if not cuts:
            return beam_search.MultinomialSampler(self.temperature)
        if cuts == ["top_k"] and top_k is not None:
            return beam_search.TopKSampler(top_k, self.temperature)
        if cuts == ["top_p"] and self.top_p is not None:
            return beam_search.TopPSampler(self.top_p, self.temperature)
        return beam_search.TruncatedSampler(top_k, self.top_p, self.min_p, self.temperature)

    def constraints(self) -> list[beam_search.Constraint]:
        """The constraints for these options."""
        constraints: list[beam_search.Constraint] = []
        if self.repetition_penalty > 1:
            constraints.append(beam_search.RepetitionPenaltyConstraint(self.repetition_penalty))
        if self.no_repeat_ngram_size is not None:
            constraints.append(beam_search.RepeatedNGramBlockingConstraint(self.no_repeat_ngram_size))
        return constraints


@dataclass(frozen=True)
class NextToken:
    """A token generated for a row of a `Decoding`.

    Args:
        row: number of the row: prompt times `num` plus the number of the continuation.
        id: of the token, in the model's `target_namespace`.
        log_probability: its natural logarithm given all tokens before, as the model gives it, before temperature.
        is_end: whether it ends the text.
    """

    row: int
    id: int
    log_probability: float
    is_end: bool


class Decoding:
    """Token-by-token generation for several prompts at once.

    Finished rows are no longer computed. The model reads each token once; when a text exceeds its maximum context, it reads the
    last half of the window again.

    Args:
        model: predicts the next token.
        tensors_of: makes text field tensors of several token sequences.
        token_of: the token of an id, as the model reads it.
        prompts: the tokens of each prompt, at least one.
        options: how tokens are selected.
        end_ids: tokens that end a text.
        forbidden_ids: tokens that are never generated.
        first_number: index of the first prompt among all prompts, for the seed.
    """

    def __init__(
        self,
        model: NextTokenModel,
        tensors_of: Callable[[Sequence[Sequence[Token]]], TextFieldTensors],
        token_of: Callable[[int], Token],
        prompts: Sequence[Sequence[Token]],
        options: GenerationOptions,
        end_ids: Sequence[int] = (),
        forbidden_ids: Sequence[int] = (),
        first_number: int = 0,
    ) -> None:
        self._model = model
        self._tensors_of = tensors_of
        self._token_of = token_of
        self._options = options
        self._end_ids = list(end_ids)
        self._forbidden_ids = list(forbidden_ids)
        self._texts = [list(prompt) for prompt in prompts for _ in range(options.num)]
        self._num_prompt_tokens = [len(text) for text in self._texts]
        self.active = list(range(len(self._texts)))
        """The active rows, which have not ended yet."""
        self._random_states = None if options.seed is None else self._initial_random_states(first_number)
        with torch.inference_mode():
            self._log_probabilities, self._state = self._read(
                [_window(prompt, model.max_context) for prompt in prompts]
            )
            self._select(torch.arange(len(prompts)).repeat_interleave(options.num))
        # What the model has read of each row; less than the text once the window has moved.
        self._num_read = [len(_window(text, model.max_context)) for text in self._texts]
        self._sampler = options.sampler(self._log_probabilities.size(1))
        self._constraints = options.constraints()
        self._constraint_states = [
            constraint.init_state(len(self.active)) for constraint in self._constraints
        ]

    def _initial_random_states(self, first_number: int) -> list[Tensor]:
        states = []
        for row in range(len(self._texts)):
            prompt, number = divmod(row, self._options.num)
            generator = torch.Generator()
            # The seeds of two prompts are far apart, so that their continuations never share one.
            generator.manual_seed((self._options.seed or 0) + ((first_number + prompt) << 20) + number)
            states.append(generator.get_state())
        return states

    def step(self) -> list[NextToken]:
        """Append a token to every active row; rows that end become inactive."""
        if not self.active:
            return []
        with torch.inference_mode():
            original = self._log_probabilities.float().cpu()  # (G, V)
            chosen = self._choose(self._restricted(original))  # (G,)
        found = [
            NextToken(row, token, original[i, token].item(), token in self._end_ids)
            for i, (row, token) in enumerate(zip(self.active, chosen.tolist(), strict=True))
        ]
        self._constraint_states = [
            constraint.update_state(state, chosen.unsqueeze(1), torch.zeros(len(chosen), 1, dtype=torch.long))
            for constraint, state in zip(self._constraints, self._constraint_states, strict=True)
        ]
        for token in found:
            self._texts[token.row].append(self._token_of(token.id))
        is_full = [self._num_new_tokens(row) >= self._options.max_tokens for row in self.active]
        self.stop([token.row for token, full in zip(found, is_full, strict=True) if full or token.is_end])
        self._read_chosen({token.row: token.id for token in found})
        return found

    def _num_new_tokens(self, row: int) -> int:
        return len(self._texts[row]) - self._num_prompt_tokens[row]

    def stop(self, rows: Sequence[int]) -> None:
        """Stop generating for these rows."""
        kept = [i for i, row in enumerate(self.active) if row not in rows]
        if len(kept) == len(self.active):
            return
        self.active = [self.active[i] for i in kept]
        self._constraint_states = [[state[i] for i in kept] for state in self._constraint_states]
        with torch.inference_mode():
            self._select(torch.tensor(kept, dtype=torch.long))

    def _select(self, rows: Tensor) -> None:
        self._log_probabilities = self._log_probabilities.index_select(
            0, rows.to(self._log_probabilities.device)
        )
        self._state = {name: part.index_select(0, rows.to(part.device)) for name, part in self._state.items()}

    def _read_chosen(self, ids: dict[int, int]) -> None:
        """Let the model read the last token of each active row."""
        if not self.active:
            return
        limit = self._model.max_context
        with torch.inference_mode():
            if limit is not None and max(self._num_read[row] for row in self.active) >= limit:
                windows = [_window(self._texts[row], limit) for row in self.active]
                self._log_probabilities, self._state = self._read(windows)
                for row, window in zip(self.active, windows, strict=True):
                    self._num_read[row] = len(window)
                return
            new = [[self._texts[row][-1]] for row in self.active]
            self._log_probabilities, self._state = self._read(new, self._state)
            for row in self.active:
                self._num_read[row] += 1

    def _read(
        self, texts: Sequence[Sequence[Token]], state: StepState | None = None
    ) -> tuple[Tensor, StepState]:
        return self._model.next_token_log_probabilities(self._tensors_of(texts), state)

    def _restricted(self, log_probabilities: Tensor) -> Tensor:
        """Mask the tokens that must not follow, (G, V)."""
        restricted = log_probabilities.clone()
        restricted[:, self._forbidden_ids] = -torch.inf
        for i, row in enumerate(self.active):
            if self._num_new_tokens(row) < self._options.min_tokens:
                restricted[i, self._end_ids] = -torch.inf
        for constraint, state in zip(self._constraints, self._constraint_states, strict=True):
            by_beam = restricted.unsqueeze(1)  # (G, 1, V): each row has one beam
            lowered = constraint.apply(state, by_beam)
            restricted = (by_beam if lowered is None else lowered).squeeze(1)
        return restricted

    def _choose(self, log_probabilities: Tensor) -> Tensor:
        """One token for each row, (G, V) -> (G,)."""
        if self._random_states is None or isinstance(self._sampler, beam_search.DeterministicSampler):
            return self._sampler.sample_nodes(log_probabilities, 1, {})[1].squeeze(1)
        # Each row has its own generator, so that its result does not depend on the other rows of the batch.
        chosen = []
        with torch.random.fork_rng(devices=[]):
            for i, row in enumerate(self.active):
                torch.set_rng_state(self._random_states[row])
                chosen.append(self._sampler.sample_nodes(log_probabilities[i : i + 1], 1, {})[1].squeeze(1))
                self._random_states[row] = torch.get_rng_state()
        return torch.cat(chosen)


def search_beams(
    model: NextTokenModel,
    tensors_of: Callable[[Sequence[Sequence[Token]]], TextFieldTensors],
    token_of: Callable[[int], Token],
    prompts: Sequence[Sequence[Token]],
    options: GenerationOptions,
    end_ids: Sequence[int] = (),
    forbidden_ids: Sequence[int] = (),
) -> list[list[tuple[list[int], float, bool]]]:
    """Find the most likely continuations of each prompt by beam search; the arguments are those of `Decoding`.

    Returns:
        For each prompt `options.num` continuations, best first: the ids without the end token, the natural logarithm of
        the probability, and whether an end token came.

    Raises:
        ConfigurationError: prompt and continuation are longer than the model's context.
    """
    assert options.num_beams is not None
    limit = model.max_context
    longest = max(map(len, prompts), default=0)
    if limit is not None and longest + options.max_tokens > limit:
        raise ConfigurationError(
            f"max_tokens: a beam search cannot move the window of a model that reads {limit} tokens; prompt and "
            f"continuation would be {longest} + {options.max_tokens} tokens"
        )
    # Without an end token, padding, which is never predicted, stands for one.
    end_id, *other_ends = end_ids or [0]
    never = [*forbidden_ids, *other_ends]
    if end_id in never:
        never.remove(end_id)

    def step(last: Tensor, state: StepState, timestep: int) -> tuple[Tensor, StepState]:
        if timestep == 0:
            log_probabilities = state.pop("first")
        else:
            tokens = [[token_of(token)] for token in last.tolist()]
            log_probabilities, state = model.next_token_log_probabilities(tensors_of(tokens), state)
        log_probabilities = log_probabilities.clone()
        log_probabilities[:, never] = -torch.inf
        return log_probabilities, state

    search = beam_search.BeamSearch(
        end_id, options.max_tokens, options.num_beams, min_steps=options.min_tokens
    )
    search.constraints = options.constraints()
    with torch.inference_mode():
        first, state = model.next_token_log_probabilities(tensors_of(prompts))
        start = torch.full((len(prompts),), end_id, device=first.device)
        sequences, scores = search.search(
            start, {**state, "first": first}, step
        )  # (B, beams, steps), (B, beams)
    found = []
    for beams, beam_scores in zip(sequences.tolist(), scores.tolist(), strict=True):
        texts = []
        for ids, score in list(zip(beams, beam_scores, strict=True))[: options.num]:
            length = ids.index(end_id) if end_id in ids else len(ids)
            texts.append((ids[:length], score, length < len(ids) and bool(end_ids)))
        found.append(texts)
    return found


def _window(tokens: Sequence[Token], limit: int | None) -> Sequence[Token]:
    """All tokens if they fit into the context of the model, else the last `limit // 2` of them."""
    if limit is None or len(tokens) <= limit:
        return tokens
    return tokens[-max(1, limit // 2) :]
