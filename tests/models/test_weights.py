import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy
import pytest
import torch

from nlpreg.models.weights import ArchiveError, load_weights, read_weights


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def save(value: object, path: Path, **options: object) -> str:
    torch.save(value, path, **options)
    return str(path)


def test_state_dicts_are_read(tmp_path: Path) -> None:
    state = OrderedDict(w=torch.randn(3, 2), half=torch.zeros(2, dtype=torch.bfloat16), empty=torch.zeros(0))
    loaded = read_weights(save(state, tmp_path / "w.th"))
    assert list(loaded) == list(state)
    assert all(torch.equal(loaded[name], state[name]) for name in state)


def test_the_older_file_format_is_read(tmp_path: Path) -> None:
    path = save({"w": torch.ones(2)}, tmp_path / "w.th", _use_new_zipfile_serialization=False)
    assert torch.equal(read_weights(path)["w"], torch.ones(2))


@pytest.mark.parametrize("is_new_format", [True, False])
def test_code_is_refused_and_not_run(is_new_format: bool, tmp_path: Path) -> None:
    victim = tmp_path / "was_run"
    path = save({"w": Bomb(str(victim))}, tmp_path / "w.th", _use_new_zipfile_serialization=is_new_format)
    with pytest.raises(ArchiveError, match="refused, because the file is damaged or holds more than tensors"):
        read_weights(path)
    assert not victim.exists()


def test_a_bare_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    victim = tmp_path / "was_run"
    (tmp_path / "w.th").write_bytes(pickle.dumps(Bomb(str(victim))))
    with pytest.raises(ArchiveError, match="refused|cannot be read"):
        read_weights(str(tmp_path / "w.th"))
    assert not victim.exists()


def test_compressed_contents_are_refused(tmp_path: Path) -> None:
    path = save({"w": torch.zeros(100_000)}, tmp_path / "w.th")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "z.th", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(ArchiveError, match="compressed, which torch.save never does"):
        read_weights(str(tmp_path / "z.th"))


@pytest.mark.parametrize(
    "value",
    [[torch.zeros(1)], torch.zeros(1), {"w": 1}, {1: torch.zeros(1)}, {"w": {"x": torch.zeros(1)}}],
    ids=["list", "tensor", "number", "number as name", "nested"],
)
def test_other_values_are_refused(value: object, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="expected a dictionary of tensors"):
        read_weights(save(value, tmp_path / "w.th"))


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="refused|expected a dictionary"):
        read_weights(save({"w": numpy.array([object()])}, tmp_path / "w.th"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95, 0.999])
def test_truncated_files_are_noticed(share: float, tmp_path: Path) -> None:
    path = Path(save({"w": torch.randn(1000), "v": torch.randn(100)}, tmp_path / "w.th"))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ArchiveError, match="damaged"):
        read_weights(str(path))


def test_a_zip_file_on_several_disks_is_refused(tmp_path: Path) -> None:
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 2)
    (tmp_path / "w.th").write_bytes(b"x" * 60 + locator + b"PK\5\6" + bytes(18))
    with pytest.raises(ArchiveError, match="damaged or truncated"):
        read_weights(str(tmp_path / "w.th"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"nothing\.th: there is no such weights file"):
        read_weights(str(tmp_path / "nothing.th"))


class Net(torch.nn.Module):
    def __init__(self, width: int = 2, **more: torch.nn.Module) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, width)
        for name, module in more.items():
            setattr(self, name, module)


def test_all_weights_are_loaded(tmp_path: Path) -> None:
    first, second = Net(), Net()
    load_weights(second, save(first.state_dict(), tmp_path / "w.th"))
    assert torch.equal(first.linear.weight, second.linear.weight)


def test_names_that_differ_are_listed(tmp_path: Path) -> None:
    path = save(Net(extra=torch.nn.Linear(1, 1)).state_dict(), tmp_path / "w.th")
    with pytest.raises(ArchiveError, match=r"the model has no extra\.weight, extra\.bias"):
        load_weights(Net(), path)
    path = save(Net().state_dict(), tmp_path / "w.th")
    with pytest.raises(ArchiveError, match=r"the file lacks more\.weight"):
        load_weights(Net(more=torch.nn.Linear(1, 1)), path)


def test_shapes_that_differ_are_listed(tmp_path: Path) -> None:
    path = save(Net(4).state_dict(), tmp_path / "w.th")
    with pytest.raises(
        ArchiveError, match=r"linear\.weight is \(4, 3\) in the file and \(2, 3\) in the model"
    ):
        load_weights(Net(2), path)


def test_authorized_missing_keys_are_forgiven(tmp_path: Path) -> None:
    class Positions(torch.nn.Module):
        authorized_missing_keys = (r"position_ids$",)

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("position_ids", torch.arange(3))
            self.register_buffer("other", torch.arange(3))

    net = Net(positions=Positions())
    state = net.state_dict()
    del state["positions.position_ids"]
    load_weights(net, save(state, tmp_path / "w.th"))
    del state["positions.other"]
    with pytest.raises(ArchiveError, match=r"the file lacks positions\.other"):
        load_weights(net, save(state, tmp_path / "w.th"))
