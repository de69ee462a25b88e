import json
import math

import numpy as np
import pytest
import torch

from nlpreg.common.sanitize import json_text, sanitize, sanitize_ptb_tokenized_string, sanitize_wordpiece


class Token:
    def __init__(self, text):
        self.text = text


class OddToken(Token):
    pass


class HasJson:
    def to_json(self):
        return {"a": 1}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        (True, True),
        ("ü", "ü"),
        (None, "None"),
        (torch.tensor([[1, 2]]), [[1, 2]]),
        (torch.tensor(0.5, requires_grad=True), 0.5),
        (torch.ones(2, dtype=torch.bfloat16), [1.0, 1.0]),
        (np.arange(3), [0, 1, 2]),
        (np.float32(0.25), 0.25),
        (np.float64(0.25), 0.25),
        (np.int64(7), 7),
        (np.bool_(True), True),
        ((1, (2, None)), [1, [2, "None"]]),
        ({"a": {3}}, {"a": [3]}),
        ({1: frozenset()}, {1: []}),
        ([Token("dog"), OddToken("cat")], ["dog", "cat"]),
        (HasJson(), {"a": 1}),
    ],
)
def test_sanitize(value, expected):
    result = sanitize(value)
    assert result == expected
    assert type(result) is type(expected)
    json.dumps(result)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1.5, None, "é"]}, '{"a": [1.5, null, "\\u00e9"]}'),
        (
            {"a": [math.inf, {"b": -math.inf}], "c": math.nan},
            '{"a": ["Infinity", {"b": "-Infinity"}], "c": "NaN"}',
        ),
    ],
)
def test_json_has_no_numbers_that_are_not_finite(value, text):
    assert json_text(value) == text


def test_sanitize_names_what_it_cannot_do():
    with pytest.raises(ValueError, match="of type object into JSON"):
        sanitize([object()])


@pytest.mark.parametrize(
    ("piece", "expected"),
    [("##ing", "ing"), ("Ġthe", "the"), ("▁the", "the"), ("##", ""), ("a##", "a##"), ("", "")],
)
def test_sanitize_wordpiece(piece, expected):
    assert sanitize_wordpiece(piece) == expected


@pytest.mark.parametrize(
    ("tokenized", "running"),
    [
        ("He said , `` I do n't know . ''", 'He said, "I don\'t know."'),
        ("I 'm gon na go -LRB- today -RRB- !", "I'm gonna go (today)!"),
        ("It cost $ 5 .", "It cost $5."),
        ("the dogs ' food", "the dogs' food"),
        ("<s> a b </s>", "a b"),
        ("", ""),
        ("naïve Ĳ : x", "naïve Ĳ: x"),
    ],
)
def test_sanitize_ptb_tokenized_string(tokenized, running):
    assert sanitize_ptb_tokenized_string(tokenized) == running
