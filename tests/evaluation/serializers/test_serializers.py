import json

import pytest
import torch

from nlpreg.evaluation import Serializer
from nlpreg.evaluation.serializers import SimpleSerializer


def test_outputs_beside_the_fields_of_the_batch():
    line = SimpleSerializer()(
        {"label": torch.tensor([1, 0]), "words": [["é"], ["b"]]},
        {"label": ["good", "bad"], "logits": torch.tensor([[0.5], [1.0]]), "backward_loss": None},
        data_loader=None,
    )
    assert "\n" not in line
    assert json.loads(line) == {
        "label": ["good", "bad"],
        "words": [["é"], ["b"]],
        "logits": [[0.5], [1.0]],
        "backward_loss": "None",
    }


def test_outputs_are_made_readable_first():
    line = SimpleSerializer()(
        {}, {"a": 1}, None, output_postprocess_function=lambda output: {**output, "b": 2}
    )
    assert json.loads(line) == {"a": 1, "b": 2}


@pytest.mark.parametrize("batch,output,name", [(None, {}, "batch"), ({}, None, "output_dict")])
def test_nothing_to_write(batch, output, name):
    with pytest.raises(ValueError, match=f"{name}: expected a dict to write down"):
        SimpleSerializer()(batch, output, None)


def test_default():
    assert Serializer.by_name(Serializer.default_implementation) is SimpleSerializer
