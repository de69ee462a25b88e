import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.modules import Maxout


def test_values() -> None:
    maxout = Maxout.from_params(
        Params({"input_dim": 3, "num_layers": 2, "output_dims": [4, 2], "pool_sizes": [2, 3], "dropout": 0.0})
    )
    x = torch.randn(5, 6, 3)
    first, second = maxout._linear_layers
    hidden = first(x).view(5, 6, 4, 2).max(-1).values
    torch.testing.assert_close(maxout(x), second(hidden).view(5, 6, 2, 3).max(-1).values)
    assert (maxout.get_input_dim(), maxout.get_output_dim()) == (3, 2)
    assert "_linear_layers.1.weight" in maxout.state_dict()


@pytest.mark.parametrize("name", ["output_dims", "pool_sizes", "dropout"])
def test_lists_of_the_wrong_length(name: str) -> None:
    options = {"output_dims": 2, "pool_sizes": 3, "dropout": 0.1, name: [1]}
    with pytest.raises(ConfigurationError, match=f"{name} has 1 entries for 2 layers"):
        Maxout(3, 2, **options)
