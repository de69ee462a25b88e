import os
import sqlite3
import subprocess
import sys

import pytest
import torch

from nlpreg.common.caching import TensorCache


def test_tensors_come_back_as_they_were(tmp_path):
    cache = TensorCache(tmp_path / "t")
    tensors = {
        "a": torch.randn(2, 3),
        "ü": torch.arange(4),
        "empty": torch.zeros(0),
        "bf": torch.ones(2).bfloat16(),
    }
    for name, tensor in tensors.items():
        cache[name] = tensor
    cache["a"] = tensors["a"] = torch.randn(5)[1:3]
    assert len(cache) == 4
    assert set(cache) == set(tensors)
    for name, tensor in tensors.items():
        assert name in cache
        assert torch.equal(cache[name], tensor)
        assert cache[name].dtype == tensor.dtype
    del cache["ü"]
    assert "ü" not in cache
    for act in (lambda: cache["ü"], lambda: cache.__delitem__("ü")):
        with pytest.raises(KeyError, match="ü"):
            act()
    cache.close()
    assert torch.equal(TensorCache(tmp_path / "t")["a"], tensors["a"])


def test_reading_only(tmp_path, monkeypatch, caplog):
    TensorCache(tmp_path / "t")["a"] = torch.ones(1)
    cache = TensorCache(tmp_path / "t", read_only=True)
    with pytest.raises(ValueError, match="for reading only"):
        cache["b"] = torch.ones(1)
    with pytest.raises(ValueError, match="for reading only"):
        del cache["a"]
    assert cache["a"].item() == 1
    monkeypatch.setattr(os, "access", lambda *args: False)
    assert TensorCache(tmp_path / "t").read_only
    assert "is not writable" in caplog.text


def test_a_forgotten_cache_is_closed(tmp_path):
    cache = TensorCache(tmp_path / "t")
    connection = cache._connect()
    del cache
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        connection.execute("SELECT 1")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a file, got a folder"):
        TensorCache(tmp_path)


def test_another_process_sees_what_was_written(tmp_path):
    cache = TensorCache(tmp_path / "t")
    cache["a"] = torch.tensor([3])
    program = (
        "import sys, torch\nfrom nlpreg.common.file_utils import TensorCache\n"
        "cache = TensorCache(sys.argv[1])\ncache['b'] = cache['a'] + 1"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "t")], check=True, timeout=120)
    assert cache["b"].tolist() == [4]
