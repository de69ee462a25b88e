import pytest

from nlpreg.common.caching import LocalCacheResource, inspect_cache


def test_written_once_then_read(tmp_path, capsys):
    with LocalCacheResource("counts of x", "v1", str(tmp_path)) as resource:
        assert not resource.cached()
        with pytest.raises(ValueError, match="cannot be read"), resource.reader():
            pass
        with resource.writer() as file:
            file.write("ü")
    with LocalCacheResource("counts of x", "v1", str(tmp_path)) as resource:
        assert resource.cached()
        with resource.reader() as file:
            assert file.read() == "ü"
        with pytest.raises(ValueError, match="cannot be written"), resource.writer():
            pass
    assert not LocalCacheResource("counts of x", "v2", str(tmp_path)).cached()
    inspect_cache(cache_dir=tmp_path)
    assert "counts of x" in capsys.readouterr().out


def test_an_error_while_writing_leaves_nothing(tmp_path):
    resource = LocalCacheResource("r", "1", str(tmp_path))
    with pytest.raises(RuntimeError, match="stop"), resource, resource.writer("wb") as file:
        file.write(b"half")
        raise RuntimeError("stop")
    assert not resource.cached()
