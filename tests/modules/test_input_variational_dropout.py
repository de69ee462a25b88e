import torch

from nlpreg.modules import InputVariationalDropout


def test_the_same_features_at_every_timestep() -> None:
    torch.manual_seed(0)
    x = torch.ones(4, 6, 50)
    result = InputVariationalDropout(0.5)(x)
    assert set(result.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(result, result[:, :1].expand_as(result))
    assert not torch.equal(result[0], result[1])


def test_evaluation_changes_nothing() -> None:
    x = torch.randn(2, 3, 4)
    assert torch.equal(InputVariationalDropout(0.9).eval()(x), x)


def test_in_place() -> None:
    x = torch.ones(2, 3, 40)
    assert InputVariationalDropout(0.5, inplace=True)(x) is None
    assert (x == 0).any()
