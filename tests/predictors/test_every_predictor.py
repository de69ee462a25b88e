"""What holds for every predictor and every model: an input's answer does not depend on its batch, or on what came before."""

import math
from typing import Any

import pytest
from every_model import (
    CASES,
    MAKES_NO_MODEL_OF_ITS_OWN,
    NEEDS_A_PRETRAINED_MODEL,
    SENTENCES,
    WITH_GAPS,
    make_predictor,
)

from nlpreg.models import Model
from nlpreg.predictors import Predictor


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return math.isclose(one, other, abs_tol=1e-5) if isinstance(one, float) else one == other


def texts_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    return [t for item in value for t in texts_in(item)] if isinstance(value, list) else [str(value)]


def test_every_model_and_predictor_is_looked_at() -> None:
    names = {name.split(",")[0] for name in CASES}
    registered = {
        name for name in Model.list_available() if Model.by_name(name).__module__.startswith("nlpreg.models.")
    }
    assert names == registered - NEEDS_A_PRETRAINED_MODEL - MAKES_NO_MODEL_OF_ITS_OWN
    used = {
        predictor or Model.by_name(name.split(",")[0]).default_predictor
        for name, (_, _, predictor) in CASES.items()
    }
    ours = {
        name
        for name in Predictor.list_available()
        if Predictor.by_name(name).__module__.startswith("nlpreg.")
    }
    assert used == ours


@pytest.mark.parametrize("name", CASES)
def test_an_answer_is_the_same_alone_and_in_any_batch(name: str) -> None:
    predictor = make_predictor(name)
    sentences = WITH_GAPS if name.startswith("masked") else SENTENCES
    inputs = [
        {"sentence": sentence} | ({"task": "sentiment"} if name == "multitask" else {})
        for sentence in sentences
    ]
    alone = [predictor.predict_json(dict(value)) for value in inputs]
    assert all("@@PADDING@@" not in texts_in(answer) for answer in alone)
    assert same(alone, [predictor.predict_json(dict(value)) for value in inputs]), "state carries over"
    # what only a batch of one can have
    for answer in alone:
        if not name.partition(",")[0].replace("-", "_").endswith("language_model") or name.startswith(
            "masked"
        ):
            assert not {"loss", "batch_weight"} & set(answer)
    together = predictor.predict_batch_json([dict(value) for value in inputs])
    assert same(alone, together), next((a, b) for a, b in zip(alone, together, strict=True) if not same(a, b))
    backwards = predictor.predict_batch_json([dict(value) for value in reversed(inputs)])
    assert same(alone, backwards[::-1])


@pytest.mark.parametrize("name", [name for name in CASES if "tagger" in name])
def test_a_tagger_gives_as_many_tags_as_words(name: str) -> None:
    predictor = make_predictor(name)
    for answer, sentence in zip(
        predictor.predict_batch_json([{"sentence": sentence} for sentence in ["the dog ate", "", "Zoë"]]),
        [3, 0, 1],
        strict=True,
    ):
        assert len(answer["tags"]) == len(answer["words"]) == sentence
        for key in ("logits", "class_probabilities", "mask"):
            assert len(answer.get(key, answer["tags"])) == sentence
    like_padding = predictor.predict_json({"words": ["@@PADDING@@", "dog"]})
    assert len(like_padding["tags"]) == 2
