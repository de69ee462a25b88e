import os

import torch

from nlpreg.common import Params
from nlpreg.training import NoOpTrainer, Trainer
from nlpreg.training.checkpointer import Checkpointer


class FakeVocabulary:
    def save_to_files(self, directory):
        os.makedirs(directory)


def test_a_model_is_saved_as_it_is(tiny_model, tmp_path):
    model = tiny_model()
    model.vocab = FakeVocabulary()
    trainer = Trainer.from_params(
        Params({"type": "no_op"}), serialization_dir=str(tmp_path), model=model, data_loader=None
    )
    assert isinstance(trainer, NoOpTrainer)
    assert trainer.get_best_weights_path() is None
    assert trainer.train() == {}
    assert {path.name for path in tmp_path.iterdir()} >= {
        "vocabulary",
        "model_state_e0_b0.th",
        "training_state_e0_b0.th",
        "best.th",
    }
    assert trainer.get_best_weights_path() == str(tmp_path / "best.th")
    best = torch.load(tmp_path / "best.th", weights_only=True)
    assert all(torch.equal(best[name], value) for name, value in model.state_dict().items())
    assert Checkpointer(tmp_path).load_checkpoint().trainer_state == {}
