import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.metrics import Metric
from nlpreg.training.metrics.metric import add, full, widest


def test_detach_tensors_leaves_other_things_alone():
    weight = torch.ones(2, requires_grad=True)
    detached, nothing, text = Metric.detach_tensors(weight, None, "text")
    assert not detached.requires_grad
    assert (nothing, text) == (None, "text")


def test_claims_are_checked_at_once_on_cpu():
    metric = Metric()
    metric._require(torch.tensor(True), "fine")
    with pytest.raises(ConfigurationError, match="not fine"):
        metric._require(torch.tensor(False), "not fine")
    with pytest.raises(KeyError, match="own kind"):
        metric._require(torch.tensor(False), KeyError("own kind"))


@pytest.mark.parametrize("holds", [True, False])
def test_claims_wait_on_other_devices(holds):
    class ElsewhereTensor(torch.Tensor):
        device = torch.device("cuda")

    metric = Metric()
    for each in (True, holds, True):
        metric._require(torch.tensor(each).as_subclass(ElsewhereTensor), "not fine")
    if holds:
        metric._settle()
    else:
        with pytest.raises(ConfigurationError, match="not fine"):
            metric._settle()
    metric._settle()


def test_numbers_keep_their_kind():
    assert full(3, torch.device("cpu")).dtype == torch.long
    assert widest(torch.ones((), dtype=torch.float16, requires_grad=True)).dtype == torch.float64
    assert add(torch.zeros(()), torch.tensor(2)).dtype == torch.long
