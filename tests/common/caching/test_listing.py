import zipfile

import pytest

from nlpreg.common.caching import LocalCacheResource, cached_path, inspect_cache, remove_cache_entries


def test_listing_and_clearing(server, tmp_path, capsys):
    cache = tmp_path / "cache"
    server.files |= {"/a.txt": b"x" * 2048, "/b.txt": b"y"}
    urls = [f"{server.url}/{name}.txt" for name in "ab"]
    for url in urls:
        cached_path(url, cache)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("inner", "123")
    cached_path(tmp_path / "c.zip", cache, extract_archive=True)

    inspect_cache(cache_dir=cache)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "c.zip" in lines[0]
    assert "unpacked" in lines[0]
    assert "2.0K" in lines[2]
    assert lines[-1].strip().startswith("2.0K  in 3 entries")

    inspect_cache(["*b.txt"], cache)
    assert "in 1 entries" in capsys.readouterr().out

    assert remove_cache_entries(["*/a.txt", "*.zip"], cache) == 2048 + 3
    assert remove_cache_entries(["*/a.txt"], cache) == 0
    inspect_cache(cache_dir=cache)
    assert urls[1] in capsys.readouterr().out
    assert remove_cache_entries(["*"], cache) == 1
    assert list(cache.iterdir()) == []


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
