import torch

from nlpreg.data.data_loaders import DataLoader
from nlpreg.training import Checkpointer, GradientDescentTrainer
from nlpreg.training.protocols import metrics_of, penalty_of


class Sum(torch.nn.Module):
    """Minimizes a sum, and knows nothing of nlpreg."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 1, bias=False)

    def forward(self, x):
        return {"loss": self.linear(x).sum()}


class Ones(DataLoader):
    """A loader as old code writes it: without a state."""

    def __len__(self):
        return 2

    def __iter__(self):
        for _ in range(2):
            yield {"x": torch.ones(1, 2)}

    def iter_instances(self):
        return iter(())

    def index_with(self, vocab):
        pass

    def set_target_device(self, device):
        pass


def test_a_plain_module_is_trained_and_validated(tmp_path):
    model = Sum()
    before = model.linear.weight.detach().clone()
    trainer = GradientDescentTrainer(
        model,
        torch.optim.SGD(model.parameters(), lr=0.5),
        Ones(),
        validation_data_loader=Ones(),
        num_epochs=3,
        serialization_dir=str(tmp_path),
        checkpointer=Checkpointer(str(tmp_path)),
    )
    metrics = trainer.train()
    assert torch.allclose(model.linear.weight, before - 3.0)
    assert metrics["best_epoch"] == 2 and metrics["validation_loss"] < metrics["training_loss"]


def test_what_a_plain_module_lacks():
    assert metrics_of(Sum(), reset=True) == {}
    assert penalty_of(Sum()) is None
