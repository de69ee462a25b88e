import io
import os
import stat
import tarfile
import zipfile

import pytest

from nlpreg.common.caching import archives
from nlpreg.common.caching.archives import extract_archive, is_archive


def tar_of(path, *members, mode="w"):
    """A tar whose members are (name, content) or a TarInfo, with nothing checked."""
    with tarfile.open(path, mode) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_of_every_compression(tmp_path, out, mode):
    path = tar_of(tmp_path / "a", ("x/y.txt", "ü".encode()), ("empty", b""), mode=mode)
    assert is_archive(path)
    extract_archive(path, out)
    assert (out / "x" / "y.txt").read_text(encoding="utf-8") == "ü"
    assert (out / "empty").read_bytes() == b""


def test_members_that_begin_with_the_folder_itself(tmp_path, out):
    here = tarfile.TarInfo("./")
    here.type = tarfile.DIRTYPE
    extract_archive(tar_of(tmp_path / "a.tar", here, ("./x", b"1")), out)
    assert (out / "x").read_bytes() == b"1"


def test_links_inside_stay_links(tmp_path, out):
    path = tar_of(
        tmp_path / "a.tar",
        ("d/x", b"1"),
        link("d/soft", "x"),
        link("up", "d/../d/x"),
        link("hard", "d/x", tarfile.LNKTYPE),
    )
    extract_archive(path, out)
    assert os.readlink(out / "d" / "soft") == "x"
    assert (out / "up").read_bytes() == b"1"
    assert (out / "hard").read_bytes() == b"1"


@pytest.mark.parametrize(
    "members",
    [
        [("../evil", b"1")],
        [("a/../../evil", b"1")],
        [("/tmp/nlpreg-evil", b"1")],
        [link("soft", "../evil")],
        [link("soft", "/etc/passwd")],
        [link("d/soft", "../../evil")],
        [link("hard", "../evil", tarfile.LNKTYPE)],
        [link("soft", "."), link("soft/up", "../.."), ("soft/up/evil", b"1")],
        [link("..", "x")],
    ],
    ids=lambda members: "+".join(
        getattr(one, "name", one[0] if isinstance(one, tuple) else "") for one in members
    ),
)
def test_nothing_leaves_the_folder(tmp_path, out, members):
    path = tar_of(tmp_path / "a.tar", *members)
    with pytest.raises(ValueError, match="leads out of the folder"):
        extract_archive(path, out)
    assert not (tmp_path / "evil").exists()
    assert not os.path.exists("/tmp/nlpreg-evil")


def test_a_file_replaces_a_link_and_is_not_written_through_it(tmp_path, out):
    (out / "precious").write_text("precious")
    path = tar_of(tmp_path / "a.tar", link("x", "precious"), ("x", b"new"))
    extract_archive(path, out)
    assert (out / "precious").read_text() == "precious"
    assert (out / "x").read_bytes() == b"new"


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_devices_are_refused(tmp_path, out, kind):
    info = tarfile.TarInfo("pipe")
    info.type = kind
    with pytest.raises(ValueError, match="neither a file, a folder nor a link"):
        extract_archive(tar_of(tmp_path / "a.tar", info), out)


def test_permissions_are_plain(tmp_path, out):
    program, secret = tarfile.TarInfo("program"), tarfile.TarInfo("secret")
    program.mode, secret.mode = 0o6777, 0o000
    extract_archive(tar_of(tmp_path / "a.tar", program, secret), out)
    mode = stat.S_IMODE((out / "program").stat().st_mode)
    assert mode & 0o100
    assert not mode & 0o6000
    assert (out / "secret").read_bytes() == b""


def test_zip_members(tmp_path, out):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/y", "1")
        archive.writestr("z/", "")
    extract_archive(path, out)
    assert (out / "x" / "y").read_text() == "1"
    assert (out / "z").is_dir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../evil", "1")
    with pytest.raises(ValueError, match="leads out of the folder"):
        extract_archive(path, out)


def test_bombs_and_full_disks(tmp_path, out, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_HARMLESS_SIZE", 1000)
    path = tar_of(tmp_path / "a.tar.xz", ("zeros", bytes(3_000_000)), mode="w:xz")
    with pytest.raises(ValueError, match="decompression bomb"):
        extract_archive(path, out)
    path = tar_of(tmp_path / "b.tar", ("x", b"1" * 20_000))
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(archives, "LARGEST_RATIO", 10**6)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda folder: usage)
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", b"1" * 20_000)
    with pytest.raises(ValueError, match="has no room"):
        extract_archive(tmp_path / "c.zip", out)


@pytest.mark.parametrize("cut", [1, 30, 200, 900])
@pytest.mark.parametrize("kind", ["w:gz", "w:xz", "w:bz2", "w"])
def test_cut_off_archives(tmp_path, out, kind, cut):
    path = tar_of(tmp_path / "a", ("x", os.urandom(20_000)), mode=kind)
    path.write_bytes(path.read_bytes()[: -cut if kind != "w" else -cut - 11_000])
    with pytest.raises(ValueError, match=r"damaged or truncated|expected a zip or tar archive"):
        extract_archive(path, out)


def test_other_files_are_no_archives(tmp_path, out):
    path = tmp_path / "a.txt"
    path.write_text("text")
    assert not is_archive(path)
    assert not is_archive(tmp_path)
    with pytest.raises(ValueError, match="expected a zip or tar archive"):
        extract_archive(path, out)
