import torch
from torch import nn

from nlpreg.training.metrics import Average
from nlpreg.training.state import ModelMemory


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self._states = None


class OwnState(nn.Module):
    def __init__(self):
        super().__init__()
        self.count = 0

    def carried_state_dict(self):
        return {"count": self.count}

    def load_carried_state_dict(self, state_dict):
        self.count = state_dict["count"]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.own, self.metrics = Encoder(), OwnState(), {"loss": Average()}


def test_metrics_and_hidden_states_come_back(tmp_path):
    model = Model()
    empty = ModelMemory.of(model)
    model.metrics["loss"](2.0)
    model.encoder._states = (torch.ones(1, 2, 3), torch.zeros(1, 2, 3))
    model.own.count = 7
    memory = ModelMemory.of(model)
    torch.save(memory.state_dict(), tmp_path / "memory.th")
    model.metrics["loss"](100.0)
    model.encoder._states[0].fill_(9.0)
    model.own.count = 8

    ModelMemory(**torch.load(tmp_path / "memory.th", weights_only=True)).put_back(model)
    assert model.metrics["loss"].get_metric() == 2.0
    assert model.encoder._states[0].unique().tolist() == [1.0]
    assert model.own.count == 7

    empty.put_back(model)
    assert model.encoder._states is None
    assert model.metrics["loss"].get_metric() == 0.0


def test_a_model_may_have_a_way_of_its_own():
    class Counting(Model):
        seen = 3

        def metrics_state_dict(self):
            return {"seen": self.seen}

        def load_metrics_state_dict(self, state):
            self.seen = state["seen"]

    model = Counting()
    memory = ModelMemory.of(model)
    model.seen = 5
    memory.put_back(model)
    assert model.seen == 3
