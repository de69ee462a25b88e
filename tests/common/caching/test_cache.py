import hashlib
import json
import os
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nlpreg.common.caching import (
    CacheEntry,
    LocalCacheResource,
    cached_path,
    filename_to_url,
    inspect_cache,
    is_url_or_existing_file,
    remove_cache_entries,
)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_local_paths_stay_what_they_are(tmp_path, cache, monkeypatch):
    path = tmp_path / "ä b.txt"
    path.write_text("x")
    assert cached_path(path, cache) == str(path)
    assert cached_path(tmp_path, cache) == str(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cached_path("~/ä b.txt", cache) == str(path)
    assert cached_path(path, cache, extract_archive=True) == str(path)


def test_what_is_not_there(tmp_path, cache):
    with pytest.raises(FileNotFoundError, match=r"absent\.txt: no such file"):
        cached_path(tmp_path / "absent.txt", cache)
    with pytest.raises(ValueError, match="unknown kind of URL"):
        cached_path("ftp://host/file", cache)


def test_a_url_is_downloaded_once(server, cache):
    server.files["/f"] = b"one"
    url = f"{server.url}/f"
    path = cached_path(url, cache)
    assert Path(path).read_bytes() == b"one"
    assert cached_path(url, cache) == path
    assert len(server.gets()) == 1
    assert os.path.basename(path) == f"{sha256(url.encode())}.{sha256(server.etag('/f').encode())}"
    assert os.path.exists(path + ".lock")
    assert filename_to_url(os.path.basename(path), cache) == (url, server.etag("/f"))
    assert json.loads(Path(path + ".json").read_text())["sha256"] == sha256(b"one")


def test_a_changed_etag_is_another_download(server, cache):
    server.files["/f"] = b"one"
    first = cached_path(f"{server.url}/f", cache)
    server.files["/f"] = b"two"
    second = cached_path(f"{server.url}/f", cache)
    assert first != second
    assert Path(second).read_bytes() == b"two"


def test_an_interrupted_download_goes_on_in_the_next_call(server, cache, monkeypatch):
    content = os.urandom(50_000)
    server.files["/f"] = content
    path = cache / f"{sha256(f'{server.url}/f'.encode())}.{sha256(server.etag('/f').encode())}"
    cache.mkdir()
    Path(f"{path}.partial").write_bytes(content[:20_000])
    assert Path(cached_path(f"{server.url}/f", cache)).read_bytes() == content
    assert server.gets() == ["bytes=20000-"]
    assert not os.path.exists(f"{path}.partial")


def test_a_download_that_lost_bytes_on_disk_is_made_again(server, cache):
    server.files["/f"] = b"content"
    path = Path(cached_path(f"{server.url}/f", cache))
    path.write_bytes(b"cont")
    assert Path(cached_path(f"{server.url}/f", cache)).read_bytes() == b"content"


def test_offline_the_newest_download_is_used(server, cache, caplog):
    server.files["/f"] = b"one"
    first = cached_path(f"{server.url}/f", cache)
    server.files["/f"] = b"two"
    second = cached_path(f"{server.url}/f", cache)
    os.utime(first, (1, 1))
    url = server.url
    server.stop()
    assert cached_path(f"{url}/f", cache) == second
    assert "cannot be reached" in caplog.text
    with pytest.raises(ConnectionError, match="gave up"):
        cached_path(f"{url}/other", cache)


def test_404_is_a_missing_file(server, cache):
    with pytest.raises(FileNotFoundError, match="/absent"):
        cached_path(f"{server.url}/absent", cache)


def test_checksums(server, cache):
    server.files["/f"] = b"content"
    url = f"{server.url}/f"
    with pytest.raises(ValueError, match=f"expected the sha256 {'0' * 64}, got {sha256(b'content')}"):
        cached_path(f"{url}#sha256={'0' * 64}", cache)
    assert not [path for path in cache.iterdir() if path.suffix != ".lock"]
    good = cached_path(f"{url}#sha256={sha256(b'content').upper()}", cache)
    assert cached_path(url, cache) == good
    with pytest.raises(ValueError, match="does not have the requested sha256"):
        cached_path(f"{url}#sha256={'1' * 64}", cache)


def test_many_threads_download_once(server, cache):
    server.files["/f"] = os.urandom(200_000)
    with ThreadPoolExecutor(6) as pool:
        paths = set(pool.map(lambda _: cached_path(f"{server.url}/f", cache), range(12), timeout=60))
    assert len(paths) == 1
    assert Path(paths.pop()).read_bytes() == server.files["/f"]
    assert len(server.gets()) == 1


def make_zip(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/"), text)
    return path


def make_tar(path, **members):
    with tarfile.open(path, "w:gz") as archive:
        for name, text in members.items():
            file = path.parent / "member.tmp"
            file.write_text(text, encoding="utf-8")
            archive.add(file, arcname=name.replace("__", "/"))
    return path


@pytest.mark.parametrize(("make", "name"), [(make_zip, "a.zip"), (make_tar, "a.tar.gz")])
def test_archives_are_unpacked_once_and_again_when_they_change(tmp_path, cache, make, name):
    path = make(tmp_path / name, inner__x="1", y="ü")
    folder = cached_path(path, cache, extract_archive=True)
    assert folder.endswith("-extracted")
    assert (Path(folder) / "inner" / "x").read_text() == "1"
    assert (Path(folder) / "y").read_text(encoding="utf-8") == "ü"
    marker = Path(folder) / "marker"
    marker.write_text("")
    assert cached_path(path, cache, extract_archive=True) == folder
    assert marker.exists()
    assert cached_path(path, cache, extract_archive=True, force_extract=True) == folder
    assert not marker.exists()
    make(path, y="2")
    os.utime(path, (5, 5))
    assert (Path(cached_path(path, cache, extract_archive=True)) / "y").read_text() == "2"
    assert not list(cache.glob("*.tmp"))


def test_members_of_archives(tmp_path, cache):
    path = make_zip(tmp_path / "a.zip", inner__x="1")
    assert Path(cached_path(f"{path}!inner/x", cache, extract_archive=True)).read_text() == "1"
    assert os.path.isdir(cached_path(f"{path}!inner", cache, extract_archive=True))
    with pytest.raises(FileNotFoundError, match="no such member"):
        cached_path(f"{path}!inner/z", cache, extract_archive=True)
    with pytest.raises(FileNotFoundError, match="no such file"):
        cached_path(f"{path}!inner/x", cache)
    plain = tmp_path / "plain.txt"
    plain.write_text("no archive")
    for left in (plain, tmp_path):
        with pytest.raises(ValueError, match="expected a zip or tar archive before the '!'"):
            cached_path(f"{left}!x", cache, extract_archive=True)


def test_a_name_with_an_exclamation_mark_is_a_name(tmp_path, cache):
    path = tmp_path / "wow!.txt"
    path.write_text("x")
    assert cached_path(path, cache, extract_archive=True) == str(path)


def test_remote_archives(server, tmp_path, cache):
    server.files["/a.zip"] = make_zip(tmp_path / "a.zip", inner__x="1").read_bytes()
    url = f"{server.url}/a.zip"
    folder = cached_path(url, cache, extract_archive=True)
    assert folder == cached_path(url, cache) + "-extracted"
    assert Path(cached_path(f"{url}!inner/x", cache, extract_archive=True)).read_text() == "1"
    assert len(server.gets()) == 1
    assert CacheEntry.from_path(folder + ".json").extraction_dir


def test_a_broken_archive_leaves_nothing_behind(tmp_path, cache):
    path = make_tar(tmp_path / "a.tar.gz", x="1" * 10_000)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="damaged or truncated"):
        cached_path(path, cache, extract_archive=True)
    assert [file.suffix for file in cache.iterdir()] == [".lock"]


def test_is_url_or_existing_file(tmp_path):
    assert is_url_or_existing_file(tmp_path)
    assert is_url_or_existing_file("https://host/x")
    assert is_url_or_existing_file("s3://bucket/x")
    assert not is_url_or_existing_file(tmp_path / "absent")
    assert not is_url_or_existing_file("ftp://host/x")
    assert not is_url_or_existing_file(None)


def test_filename_to_url_of_nothing(cache):
    with pytest.raises(FileNotFoundError, match="no such file in the cache"):
        filename_to_url("absent", cache)


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
