import torch

from nlpreg.modules.util import replicate_layers


def test_copies_are_independent() -> None:
    layer = torch.nn.Linear(2, 2)
    copies = replicate_layers(layer, 2)
    assert len(copies) == 2
    assert torch.equal(copies[0].weight, layer.weight)
    with torch.no_grad():
        copies[0].weight.zero_()
    assert layer.weight.any()
