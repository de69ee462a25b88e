from nlpreg.data import cache_keys
from nlpreg.data.cache_keys import cache_is_off, key_of_data
from nlpreg.data.dataset_readers import SequenceTaggingDatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import find_files
from nlpreg.data.token_indexers import SingleIdTokenIndexer


def test_files_reader_code_and_the_rest_count(tmp_path, monkeypatch):
    for name in ("a.txt", "b.txt", "a.gz"):
        (tmp_path / name).write_text("a###X\n")
    (tmp_path / "c.txt").write_text("a###Y\n")

    def key(name="a.txt", reader=None, *more):
        return key_of_data(reader or SequenceTaggingDatasetReader(), find_files(str(tmp_path / name)), *more)

    first = key()
    assert key("b.txt") == first
    indexed = SequenceTaggingDatasetReader(
        token_indexers={"x": SingleIdTokenIndexer()}, serialization_dir="s"
    )
    assert key(reader=indexed) == first
    others = [key("c.txt"), key("a.gz"), key("a.txt", None, 1), key(reader=SequenceTaggingDatasetReader("/"))]
    monkeypatch.setattr(cache_keys, "_digest_of_code", lambda: "other")
    assert len({first, *others, key()}) == 6


def test_the_variable(monkeypatch):
    monkeypatch.setenv("NLPREG_NO_CACHE", "1")
    assert cache_is_off()
    monkeypatch.setenv("NLPREG_NO_CACHE", "")
    assert not cache_is_off()
