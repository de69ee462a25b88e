"""The function that loads archives, left by whoever has one."""

import pytest

from nlpreg.modules import archive_loading


def test_the_loader_is_called(monkeypatch):
    monkeypatch.setattr(archive_loading, "_loader", None)
    with pytest.raises(
        RuntimeError, match=r"x.tar.gz: loading an archive needs nlpreg.models; import it first"
    ):
        archive_loading.load_archive("x.tar.gz", {})
    archive_loading.set_archive_loader(lambda file, overrides: (file, overrides))
    assert archive_loading.load_archive("x.tar.gz", {"a.b": 1}) == ("x.tar.gz", {"a.b": 1})
