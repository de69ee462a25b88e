import os

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.training import Trainer
from nlpreg.training.trainer import resolve_device


def test_the_registered_names():
    names = Trainer.list_available()
    assert names[0] == "gradient_descent"
    assert {"gradient_descent", "no_op"} <= set(names)


def test_names_that_were_in_this_module_before():
    """Code for AllenNLP up to 2.4 imports them from here."""
    from nlpreg.training import GradientDescentTrainer, TrainerCallback, trainer

    assert trainer.GradientDescentTrainer is GradientDescentTrainer
    assert trainer.TrainerCallback is TrainerCallback
    with pytest.raises(ImportError, match="EpochCallback"):
        from nlpreg.training.trainer import EpochCallback  # noqa: F401


@pytest.mark.parametrize("device", [-1, "cpu", torch.device("cpu")])
def test_the_cpu(device):
    assert resolve_device(device) == torch.device("cpu")


def test_the_first_gpu_is_the_default(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert resolve_device(None) == torch.device("cpu")


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigurationError, match="GPU"):
        resolve_device(3)


def test_a_list_of_devices():
    with pytest.raises(ConfigurationError, match=r"expected one device, got \[0, 1\].*`distributed`"):
        Trainer(cuda_device=[0, 1])


def test_a_temporary_folder_is_made():
    trainer = Trainer(cuda_device=-1)
    assert os.path.isdir(trainer._serialization_dir)
    os.rmdir(trainer._serialization_dir)


def test_the_folder_is_made(tmp_path):
    Trainer(tmp_path / "a" / "b", cuda_device=-1)
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot create the folder of the run"):
        Trainer(tmp_path / "file" / "x", cuda_device=-1)


def test_one_process_is_not_distributed(tmp_path):
    with pytest.raises(ConfigurationError, match="expected at least 2 processes, got world_size 1"):
        Trainer(tmp_path, -1, distributed=True)


def test_the_base_does_nothing(tmp_path):
    trainer = Trainer(tmp_path, -1)
    assert trainer.get_best_weights_path() is None
    for method in (trainer.train, trainer.get_checkpoint_state):
        with pytest.raises(NotImplementedError, match="Trainer does not"):
            method()
