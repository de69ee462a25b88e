import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.training.learning_rate_schedulers import LearningRateScheduler


def test_the_example_of_the_documentation(build, rates_by_update):
    rates = rates_by_update(build("slanted_triangular"), 32)
    wanted = {0: 0.03125, 1: 0.354167, 3: 1.0, 15: 0.569444, 30: 0.03125, 32: 0.03125}
    assert {step: rates[step] for step in wanted} == pytest.approx(wanted, abs=1e-6)


def test_the_number_of_updates_of_an_epoch_is_learned(build, rates_by_update):
    # 20 updates in 2 epochs of 5 and 15 are told to be 3 epochs of 10 until the first is over
    scheduler = build({"type": "slanted_triangular", "cut_frac": 0.2, "ratio": 2})
    scheduler.step_batch(1)
    assert scheduler.get_values()[0] == pytest.approx((1 + 1 / 6) / 2)
    for update in range(2, 6):
        scheduler.step_batch(update)
    scheduler.step()
    scheduler.step_batch(6)  # now 3 epochs of 5
    assert scheduler.get_values()[0] == pytest.approx((1 + 1 - (6 - 3) / 12) / 2)


def layered_optimizer(extra_in_default=False):
    layers = {f"layer{index}": torch.nn.Parameter(torch.zeros(1)) for index in range(3)}
    groups = [{"params": [parameter], "lr": 1.0} for parameter in layers.values()]
    default = [torch.nn.Parameter(torch.zeros(1))] if extra_in_default else []
    return list(layers.values()), torch.optim.SGD([*groups, {"params": default}], lr=1.0)


def build_for(optimizer, **options):
    params = Params({"type": "slanted_triangular", **options})
    return LearningRateScheduler.from_params(params, optimizer=optimizer, num_epochs=5, num_steps_per_epoch=4)


def test_gradual_unfreezing():
    layers, optimizer = layered_optimizer()
    scheduler = build_for(optimizer, gradual_unfreezing=True, cut_frac=0.5, ratio=2)
    trained, rates = [], []
    for update in range(1, 21):
        scheduler.step_batch(update)
        rates.append(optimizer.param_groups[0]["lr"])
        if update % 4 == 0:
            trained.append([layer.requires_grad for layer in layers])
            assert scheduler.freezing_current == (update <= 8)
            scheduler.step()
    assert trained[:4] == [[False, False, True], [False, True, True], [True, True, True], [True, True, True]]
    # a triangle in each of the two epochs with frozen layers, then one over the 12 updates that are left
    small = [0.75, 1.0, 0.75, 0.5]
    large = [0.5 + 0.5 * (step / 6 if step <= 6 else (12 - step) / 6) for step in range(1, 13)]
    assert rates == pytest.approx([*small, *small, *large])


def test_what_was_frozen_is_frozen_again():
    _, optimizer = layered_optimizer()
    scheduler = build_for(optimizer, gradual_unfreezing=True)
    scheduler.step()
    layers, optimizer = layered_optimizer()
    other = build_for(optimizer, gradual_unfreezing=True)
    assert [layer.requires_grad for layer in layers] == [False, False, True]
    other.load_state_dict(scheduler.state_dict())
    assert [layer.requires_grad for layer in layers] == [False, True, True]


def test_discriminative_fine_tuning():
    _, optimizer = layered_optimizer()
    scheduler = build_for(optimizer, discriminative_fine_tuning=True, decay_factor=0.5)
    assert scheduler.base_values[:3] == [0.25, 0.5, 1.0]
    _, optimizer = layered_optimizer(extra_in_default=True)
    assert build_for(optimizer, discriminative_fine_tuning=True, decay_factor=0.5).base_values == [
        0.125,
        0.25,
        0.5,
        1.0,
    ]


def test_groups_that_do_not_fit(build):
    _, optimizer = layered_optimizer(extra_in_default=True)
    with pytest.raises(ConfigurationError, match="some match none of their regular expressions"):
        build_for(optimizer, gradual_unfreezing=True)
    with pytest.raises(ConfigurationError, match="at least 2 parameter_groups"):
        build({"type": "slanted_triangular", "discriminative_fine_tuning": True})
