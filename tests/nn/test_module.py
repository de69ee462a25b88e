import pytest
import torch

from nlpreg.nn import Module


class Lenient(Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(2, 1)

    def _post_load_state_dict(
        self, missing_keys: list[str], unexpected_keys: list[str]
    ) -> tuple[list[str], list[str]]:
        return [key for key in missing_keys if "bias" not in key], unexpected_keys


def test_a_module_says_which_keys_may_be_missing() -> None:
    module = Lenient()
    found = module.load_state_dict({"linear.weight": torch.ones(1, 2)})
    assert found.missing_keys == []
    assert module.linear.weight.tolist() == [[1.0, 1.0]]
    with pytest.raises(RuntimeError, match=r"Missing key\(s\).*linear\.weight"):
        module.load_state_dict({"linear.bias": torch.ones(1)})


def test_unexpected_keys() -> None:
    module = Lenient()
    weights = {**module.state_dict(), "x": torch.ones(1)}
    with pytest.raises(RuntimeError, match=r"Unexpected key\(s\).*'x'"):
        module.load_state_dict(weights)
    assert module.load_state_dict(weights, strict=False).unexpected_keys == ["x"]


def test_distributed_loading_in_one_process() -> None:
    module = Lenient()
    found = module.load_state_dict_distributed({"linear.weight": torch.zeros(1, 2)})
    assert found == ([], [])
    assert not module.linear.weight.any()
