import pytest
import torch

from nlpreg.common import Params
from nlpreg.training.momentum_schedulers import MomentumScheduler


def test_the_registered_names():
    assert MomentumScheduler.list_available() == ["inverted_triangular"]


def test_an_optimizer_without_momentum():
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    params = Params({"type": "inverted_triangular", "cool_down": 1, "warm_up": 1})
    with pytest.raises(KeyError, match="'momentum' missing in parameter group 0 of Adam"):
        MomentumScheduler.from_params(params, optimizer=optimizer)
