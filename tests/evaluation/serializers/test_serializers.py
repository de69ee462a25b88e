import json
import math

import pytest
import torch

from nlpreg.evaluation import Serializer
from nlpreg.evaluation.serializers import SimpleSerializer


def lines_of(batch, outputs):
    return [json.loads(line) for line in SimpleSerializer()(batch, outputs, None).split("\n")]


def test_a_line_for_each_instance_with_fields_and_outputs():
    assert lines_of(
        {"label": torch.tensor([1, 0]), "words": [["é"], ["b"]]},
        {
            "label": ["good", "bad"],
            "logits": torch.tensor([[0.5], [1.0]]),
            "loss": torch.tensor(2.0),
            "backward_loss": None,
            "weights": torch.ones(3),
        },
    ) == [
        {"label": "good", "words": ["é"], "logits": [0.5]},
        {"label": "bad", "words": ["b"], "logits": [1.0]},
    ]


def test_fields_have_no_padding():
    text = {
        "tokens": {"tokens": torch.tensor([[5, 6, 7], [8, 0, 0]])},
        "chars": {"token_characters": torch.ones(2, 3, 4)},
    }
    one, other = lines_of(
        {"source": text, "tags": torch.tensor([[1, 2, 1], [2, 0, 0]]), "weight": [0.5, 1]}, {}
    )
    assert one["source"]["tokens"] == {"tokens": [5, 6, 7]} and other["source"]["tokens"] == {"tokens": [8]}
    assert (one["tags"], other["tags"]) == ([1, 2, 1], [2])
    assert (one["weight"], other["weight"]) == (0.5, 1)
    assert [len(line["source"]["chars"]["token_characters"]) for line in (one, other)] == [3, 1]


def test_ids_of_characters_have_no_padding():
    characters = torch.tensor([[[5, 6, 0], [7, 0, 0]], [[8, 9, 4], [0, 0, 0]]])
    lines = lines_of({"source": {"chars": {"token_characters": characters}}}, {})
    assert [line["source"]["chars"]["token_characters"] for line in lines] == [[[5, 6], [7]], [[8, 9, 4]]]


@pytest.mark.parametrize("name", ["offsets", "type_ids"])
def test_zeros_that_are_values_stay(name):
    values = torch.tensor([[[0, 0], [1, 0]]])
    (line,) = lines_of({"source": {"pieces": {name: values}}}, {})
    assert line["source"]["pieces"][name] == [[0, 0], [1, 0]]


def test_words_and_labels_come_first():
    batch = {
        "tokens": {"tokens": {"tokens": torch.tensor([[5, 6]])}},
        "metadata": [{"words": ["the", "dog"]}],
        "tags": torch.tensor([[0, 1]]),
    }
    outputs = {"logits": torch.zeros(1, 2, 3), "tags": [["D", "N"]], "gold_tags": [["D", "V"]]}
    (line,) = lines_of(batch, {**outputs, "words": [["the", "dog"]]})
    assert list(line) == ["words", "tags", "gold_tags", "tokens", "metadata", "logits"]


def test_outputs_of_a_head_belong_to_the_instances_of_its_task():
    batch = {"task": ["mood", "topic", "mood"], "number": torch.tensor([1, 2, 3])}
    outputs = {"mood_label": ["a", "b"], "topic_label": ["c"], "topic_other": ["x", "y"]}
    assert lines_of(batch, outputs) == [
        {"task": "mood", "number": 1, "mood_label": "a"},
        {"task": "topic", "number": 2, "topic_label": "c"},
        {"task": "mood", "number": 3, "mood_label": "b"},
    ]


def test_outputs_are_made_readable_first():
    line = SimpleSerializer()(
        {}, {"a": 1}, None, output_postprocess_function=lambda output: {**output, "b": 2}
    )
    assert json.loads(line) == {"a": 1, "b": 2}


def test_numbers_that_are_not_finite_stay_valid_json():
    line = SimpleSerializer()({}, {"perplexity": math.inf}, None)
    assert line == '{"perplexity": "Infinity"}'


@pytest.mark.parametrize("batch,output,name", [(None, {}, "batch"), ({}, None, "output_dict")])
def test_nothing_to_write(batch, output, name):
    with pytest.raises(ValueError, match=f"{name}: expected a dict to write down"):
        SimpleSerializer()(batch, output, None)


def test_default():
    assert Serializer.by_name(Serializer.default_implementation) is SimpleSerializer
