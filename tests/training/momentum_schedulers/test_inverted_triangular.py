import pytest
import torch

from nlpreg.common import Params
from nlpreg.training.momentum_schedulers import MomentumScheduler


def test_the_example_of_the_documentation():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    params = Params({"type": "inverted_triangular", "cool_down": 2, "warm_up": 3})
    scheduler = MomentumScheduler.from_params(params, optimizer=optimizer)
    assert scheduler.get_values() == [0.9]
    momenta = []
    for _ in range(6):
        scheduler.step()
        momenta.append(optimizer.param_groups[0]["momentum"])
    assert momenta == pytest.approx([0.495, 0.09, 0.36, 0.63, 0.9, 0.9])
