"""What holds for every registered scheduler."""

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.training.learning_rate_schedulers import LearningRateScheduler
from nlpreg.training.state import plain_state

CONFIGS = {
    "constant": {},
    "constant_with_warmup": {"num_warmup_steps": 2},
    "cosine_with_warmup": {"num_warmup_steps": 2, "num_training_steps": 5},
    "cosine_hard_restarts_with_warmup": {"num_warmup_steps": 1, "num_training_steps": 5, "num_cycles": 2},
    "step": {"step_size": 2},
    "multi_step": {"milestones": [1, 3]},
    "exponential": {"gamma": 0.5},
    "reduce_on_plateau": {"patience": 1},
    "noam": {"model_size": 4, "warmup_steps": 7},
    "slanted_triangular": {},
    "polynomial_decay": {"power": 2.0, "warmup_steps": 3},
    "linear_with_warmup": {"warmup_steps": 4},
    "cosine": {"t_initial": 2},
    "combined": {"schedulers": [[1, {"type": "linear_with_warmup", "warmup_steps": 3}], [1, "noam_like"]]},
    "reduce_lr_on_plateau": {"patience": 1},
    "step_lr": {"step_size": 2},
    "multi_step_lr": {"milestones": [1, 3]},
    "constant_lr": {"total_iters": 2},
    "linear_lr": {"total_iters": 2},
    "exponential_lr": {"gamma": 0.5},
    "polynomial_lr": {"total_iters": 4},
    "cosine_annealing_lr": {"T_max": 3},
    "cosine_annealing_warm_restarts": {"T_0": 2},
    "cyclic_lr": {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 4, "cycle_momentum": False},
    "one_cycle_lr": {"max_lr": 1.0, "cycle_momentum": False},
}
BATCHWISE = {
    name: {**CONFIGS[name], "interval": "batch"}
    for name in ("step", "multi_step", "cosine_with_warmup", "cosine_annealing_lr", "linear_lr")
}
CONFIGS["combined"]["schedulers"][1][1] = {"type": "exponential", "gamma": 0.5}

# no update is made here, which torch finds odd
pytestmark = pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")


def test_the_registered_names():
    # torch may have more than these by the time that this is run
    assert set(LearningRateScheduler.list_available()) >= set(CONFIGS)
    assert LearningRateScheduler.default_implementation is None


@pytest.mark.parametrize(("name", "options"), [*CONFIGS.items(), *BATCHWISE.items()])
@pytest.mark.parametrize("stop", [3, 10, 14, 25])
def test_a_saved_state_resumes(build, optimizer, name, options, stop, tmp_path):
    def follow(scheduler, start, end):
        rates = []
        for update in range(start + 1, end + 1):
            scheduler.step_batch(update)
            rates.append([group["lr"] for group in optimizer.param_groups])
            if update % 10 == 0:
                scheduler.step(-1.0)
        return rates

    config = {"type": name, **options}
    first = build(config)
    follow(first, 0, stop)
    path = tmp_path / "state.th"
    torch.save(plain_state({"scheduler": first.state_dict(), "optimizer": optimizer.state_dict()}), path)
    expected = follow(first, stop, 30)
    for group, rate in zip(optimizer.param_groups, (1.0, 0.5), strict=True):  # as in a new process
        group["lr"] = rate
        group.pop("initial_lr", None)
    second = build(config)
    state = torch.load(path, weights_only=True)
    optimizer.load_state_dict(state["optimizer"])
    second.load_state_dict(state["scheduler"])
    assert follow(second, stop, 30) == expected


def test_there_is_no_default(optimizer):
    with pytest.raises(ConfigurationError, match='"type" says which LearningRateScheduler'):
        LearningRateScheduler.from_params(Params({}), optimizer=optimizer)
