"""Generation from a model whose distributions are known: the next token depends on the last one only."""

import itertools
import math

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.tokenizers import Token
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.generation import Decoding, GenerationOptions, search_beams
from nlpreg.nn.beam_search import (
    DeterministicSampler,
    MultinomialSampler,
    RepeatedNGramBlockingConstraint,
    RepetitionPenaltyConstraint,
    TopKSampler,
    TopPSampler,
    TruncatedSampler,
)

PADDING, END, A, B, C = range(5)
TABLE = torch.tensor(
    [
        [0.0, 0.25, 0.25, 0.25, 0.25],
        [0.0, 0.25, 0.25, 0.25, 0.25],
        [0.0, 0.12, 0.08, 0.60, 0.20],
        [0.0, 0.30, 0.35, 0.05, 0.30],
        [0.0, 0.50, 0.20, 0.20, 0.10],
    ]
)


class Chain:
    """Counts the tokens that it reads."""

    vocab = Vocabulary()
    target_namespace = "tokens"

    def __init__(self, max_context=None):
        self.max_context = max_context
        self.num_read = 0

    def next_token_log_probabilities(self, tokens, state=None):
        ids = tokens["tokens"]["tokens"]
        length = (ids > 0).sum(1)
        read = length if state is None else length + state["length"]
        assert self.max_context is None or read.max() <= self.max_context
        self.num_read += int(length.sum())
        last = ids[torch.arange(len(ids)), length - 1]
        return TABLE[last].log(), {"length": read}


def tensors_of(texts):
    ids = [torch.tensor([token.text_id for token in text]) for text in texts]
    return {"tokens": {"tokens": torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)}}


def token_of(index):
    return Token(str(index), text_id=index)


def tokens(*ids):
    return [token_of(index) for index in ids]


def decode(prompts, model=None, end_ids=(END,), forbidden_ids=(PADDING,), first_number=0, **options):
    """The ids of every row, and their log probabilities."""
    decoding = Decoding(
        model or Chain(),
        tensors_of,
        token_of,
        prompts,
        GenerationOptions(**options),
        end_ids,
        forbidden_ids,
        first_number,
    )
    rows = [[] for _ in range(len(prompts) * options.get("num", 1))]
    while decoding.active:
        for token in decoding.step():
            rows[token.row].append(token)
    return rows


def test_greedy_takes_the_most_likely_token_of_each_row():
    rows = decode([tokens(A), tokens(A, C)], temperature=0, max_tokens=4)
    assert [[token.id for token in row] for row in rows] == [[B, A, B, A], [END]]
    assert [token.log_probability for token in rows[0]] == pytest.approx(
        [math.log(p) for p in (0.6, 0.35, 0.6, 0.35)]
    )
    assert [token.is_end for token in rows[0]] == [False] * 4 and rows[1][0].is_end


def test_each_token_is_read_once_unless_a_window_moves():
    model = Chain()
    decode([tokens(A, B, A)], model, temperature=0, max_tokens=20, end_ids=())
    assert model.num_read == 3 + 19
    model = Chain(max_context=8)
    rows = decode([tokens(A, B, A), tokens(*[A] * 30)], model, temperature=0, max_tokens=20, end_ids=())
    assert [len(row) for row in rows] == [20, 20]
    assert model.num_read < 4 * 40


def test_draws_have_the_probabilities_of_the_model():
    torch.manual_seed(0)
    rows = decode([tokens(A)], num=20000, max_tokens=1)
    found = torch.tensor([row[0].id for row in rows]).bincount(minlength=5) / 20000
    torch.testing.assert_close(found, TABLE[A], atol=0.02, rtol=0)


def test_forbidden_tokens_and_an_early_end_are_never_drawn():
    rows = decode([tokens(A)], num=200, max_tokens=6, min_tokens=3, forbidden_ids=(PADDING, B))
    assert all(token.id != B for row in rows for token in row)
    assert all(not token.is_end for row in rows for token in row[:3])


def test_seeded_draws_do_not_depend_on_the_batch():
    prompts = [tokens(A), tokens(B, C), tokens(C, A, A)]
    options = {"num": 2, "seed": 3, "max_tokens": 8}
    together = decode(prompts, **options)
    alone = [row for i, prompt in enumerate(prompts) for row in decode([prompt], first_number=i, **options)]
    assert [[t.id for t in row] for row in together] == [[t.id for t in row] for row in alone]
    assert together[0] != together[1]
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    decode(prompts, **options)
    assert torch.equal(torch.rand(1), expected)  # the generator of everybody else is left alone


def test_a_repeated_bigram_is_not_generated():
    (row,) = decode([tokens(A)], temperature=0, max_tokens=9, end_ids=(), no_repeat_ngram_size=2)
    ids = [token.id for token in row]
    pairs = list(itertools.pairwise(ids))
    assert len(set(pairs)) == len(pairs)


def test_a_penalty_moves_the_choice():
    (row,) = decode([tokens(A)], temperature=0, max_tokens=3, repetition_penalty=100.0)
    assert [token.id for token in row] == [B, A, C]  # B again would cost 100 times log 0.6


def all_texts(max_tokens):
    """Every text after A with its probability, by brute force."""
    for length in range(1, max_tokens + 1):
        for ids in itertools.product((A, B, C), repeat=length - 1):
            yield [*ids, END], None
        if length == max_tokens:
            yield from (([*ids], None) for ids in itertools.product((A, B, C), repeat=length))


def test_a_wide_beam_finds_the_most_likely_texts():
    expected = []
    for ids, _ in all_texts(3):
        path = [A, *ids]
        expected.append((sum(TABLE[x, y].log().item() for x, y in itertools.pairwise(path)), ids))
    expected.sort(reverse=True)
    options = GenerationOptions(num_beams=4, num=3, max_tokens=3)
    (found, other) = search_beams(
        Chain(), tensors_of, token_of, [tokens(A), tokens(C, A)], options, [END], [PADDING]
    )
    for (ids, score, has_end), (best_score, best_ids) in zip(found, expected, strict=False):
        assert score == pytest.approx(best_score, abs=1e-5)
        assert (ids, has_end) == ([i for i in best_ids if i != END], best_ids[-1] == END)
    assert other == found


def test_a_beam_without_an_end_token_uses_all_tokens():
    options = GenerationOptions(num_beams=2, max_tokens=5)
    ((best,),) = search_beams(Chain(), tensors_of, token_of, [tokens(A)], options)
    assert len(best[0]) == 5 and not best[2]


def test_a_beam_does_not_move_the_window():
    options = GenerationOptions(num_beams=2, max_tokens=5)
    with pytest.raises(ConfigurationError, match=r"reads 6 tokens; prompt and continuation would be 2 \+ 5"):
        search_beams(Chain(max_context=6), tensors_of, token_of, [tokens(A, B)], options)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"temperature": 0}, DeterministicSampler),
        ({}, MultinomialSampler),
        ({"top_k": 3}, TopKSampler),
        ({"top_p": 0.9}, TopPSampler),
        ({"min_p": 0.1}, TruncatedSampler),
        ({"top_k": 3, "top_p": 0.9}, TruncatedSampler),
    ],
)
def test_samplers_are_those_of_the_beam_search_package(options, kind):
    assert type(GenerationOptions(**options).sampler(10)) is kind


def test_top_k_above_the_vocabulary_is_all_of_it():
    assert GenerationOptions(top_k=50).sampler(10).k == 10


def test_constraints_are_those_of_the_beam_search_package():
    constraints = GenerationOptions(repetition_penalty=1.2, no_repeat_ngram_size=3).constraints()
    assert [type(constraint) for constraint in constraints] == [
        RepetitionPenaltyConstraint,
        RepeatedNGramBlockingConstraint,
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 0}, "max_tokens: expected 1 or more, got 0"),
        ({"min_tokens": 5, "max_tokens": 4}, "min_tokens: expected at most max_tokens, 4, got 5"),
        ({"num": 0}, "num: expected 1 or more"),
        ({"temperature": -1.0}, "temperature: expected 0 or more"),
        ({"top_k": 0}, "top_k: expected 1 or more"),
        ({"top_p": 1.1}, "top_p: expected a number from 0 to 1, got 1.1"),
        ({"min_p": -0.1}, "min_p: expected a number from 0 to 1"),
        ({"repetition_penalty": 0.9}, "repetition_penalty: expected 1 or more, got 0.9"),
        ({"num_beams": 3, "top_k": 2}, "num_beams: .* leave out top_k"),
        ({"num_beams": 3, "num": 4}, "num: expected at most num_beams, 3, got 4"),
        ({"temperature": 0, "num": 2}, "num: with temperature 0 every continuation"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        GenerationOptions(**options)
