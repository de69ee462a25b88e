import errno
import itertools
import random
import sys
from pathlib import Path

import pytest

from nlpreg.common.caching import cached_path
from nlpreg.common.caching import remote as remote_module
from nlpreg.common.caching.remote import FsspecSource, HttpSource, scheme_of, source_for


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


CONTENT = random.Random(1).randbytes(300_000)


def download(server, path, version="right"):
    url = f"{server.url}/file"
    version = server.etag("/file") if version == "right" else version
    HttpSource().download(url, str(path), version)
    return path.read_bytes()


def test_version_is_the_etag(server):
    server.files["/file"] = CONTENT
    assert HttpSource().version(f"{server.url}/file") == server.etag("/file")
    server.etags = False
    assert HttpSource().version(f"{server.url}/file") is None
    server.head = False
    assert HttpSource().version(f"{server.url}/file") is None


def test_a_dropped_connection_goes_on_where_it_stopped(server, tmp_path):
    server.files["/file"] = CONTENT
    server.drop_after, server.drops_left = 70_000, 4
    assert download(server, tmp_path / "f") == CONTENT
    assert server.gets() == [None] + [f"bytes={n * 70_000}-" for n in (1, 2, 3, 4)]


def test_more_drops_than_tries_are_fine_as_long_as_bytes_come(server, tmp_path):
    server.files["/file"] = CONTENT
    server.drop_after, server.drops_left = 10_000, 20
    assert download(server, tmp_path / "f") == CONTENT


def test_a_file_that_changed_meanwhile_is_fetched_whole(server, tmp_path):
    server.files["/file"] = CONTENT
    path = tmp_path / "f"
    path.write_bytes(b"x" * 1000)
    assert download(server, path, version='"old"') == CONTENT


def test_servers_without_ranges_start_from_the_beginning(server, tmp_path):
    server.files["/file"] = CONTENT
    server.ranges = False
    server.drop_after, server.drops_left = 100_000, 2
    assert download(server, tmp_path / "f") == CONTENT


def test_it_ends_even_if_every_connection_breaks_at_another_place(server, tmp_path):
    server.files["/file"] = CONTENT
    server.ranges = False
    sizes, answer = itertools.cycle([100_000, 60_000, 90_000]), server.answer

    def breaking(request, body):
        server.drop_after = next(sizes)
        answer(request, body)

    server.answer = breaking
    with pytest.raises(ConnectionError, match="gave up after 6 attempts"):
        download(server, tmp_path / "f")
    assert len(server.gets()) == 6


def test_without_a_version_nothing_is_resumed(server, tmp_path):
    server.files["/file"] = CONTENT
    (tmp_path / "f").write_bytes(b"from another version")
    server.drop_after, server.drops_left = 100_000, 1
    assert download(server, tmp_path / "f", version=None) == CONTENT
    assert server.gets() == [None, None]


def test_what_is_whole_already_is_taken(server, tmp_path):
    server.files["/file"] = CONTENT
    (tmp_path / "f").write_bytes(CONTENT)
    assert download(server, tmp_path / "f") == CONTENT
    assert server.gets() == [f"bytes={len(CONTENT)}-"]


def test_more_than_whole_is_fetched_anew(server, tmp_path):
    server.files["/file"] = CONTENT
    (tmp_path / "f").write_bytes(CONTENT + b"more")
    assert download(server, tmp_path / "f") == CONTENT


def test_an_empty_file(server, tmp_path):
    server.files["/file"] = b""
    assert download(server, tmp_path / "f") == b""


def test_a_server_that_never_gives_a_byte_is_given_up(server, tmp_path):
    server.files["/file"] = CONTENT
    server.drop_after = 0
    with pytest.raises(ConnectionError, match="gave up after 6 attempts"):
        download(server, tmp_path / "f")
    assert len(server.gets()) == 6


def test_temporary_errors_are_tried_again_and_others_are_not(server, tmp_path):
    server.files["/file"] = CONTENT
    server.errors = [503, 429, 500]
    assert download(server, tmp_path / "f") == CONTENT
    server.errors = [403]
    with pytest.raises(ConnectionError, match="answered 403"):
        download(server, tmp_path / "g")
    with pytest.raises(FileNotFoundError, match="no such file"):
        HttpSource().version(f"{server.url}/absent")


def test_a_full_disk_is_no_fault_of_the_network(server, tmp_path, monkeypatch):
    server.files["/file"] = CONTENT

    def fail(self, url, file, version):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(HttpSource, "_fetch_rest", fail)
    with pytest.raises(OSError, match="No space left"):
        download(server, tmp_path / "f")


def test_nobody_there(tmp_path, server):
    url = server.url
    server.stop()
    with pytest.raises(ConnectionError, match="gave up"):
        HttpSource(tries=2, first_pause=0.001).version(f"{url}/file")
