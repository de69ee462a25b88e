import random

import numpy
import torch

from nlpreg.training.state import RandomGenerators


def draw():
    return [
        random.random(),
        random.gauss(0, 1),
        numpy.random.rand(),
        numpy.random.randn(),
        torch.rand(1).item(),
        torch.randn(1).item(),
    ]


def test_every_generator_goes_back(tmp_path):
    draw()  # numbers from a normal distribution come in pairs, so that one is waiting
    torch.save(RandomGenerators().state_dict(), tmp_path / "state.th")
    expected = [draw() for _ in range(3)]
    random.seed(0)
    numpy.random.seed(0)
    torch.manual_seed(0)
    generators = RandomGenerators()
    generators.load_state_dict(torch.load(tmp_path / "state.th", weights_only=True))
    assert [draw() for _ in range(3)] != expected  # not before it is asked for
    generators.restore()
    assert [draw() for _ in range(3)] == expected


def test_other_gpus_are_left_alone():
    generators = RandomGenerators()
    state = generators.state_dict()
    state["cuda"] = [torch.zeros(16, dtype=torch.uint8)] * 7
    generators.load_state_dict(state)
    generators.restore()
