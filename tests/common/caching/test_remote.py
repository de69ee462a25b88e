import sys
from pathlib import Path

import pytest

from nlpreg.common.caching import cached_path
from nlpreg.common.caching import remote as remote_module
from nlpreg.common.caching.http import HttpSource
from nlpreg.common.caching.remote import FsspecSource, scheme_of, source_for


def test_scheme_of():
    assert scheme_of("HTTPS://host/x") == "https"
    assert scheme_of("C:\\data\\x") == ""
    assert scheme_of("a/b:c") == ""


def test_who_fetches_what():
    assert isinstance(source_for("https"), HttpSource)
    assert isinstance(source_for("s3"), FsspecSource)


def test_other_schemes_go_through_fsspec(tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    with memory.open("/bucket/f.txt", "wb") as file:
        file.write(b"one")
    monkeypatch.setattr(
        remote_module.FsspecSource, "_locate", lambda self, url: (memory, url.split(":/", 1)[1])
    )
    path = cached_path("s3://bucket/f.txt", tmp_path)
    assert Path(path).read_bytes() == b"one"
    assert cached_path("s3://bucket/f.txt", tmp_path) == path
    with pytest.raises(FileNotFoundError, match=r"absent|bucket"):
        cached_path("s3://bucket/absent.txt", tmp_path)


def test_a_storage_that_cannot_be_reached(tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    with memory.open("/bucket/known.txt", "wb") as file:
        file.write(b"one")
    monkeypatch.setattr(
        remote_module.FsspecSource, "_locate", lambda self, url: (memory, url.split(":/", 1)[1])
    )
    path = cached_path("hf://bucket/known.txt", tmp_path)

    def fail(path):
        raise RuntimeError("no network")

    monkeypatch.setattr(memory, "info", fail)
    assert cached_path("hf://bucket/known.txt", tmp_path) == path
    with pytest.raises(
        ConnectionError, match=r"hf://bucket/other\.txt: its storage cannot be reached \(no network\)"
    ):
        cached_path("hf://bucket/other.txt", tmp_path)


def test_a_broken_download_goes_on_in_the_next_call(tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    content = bytes(range(256)) * 1000
    with memory.open("/bucket/large.bin", "wb") as file:
        file.write(content)
    monkeypatch.setattr(
        remote_module.FsspecSource, "_locate", lambda self, url: (memory, "/bucket/large.bin")
    )
    monkeypatch.setattr(remote_module, "CHUNK_BYTES", 1000)
    places = []

    class Breaking:
        def __init__(self, file):
            self._file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self._file.close()

        def seek(self, place):
            places.append(place)
            self._file.seek(place)

        def read(self, size):
            if self._file.tell() - places[-1] >= 100_000:
                raise ConnectionResetError("broken")
            return self._file.read(size)

    open_whole = memory.open
    monkeypatch.setattr(memory, "open", lambda path, mode: Breaking(open_whole(path, mode)))
    for _ in range(2):
        with pytest.raises(ConnectionResetError, match="broken"):
            cached_path("hf://datasets/x/large.bin", tmp_path)
    assert Path(cached_path("hf://datasets/x/large.bin", tmp_path)).read_bytes() == content
    assert places == [0, 100_000, 200_000]
    partial = tmp_path / "too_long"
    partial.write_bytes(content + b"more")
    monkeypatch.setattr(memory, "open", open_whole)
    FsspecSource().download("hf://datasets/x/large.bin", str(partial), "version")
    assert partial.read_bytes() == content


def test_without_fsspec_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(ImportError, match=r"nlpreg\[remote\]"):
        cached_path("gs://bucket/f.txt", tmp_path)
