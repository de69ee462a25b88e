import collections
import enum
from pathlib import Path

import numpy
import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.state import plain_state


class Kind(str, enum.Enum):
    GOOD = "good"


def test_what_becomes_plain(tmp_path):
    parameter = torch.nn.Parameter(torch.ones(2))
    state = plain_state(
        {
            "tensor": parameter,
            "counter": collections.Counter("aab"),
            "ordered": collections.OrderedDict(x=(1, [2.5, None])),
            "array": numpy.array([1, 2]),
            "scalar": numpy.float32(0.5),
            "path": Path("a/b"),
            "kind": Kind.GOOD,
            "set": {1, 2},
            3: True,
        }
    )
    torch.save(state, tmp_path / "state.th")
    loaded = torch.load(tmp_path / "state.th", weights_only=True)
    assert loaded.pop("tensor").tolist() == [1.0, 1.0]
    assert loaded.pop("array").tolist() == [1, 2]
    assert loaded == {
        "counter": {"a": 2, "b": 1},
        "ordered": {"x": (1, [2.5, None])},
        "scalar": 0.5,
        "path": "a/b",
        "kind": "good",
        "set": {1, 2},
        3: True,
    }
    assert type(loaded["kind"]) is str


@pytest.mark.parametrize("value", [object(), lambda: None, 1j, numpy.array([object()]), open])
def test_what_cannot_be_saved_is_named(value):
    with pytest.raises(
        ConfigurationError, match=r"state.a.1.b: a checkpoint holds tensors and plain values only"
    ):
        plain_state({"a": [0, {"b": value}]}, "state")
