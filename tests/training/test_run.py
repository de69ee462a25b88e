"""A run that was stopped anywhere goes on and ends with the same bits as one that never was."""

import json
import os
import random
import shutil
import signal
from pathlib import Path

import numpy
import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training.callbacks import TrainerCallback
from nlpreg.training.interruption import TrainingInterrupted
from nlpreg.training.losses import NonFiniteLossError
from nlpreg.training.run import link_file

OFTEN = {"checkpointer": {"save_every_num_batches": 1, "keep_most_recent_by_count": None}, "num_epochs": 3}
NOT_REPEATED = ("training_duration", "memory_MB")

CASES = {
    "plain": {},
    "adam": {"optimizer": {"type": "adam", "lr": 0.05}, "grad_norm": 1.0},
    "accumulation": {"num_gradient_accumulation_steps": 3},
    "everything": {
        "optimizer": {"type": "sgd", "lr": 0.05, "momentum": 0.9},
        "learning_rate_scheduler": {"type": "slanted_triangular"},
        "momentum_scheduler": {"type": "inverted_triangular", "cool_down": 1, "warm_up": 1},
        "moving_average": {"decay": 0.7},
        "num_gradient_accumulation_steps": 2,
        "validate_every_num_batches": 3,
        "metrics_interval": 2,
        "patience": 9,
    },
    "plateau": {"learning_rate_scheduler": {"type": "reduce_on_plateau", "patience": 0}},
    "combined": {
        "learning_rate_scheduler": {
            "type": "combined",
            "schedulers": [[1, {"type": "linear_with_warmup", "warmup_steps": 3}], [2, "constant"]],
        }
    },
    "half precision": {"use_amp": True, "amp_dtype": "float16"},
}


@pytest.fixture
def noisy_model(tiny_model):
    """A model that draws from every generator and carries a state from batch to batch."""

    def make():
        model = tiny_model(dropout=0.3, reports_weight=True, penalty=0.01)
        model.is_noisy = True
        return model

    return make


def facts(trainer, metrics, folder):
    """All that must be the same in the end."""
    kept = {name: value for name, value in metrics.items() if not name.endswith(NOT_REPEATED)}
    state = trainer.get_checkpoint_state()
    return {
        "metrics": kept,
        "weights": {name: value.tolist() for name, value in state.model_state.items()},
        "optimizer": str(state.trainer_state["optimizer"]),
        "scheduler": str(state.trainer_state.get("learning_rate_scheduler")),
        "average": str(state.trainer_state.get("moving_average")),
        "generators": [torch.rand(2).tolist(), numpy.random.rand(2).tolist(), random.random()],
        "log": [
            {name: value for name, value in json.loads(line).items() if name != "seconds"}
            for line in (folder / "metrics.jsonl").read_text().splitlines()
        ],
        "best": {k: v.tolist() for k, v in torch.load(folder / "best.th", weights_only=True).items()},
        "files": sorted(path.name for path in folder.iterdir()),
    }


@pytest.mark.parametrize(
    ("case", "stop_at"),
    [*(("everything", stop_at) for stop_at in (1, 5, 7, 8, 15, 21)), *((case, 12) for case in CASES)],
)
def test_a_run_that_dies_goes_on_to_the_same_bits(
    make_trainer, noisy_model, tiny_loader, tmp_path, case, stop_at
):
    config = {**OFTEN, **CASES[case]}
    trainer = make_trainer(config, noisy_model(), folder="whole")
    whole = facts(trainer, trainer.train(), tmp_path / "whole")

    model = noisy_model()
    model.fails_at = stop_at
    with pytest.raises(RuntimeError, match="the power is gone"):
        make_trainer(config, model, folder="broken").train()
    loader = tiny_loader()
    trainer = make_trainer(config, noisy_model(), loader, folder="broken")
    if list((tmp_path / "broken").glob("training_state_*")):  # otherwise it starts again from the seeds
        torch.manual_seed(999)
        numpy.random.seed(999)
        random.seed(999)
    resumed = facts(trainer, trainer.train(), tmp_path / "broken")
    assert resumed == whole
    group = config.get("num_gradient_accumulation_steps", 1)
    assert len(set(loader.given)) == len(loader.given)
    assert len(loader.given) <= 3 * 7 - (stop_at - 1) + group + 6  # nothing that was seen is drawn again


def test_a_finished_run_returns_its_metrics_again(make_trainer, noisy_model, tmp_path):
    first = make_trainer(OFTEN, noisy_model()).train()
    trainer = make_trainer(OFTEN, noisy_model())
    assert trainer.train() == first
    best = torch.load(tmp_path / "run" / "best.th", weights_only=True)
    assert all(torch.equal(best[name], value) for name, value in trainer.model.state_dict().items())


def test_a_run_that_stopped_early_stays_stopped(make_trainer, tiny_model):
    config = {
        "patience": 1,
        "num_epochs": 30,
        "optimizer": {"type": "sgd", "lr": 1e-9},
        "callbacks": ["worse"],
    }

    @TrainerCallback.register("worse")
    class Worse(TrainerCallback):
        def on_batch(self, trainer, *args, is_training, **kwargs):
            trainer.model.scale.data.add_(0.01)

    first = make_trainer(config).train()
    assert make_trainer(config).train() == first


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("place", ["training", "validation"])
@pytest.mark.parametrize("within", [False, True])
def test_a_run_that_is_asked_to_end_saves_itself(make_trainer, noisy_model, tmp_path, number, place, within):
    config = {"num_epochs": 3, "callbacks": ["ask"], "validate_every_num_batches": 4 if within else None}
    asked = []

    @TrainerCallback.register("ask")
    class Ask(TrainerCallback):
        def on_batch(self, trainer, *args, is_training, **kwargs):
            if (
                asked
                and trainer._total_batches_completed == asked[0]
                and is_training == (place == "training")
            ):
                asked.clear()
                os.kill(os.getpid(), number)

    trainer = make_trainer(config, noisy_model(), folder="whole")
    whole = facts(trainer, trainer.train(), tmp_path / "whole")

    asked.append(12 if within else 7 if place == "validation" else 9)
    earlier = signal.getsignal(number)
    error = TrainingInterrupted if number == signal.SIGTERM else KeyboardInterrupt
    with pytest.raises(error, match="resume with `--recover`"):
        make_trainer(config, noisy_model(), folder="broken").train()
    assert not asked
    assert signal.getsignal(number) is earlier
    trainer = make_trainer(config, noisy_model(), folder="broken")
    resumed = facts(trainer, trainer.train(), tmp_path / "broken")
    resumed["files"] = whole["files"] = []  # which checkpoints are kept depends on where the run was stopped
    assert resumed == whole


def test_without_a_checkpointer_the_end_is_said_to_be_one(make_trainer, tiny_model):
    @TrainerCallback.register("term")
    class Term(TrainerCallback):
        def on_batch(self, trainer, *args, **kwargs):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(TrainingInterrupted, match="there is no checkpoint") as caught:
        make_trainer({"checkpointer": None, "callbacks": ["term"]}).train()
    assert (caught.value.epoch, caught.value.batches, caught.value.is_saved) == (0, 1, False)
    assert caught.value.exit_code == 75


def test_a_loader_without_state_is_drawn_from_again(make_trainer, tiny_model, tiny_loader, caplog):
    class Forgetful(tiny_loader):
        state_dict = None
        load_state_dict = None

        def __iter__(self):
            self.batches = 0
            return super().__iter__()

    whole = make_trainer(OFTEN, tiny_model(), Forgetful(), folder="whole")
    whole.train()
    model = tiny_model()
    model.fails_at = 11
    with pytest.raises(RuntimeError, match="power"):
        make_trainer(OFTEN, model, Forgetful(), folder="broken").train()
    loader = Forgetful()
    resumed = make_trainer(OFTEN, tiny_model(), loader, folder="broken")
    resumed.train()
    assert "are read again and skipped" in caplog.text
    assert loader.given == [(epoch, index) for epoch in range(3) for index in range(7)]
    for parameter, expected in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(parameter, expected)


def test_a_checkpoint_of_another_model(make_trainer, tiny_model):
    make_trainer().train()
    model = tiny_model()
    model.linear = torch.nn.Linear(3, 2)
    with pytest.raises(ConfigurationError, match="cannot resume from the checkpoint, it does not fit"):
        make_trainer(model=model).train()


def test_a_checkpoint_of_an_unknown_version(make_trainer, tmp_path):
    make_trainer().train()
    path = tmp_path / "run" / "training_state_e2_b0.th"
    state = torch.load(path, weights_only=True)
    torch.save({**state, "version": 3}, path)
    (tmp_path / "run" / "checkpoint_e2_b0.json").unlink()
    with pytest.raises(ValueError, match="expected version 2 or 1 of the training state, got 3"):
        make_trainer().train()


def test_a_state_that_cannot_be_saved_is_named(make_trainer):
    @TrainerCallback.register("odd")
    class Odd(TrainerCallback):
        def state_dict(self):
            return {"thing": object()}

    with pytest.raises(ConfigurationError, match=r"state.callbacks.0.thing: .* got object"):
        make_trainer({"callbacks": ["odd"]}).train()


def test_states_of_callbacks_come_back(make_trainer):
    @TrainerCallback.register("counter")
    class Counter(TrainerCallback):
        count = 0

        def on_epoch(self, *args, **kwargs):
            self.count += 1

        def state_dict(self):
            return {"count": self.count}

        def load_state_dict(self, state_dict):
            self.count = state_dict["count"]

    make_trainer({"callbacks": ["null", "counter"]}).train()
    trainer = make_trainer({"callbacks": ["null", "counter"], "num_epochs": 3})
    trainer.train()
    assert trainer._callbacks[1].count == 3


def test_the_folder_may_be_moved(make_trainer, tmp_path):
    make_trainer(folder="here").train()
    (tmp_path / "here").rename(tmp_path / "there")
    trainer = make_trainer(folder="there")
    trainer.train()
    assert trainer.get_best_weights_path() == str(tmp_path / "there" / "best.th")
    assert not (tmp_path / "here").exists()


def test_what_a_killed_process_left_is_cleared_away(make_trainer, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in (
        ".model_state_e1_b0.th.abcdefg1.tmp",
        ".best.th.abcdefg2.tmp",
        ".metrics_epoch_0.json.abcdefg3.tmp",
    ):
        (folder / name).write_text("half")
    (folder / ".mine.tmp").write_text("not ours")
    make_trainer().train()
    assert [path.name for path in folder.glob(".*.tmp")] == [".mine.tmp"]


def test_best_weights_that_a_kill_prevented_are_written_on_resuming(make_trainer, tmp_path):
    first = make_trainer()
    first.train()
    best = tmp_path / "run" / "best.th"
    expected = torch.load(best, weights_only=True)
    best.unlink()  # as if the process had been killed between the checkpoint and the best weights
    make_trainer().train()
    again = torch.load(best, weights_only=True)
    assert all(torch.equal(again[name], value) for name, value in expected.items())


@pytest.mark.parametrize("stop_at", [7, 9, 14])
def test_another_number_of_processes_goes_on_with_the_same_epoch_from_its_beginning(
    make_trainer, tiny_model, tiny_loader, stop_at
):
    """Seven batches an epoch: after one epoch, in the second, and after the second, before its end was noticed."""
    trainer = make_trainer({**OFTEN, "num_epochs": 3}, tiny_model(), loader=tiny_loader())
    model = trainer.model
    model.fails_at = stop_at + 1
    with pytest.raises(RuntimeError, match="the power is gone"):
        trainer.train()
    checkpoint = trainer._checkpointer.load_checkpoint()
    state = checkpoint.trainer_state
    state["processes"], state["num_processes"] = state["processes"] * 2, 2
    loader = tiny_loader()
    other = make_trainer({"num_epochs": 3, "checkpointer": None}, tiny_model(), loader=loader)
    other.run.load_checkpoint(checkpoint)
    other.train()
    assert loader.given == [
        (epoch, batch) for epoch in range(state["epochs_completed"], 3) for batch in range(7)
    ]


def test_a_run_that_stopped_early_within_an_epoch_finishes_it(make_trainer, tiny_model, tmp_path):
    """Killed after the checkpoint at which patience came to its end, and before the end of the epoch."""
    config = {
        "validate_every_num_batches": 2,
        "patience": 1,
        "optimizer": {"type": "sgd", "lr": 1.0},  # every validation is worse than the first
        "checkpointer": {"save_every_num_batches": 2, "keep_most_recent_by_count": None},
        "num_epochs": 5,
    }
    whole = make_trainer(config, tiny_model(), folder="whole")
    expected = facts(whole, whole.train(), tmp_path / "whole")
    assert whole.run.progress.total_batches_completed == 4
    shutil.copytree(tmp_path / "whole", tmp_path / "broken")
    for name in ("model_state_e1_b0.th", "training_state_e1_b0.th", "checkpoint_e1_b0.json"):
        (tmp_path / "broken" / name).unlink()
    (tmp_path / "broken" / "metrics_epoch_0.json").unlink()
    resumed = make_trainer(config, tiny_model(), folder="broken")
    assert facts(resumed, resumed.train(), tmp_path / "broken") == expected


def test_a_finished_run_goes_on_for_more_epochs(make_trainer, noisy_model, tmp_path):
    """To the same bits as one that was that long from the start."""
    config = {"num_epochs": 5, "optimizer": {"type": "adam", "lr": 0.05}}
    whole = make_trainer(config, noisy_model(), folder="whole")
    expected = facts(whole, whole.train(), tmp_path / "whole")
    make_trainer({**config, "num_epochs": 2}, noisy_model(), folder="parts").train()
    parts = make_trainer({**config, "patience": 9}, noisy_model(), folder="parts")
    assert facts(parts, parts.train(), tmp_path / "parts") == expected


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_damaged_best_weights_are_never_used(make_trainer, tiny_model, tmp_path, damage):
    config = {"num_epochs": 3, "callbacks": ["worse_later"], "optimizer": {"type": "sgd", "lr": 1e-9}}

    @TrainerCallback.register("worse_later", exist_ok=True)
    class WorseLater(TrainerCallback):
        def on_epoch(self, trainer, *args, **kwargs):
            trainer.model.scale.data.add_(50)

    make_trainer(config).train()
    best = tmp_path / "run" / "best.th"
    if damage == "remove":
        best.unlink()
    else:
        content = bytearray(best.read_bytes())
        content[content.index(torch.load(best)["linear.weight"].numpy().tobytes())] ^= 1
        best.unlink()  # not another name of a checkpoint any more
        best.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"best.th is (missing|not what was written).*--recover"):
        make_trainer(config).train()


def test_the_best_weights_are_another_name_of_the_checkpoint(make_trainer, tmp_path):
    make_trainer({"num_epochs": 1}).train()
    folder = tmp_path / "run"
    assert os.path.samefile(folder / "best.th", folder / "model_state_e1_b0.th")
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [".digests.json"]


def test_a_link_replaces_in_one_step(tmp_path):
    (tmp_path / "new").write_text("new")
    (tmp_path / "best.th").write_text("old")
    assert link_file(str(tmp_path / "new"), str(tmp_path / "best.th"))
    assert (tmp_path / "best.th").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["best.th", "new"]


def test_without_links_the_weights_are_written_again(make_trainer, tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    trainer = make_trainer({"num_epochs": 1})
    trainer.train()
    folder = tmp_path / "run"
    assert not os.path.samefile(folder / "best.th", folder / "model_state_e1_b0.th")
    best = torch.load(folder / "best.th", weights_only=True)
    assert all(torch.equal(best[name], value) for name, value in trainer.model.state_dict().items())


def test_weights_that_are_not_finite_are_not_the_best(make_trainer, tiny_model, tmp_path):
    model = tiny_model()
    model.unused = torch.nn.Parameter(torch.tensor(float("nan")))
    with pytest.raises(NonFiniteLossError, match="weights unused are NaN or infinite"):
        make_trainer({"checkpointer": None}, model).train()
    assert not (tmp_path / "run" / "best.th").exists()


# Made by the version that saved them: a run of 3 epochs that died in the second, and a sharded run of 2 epochs and two
# processes that was asked to end after 2 updates of the second.
OLD = Path(__file__).parent / "checkpoints_of_version_1"

CONFIG_OF_VERSION_1 = {
    "optimizer": {"type": "adam", "lr": 0.05},
    "learning_rate_scheduler": {"type": "slanted_triangular"},
    "moving_average": {"decay": 0.7},
    "num_gradient_accumulation_steps": 2,
    "validate_every_num_batches": 3,
    "metrics_interval": 2,
    "patience": 9,
    "num_epochs": 3,
    "checkpointer": {"save_every_num_batches": 1, "keep_most_recent_by_count": None},
}


def draws_as_the_torch_of_the_checkpoints():
    """Whether dropout draws the same numbers from a seed as the torch that made the checkpoints (2.6 does not)."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    kept = torch.nn.functional.dropout(torch.ones(12), 0.3) > 0
    torch.set_rng_state(state)
    return kept.tolist() == [n not in (0, 1, 3, 5) for n in range(12)]


@pytest.mark.skipif(
    not draws_as_the_torch_of_the_checkpoints(),
    reason="dropout of this torch draws other numbers from a seed",
)
def test_a_checkpoint_of_version_1_of_one_process(make_trainer, noisy_model, tmp_path):
    whole = make_trainer(CONFIG_OF_VERSION_1, noisy_model(), folder="whole")
    expected = whole.train()
    shutil.copytree(OLD / "one_process", tmp_path / "old")
    resumed = make_trainer(CONFIG_OF_VERSION_1, noisy_model(), folder="old")
    torch.manual_seed(999)
    metrics = resumed.train()
    state, expected_state = (trainer.get_checkpoint_state() for trainer in (resumed, whole))
    for name, value in expected_state.model_state.items():
        torch.testing.assert_close(state.model_state[name], value)
    moments = [s.trainer_state["optimizer"]["state"][0]["exp_avg"] for s in (state, expected_state)]
    torch.testing.assert_close(*moments)
    for name in ("epoch", "best_epoch", "training_loss", "validation_loss", "best_validation_error"):
        assert metrics[name] == pytest.approx(expected[name], rel=1e-5), name
    lines = [json.loads(line) for line in (tmp_path / "old" / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert steps == sorted(steps)


def test_shards_of_version_1_are_resumed_by_one_process(
    make_trainer, tiny_model, tiny_loader, tmp_path, caplog
):
    shutil.copytree(OLD / "two_shards", tmp_path / "old")
    model = tiny_model(dropout=0.3, reports_weight=True)
    model.scale = torch.nn.Parameter(torch.ones(1))
    loader = tiny_loader(6, sizes=(8, 4))
    trainer = make_trainer({"optimizer": {"type": "adam", "lr": 0.05}}, model, loader, folder="old")
    checkpoint = trainer.run.checkpointer.load_checkpoint()
    # each process held one part: the rows of its share of the weights
    parts = [torch.load(OLD / "two_shards" / f"model_state_e1_b2_w{rank}.th") for rank in range(2)]
    chunks = [chunk for part in parts for chunk in part["spread"].get(".linear.weight", [])]
    assert torch.equal(checkpoint.model_state["linear.weight"], torch.cat([c["tensor"] for c in chunks]))
    assert len(checkpoint.trainer_state["processes"]) == 2
    metrics = trainer.train()
    assert "was saved by 2 processes and is resumed by 1" in caplog.text
    assert metrics["epoch"] == 1
    assert loader.given == [(1, index) for index in range(6)]  # the second epoch, from its beginning
    files = {path.name for path in (tmp_path / "old").iterdir()}
    assert {"best.th", "model_state_e2_b0.th", "training_state_e2_b0.th"} <= files


@pytest.mark.parametrize("name", ["training_state_e1_b2_w1.th", "model_state_e1_b2_w0.th"])
def test_damaged_shards_of_version_1_are_passed_over(make_trainer, tiny_model, tmp_path, caplog, name):
    shutil.copytree(OLD / "two_shards", tmp_path / "old")
    path = tmp_path / "old" / name
    path.write_bytes(path.read_bytes()[:-100])
    trainer = make_trainer(folder="old")
    assert trainer.run.checkpointer.load_checkpoint() is None
    assert "the checkpoint is damaged" in caplog.text and name in caplog.text
