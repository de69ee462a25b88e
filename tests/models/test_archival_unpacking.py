import bz2
import contextlib
import gzip
import io
import lzma
import os
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nlpreg.models import archival
from nlpreg.models.archival import pack, unpack
from nlpreg.models.weights import ArchiveError

Members = list[tuple[tarfile.TarInfo, bytes]]


def file(name: str, content: bytes = b"x", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info, b""


def write(path: Path, members: Members, mode: str = "w:gz") -> str:
    with tarfile.open(path, mode) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return str(path)


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside" / "inside"
    folder.mkdir(parents=True)
    return folder


def all_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_round_trip(tmp_path: Path, inside: Path) -> None:
    (tmp_path / "a").write_bytes(b"1" * 3000)
    (tmp_path / "b").write_bytes(b"")
    pack(str(tmp_path / "x.tar.gz"), [(str(tmp_path / "b"), "folder/empty"), (str(tmp_path / "a"), "ä.txt")])
    unpack(str(tmp_path / "x.tar.gz"), str(inside))
    assert all_files(inside) == {"folder/empty", "ä.txt"}
    assert (inside / "ä.txt").read_bytes() == b"1" * 3000


def test_equal_contents_give_an_equal_file(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "weights").write_bytes(bytes(range(256)) * 50)
        (folder / "config").write_text("{}")
    os.utime(second / "weights", (1, 1))
    (second / "config").chmod(0o600)
    names = ["config", "weights"]
    pack(str(tmp_path / "1.tar.gz"), [(str(first / name), name) for name in names])
    pack(str(tmp_path / "2.tar.gz"), [(str(second / name), name) for name in reversed(names)])
    assert (tmp_path / "1.tar.gz").read_bytes() == (tmp_path / "2.tar.gz").read_bytes()


def test_archives_of_plain_tar_are_read(tmp_path: Path, inside: Path) -> None:
    archive = write(
        tmp_path / "x.tar",
        [special(".", tarfile.DIRTYPE), special("./v", tarfile.DIRTYPE), file("./v/a"), file("b")],
        "w",
    )
    unpack(archive, str(inside))
    assert all_files(inside) == {"v/a", "b"}


HOSTILE: dict[str, tuple[Members, str]] = {
    "up": ([file("../evil")], "leads out"),
    "up inside": ([file("vocabulary/../../evil")], "leads out"),
    "up and down": ([file("a/../b")], "leads out"),
    "absolute": ([file("/tmp/nlpreg-evil")], "leads out"),
    "windows path": ([file("..\\evil")], "leads out"),
    "drive": ([file("C:\\evil")], "leads out"),
    "folder up": ([special("../evil", tarfile.DIRTYPE)], "leads out"),
    "symbolic link": ([special("link", tarfile.SYMTYPE, "/etc/passwd")], "is a link"),
    "link to a folder": ([special("link", tarfile.SYMTYPE, ".."), file("link/evil")], "is a link"),
    "harmless link": ([file("a"), special("b", tarfile.SYMTYPE, "a")], "is a link"),
    "hard link": ([special("link", tarfile.LNKTYPE, "/etc/passwd")], "is a link"),
    "device": ([special("null", tarfile.CHRTYPE)], "a device"),
    "block device": ([special("disk", tarfile.BLKTYPE)], "a device"),
    "pipe": ([special("pipe", tarfile.FIFOTYPE)], "a device"),
    "twice": ([file("config.json", b"{}"), file("config.json", b"[]")], "is in it twice"),
    "twice, spelt differently": ([file("a/b"), file("./a//b")], "is in it twice"),
    "file as folder": ([file("a"), file("a/b")], "both a file and a folder"),
    "folder as file": ([file("a/b"), file("a")], "both a file and a folder"),
    "long name": ([file("n" * 300)], "characters"),
    "deep name": ([file("/".join(["d"] * 2000))], "characters"),
    "long in bytes": ([file("/".join(["é" * 100] * 20))], "characters"),
    "too many folders": ([file("/".join("d" * 200))], "characters"),
    "unknown kind": ([special("x", b"Z")], "another special file"),
    "sparse": ([special("x", tarfile.GNUTYPE_SPARSE)], "another special file"),
    "another path in an extra header": ([file("a", pax_headers={"path": "../evil"})], "leads out"),
    "no name": ([file("")], "has no name"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_members_are_refused(case: str, tmp_path: Path, inside: Path) -> None:
    members, message = HOSTILE[case]
    archive = write(tmp_path / "x.tar.gz", [file("before"), *members])
    with pytest.raises(ArchiveError, match=message) as error:
        unpack(archive, str(inside))
    assert archive in str(error.value)
    assert all_files(tmp_path / "outside") <= {
        "inside/before",
        "inside/config.json",
        "inside/a",
        "inside/a/b",
    }
    assert not os.path.exists("/tmp/nlpreg-evil")


def test_a_bomb_is_stopped(tmp_path: Path, inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archival, "HARMLESS_BYTES", 2**20)
    archive = write(tmp_path / "bomb.tar.gz", [file("zeros", b"\0" * 2**25)])
    assert os.path.getsize(archive) < 2**16
    with pytest.raises(ArchiveError, match="out of proportion"):
        unpack(archive, str(inside))
    assert sum(path.stat().st_size for path in inside.rglob("*") if path.is_file()) < 2**23


def test_many_small_members_are_stopped(
    tmp_path: Path, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archival, "MAX_MEMBERS", 10)
    archive = write(tmp_path / "many.tar.gz", [file(str(number)) for number in range(20)])
    with pytest.raises(ArchiveError, match="more than 10 members"):
        unpack(archive, str(inside))


def test_a_header_that_claims_too_much_is_refused(tmp_path: Path, inside: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type = tarfile.XHDTYPE  # tar reads the whole of such a header into memory
    info.size = 2**33
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024))
    with pytest.raises(ArchiveError, match="claims"):
        unpack(str(tmp_path / "x.tar.gz"), str(inside))


def test_a_size_larger_than_the_file_is_refused(tmp_path: Path, inside: Path) -> None:
    info = tarfile.TarInfo("weights.th")
    info.size = 10**6
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(info.tobuf() + b"\0" * 1024))
    with pytest.raises(ArchiveError, match="truncated|damaged"):
        unpack(str(tmp_path / "x.tar.gz"), str(inside))


def good_archive(tmp_path: Path) -> bytes:
    content = random.Random(0).randbytes(20_000)
    write(tmp_path / "good.tar.gz", [file("weights.th", content), file("vocabulary/labels.txt", b"a\nb\n")])
    return (tmp_path / "good.tar.gz").read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.9, 0.999, -1])
def test_every_truncation_is_noticed(share: float, tmp_path: Path, inside: Path) -> None:
    data = good_archive(tmp_path)
    end = -1 if share < 0 else int(len(data) * share)
    (tmp_path / "cut.tar.gz").write_bytes(data[:end])
    with pytest.raises(ArchiveError, match="damaged, truncated|truncated"):
        unpack(str(tmp_path / "cut.tar.gz"), str(inside))


def test_what_follows_the_archive(tmp_path: Path, inside: Path) -> None:
    good = good_archive(tmp_path)
    evil = Path(write(tmp_path / "evil.tar.gz", [file("../evil")])).read_bytes()
    archive = tmp_path / "x.tar.gz"
    # bytes that are no gzip; padding of tapes; a second archive that nobody reads
    for number, more in enumerate((b"garbage", b"\0" * 5000, evil)):
        archive.write_bytes(good + more)
        (inside / str(number)).mkdir()
        unpack(str(archive), str(inside / str(number)))
        assert all_files(inside / str(number)) == {"weights.th", "vocabulary/labels.txt"}
    assert not any("evil" in name for name in all_files(tmp_path / "outside"))


def test_a_sparse_file_of_any_size_is_refused(tmp_path: Path, inside: Path) -> None:
    names = ("major", "minor", "name", "realsize")
    headers = dict(zip((f"GNU.sparse.{name}" for name in names), ("1", "0", "x", str(10**15)), strict=True))
    archive = write(tmp_path / "x.tar.gz", [file("x", b"1\n0\n512\n".ljust(512, b"\0"), pax_headers=headers)])
    with pytest.raises(ArchiveError, match="another special file"):
        unpack(archive, str(inside))


def as_zip(data: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("config.json", data)
    return target.getvalue()


@pytest.mark.parametrize("convert", [as_zip, bz2.compress, lzma.compress, gzip.compress])
def test_other_ways_of_packing_are_refused(
    convert: Callable[[bytes], bytes], tmp_path: Path, inside: Path
) -> None:
    (tmp_path / "x.tar.gz").write_bytes(convert(good_archive(tmp_path)))
    with pytest.raises(ArchiveError, match="not a tar archive"):
        unpack(str(tmp_path / "x.tar.gz"), str(inside))


def test_names_in_other_letters_are_other_files(tmp_path: Path, inside: Path) -> None:
    names = [
        "config.json",
        "c\u043enfig.json",
        "CONFIG.JSON",
        "a\n\x1b[31mb",
        "x\udcff",
        "cafe\u0301",
        "caf\u00e9",
    ]
    unpack(write(tmp_path / "x.tar.gz", [file(name) for name in names]), str(inside))
    assert len(all_files(inside)) in range(5, len(names) + 1)  # some file systems fold letters


@pytest.mark.parametrize("content", [b"hello", b"\x1f\x8bgarbage", b"PK\x03\x04zip"])
def test_other_files_are_no_archives(content: bytes, tmp_path: Path, inside: Path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(content)
    with pytest.raises(ArchiveError, match="not a tar archive"):
        unpack(str(tmp_path / "x.tar.gz"), str(inside))


def damage_bytes(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def drop_bytes(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randint(1, 600) :]


@pytest.mark.parametrize("is_compressed", [True, False])
@pytest.mark.parametrize("damage", [damage_bytes, drop_bytes])
def test_fuzzed_archives_never_write_outside(
    damage: Callable[[bytes, random.Random], bytes], is_compressed: bool, tmp_path: Path
) -> None:
    good = good_archive(tmp_path)
    plain = gzip.decompress(good)
    rng = random.Random(17)
    for number in range(60):
        data = damage(good, rng) if is_compressed else gzip.compress(damage(plain, rng), 1)
        archive = tmp_path / "fuzzed.tar.gz"
        archive.write_bytes(data)
        folder = tmp_path / "fuzz" / str(number) / "inside"
        folder.mkdir(parents=True)
        with contextlib.suppress(ArchiveError):  # and no other exception
            unpack(str(archive), str(folder))
        assert all(Path(name).parts[0] == "inside" for name in all_files(folder.parent))
