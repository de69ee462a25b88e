import io
import tarfile
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nlpreg.common.checks import ConfigurationError
from nlpreg.nn import util
from nlpreg.nn.util.state_dicts import read_archived_state_dict


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.save(
        {"model.a": torch.ones(1), "model.b": torch.zeros(2), "other": torch.ones(3)}, tmp_path / "w.th"
    )
    return tmp_path / "w.th"


def test_reading(saved: Path) -> None:
    assert set(util.read_state_dict(saved)) == {"model.a", "model.b", "other"}


def test_prefix_and_patterns(saved: Path) -> None:
    state = util.read_state_dict(saved, strip_prefix="model.", ignore=["oth", r"model\.b$"])
    assert set(state) == {"a"}


def test_patterns_match_from_the_start_only(saved: Path) -> None:
    with pytest.raises(ValueError, match="no key"):
        util.read_state_dict(saved, ignore=["ther"])
    assert len(util.read_state_dict(saved, ignore=["ther"], strict=False)) == 3


def test_unused_prefix(saved: Path) -> None:
    with pytest.raises(ValueError, match="begins with 'bert'"):
        util.read_state_dict(saved, strip_prefix="bert")
    assert len(util.read_state_dict(saved, strip_prefix="bert", strict=False)) == 3


def test_empty_key_and_wrong_patterns(saved: Path) -> None:
    with pytest.raises(ValueError, match="prefix 'other' alone"):
        util.read_state_dict(saved, strip_prefix="other")
    with pytest.raises(ValueError, match="must be a list"):
        util.read_state_dict(saved, ignore="other")


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    torch.save({"a": torch.nn.Linear(1, 1)}, tmp_path / "object.th")
    with pytest.raises(Exception, match="Weights only load failed"):
        util.read_state_dict(tmp_path / "object.th")


def test_weights_in_an_archive(tmp_path: Path, saved: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(saved, arcname="weights.th")
    assert set(read_archived_state_dict(archive)) == set(read_archived_state_dict(saved))


def test_archive_without_weights(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "empty.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("config.json"), io.BytesIO())
    with pytest.raises(ConfigurationError, match=r"no member weights\.th"):
        read_archived_state_dict(tmp_path / "empty.tar")


def test_incompatible_keys() -> None:
    module = torch.nn.Linear(1, 1)
    util._check_incompatible_keys(module, ["a"], ["b"], strict=False)
    util._check_incompatible_keys(module, [], [], strict=True)
    with pytest.raises(RuntimeError, match=r"Unexpected key\(s\).*'b'.*Missing key\(s\).*'a'"):
        util._check_incompatible_keys(module, ["a"], ["b"], strict=True)
    assert "All keys matched" in repr(util._IncompatibleKeys([], []))
    assert "missing=['a']" in repr(util._IncompatibleKeys(["a"], []))


def test_loading_with_a_prefix_in_one_process() -> None:
    module = torch.nn.Linear(2, 1)
    state: dict[str, Tensor] = {
        f"x.{name}": torch.ones_like(value) for name, value in module.state_dict().items()
    }
    found = util.load_state_dict_distributed(module, {**state, "y": torch.ones(1)}, prefix="x.")
    assert found == ([], [])
    assert module.weight.tolist() == [[1.0, 1.0]]
    with pytest.raises(RuntimeError, match="bias"):
        util.load_state_dict_distributed(module, {"weight": torch.ones(1, 2)})
    with pytest.raises(ValueError, match="is needed"):
        util.load_state_dict_distributed(module, None)
