import json
import random

import numpy as np
import pytest

from nlpreg.data import word_numbers
from nlpreg.data.id_corpus import IdCorpus, IdFile, id_corpus, write_id_corpus

TEXTS = [["the", "cat", "sat"], [], ["the", "漢字", "cat"], ["a\nb", "\udcff", ""]]


def test_texts_come_back(tmp_path):
    write_id_corpus(iter(TEXTS), tmp_path)
    corpus = IdCorpus(tmp_path)
    assert [corpus.text(i) for i in range(corpus.num_texts)] == TEXTS
    assert corpus.words == ["the", "cat", "sat", "漢字", "a\nb", "\udcff", ""]
    assert corpus.counts.tolist() == [2, 2, 1, 1, 1, 1, 1]
    assert (corpus.num_words, corpus.num_texts) == (9, 4)
    assert corpus.meta.dtype == "|u1"


def test_bounds_of_texts(tmp_path):
    write_id_corpus(TEXTS, tmp_path)
    corpus = IdCorpus(tmp_path)
    assert corpus.bounds(0, 4).tolist() == [0, 3, 3, 6, 9]
    assert corpus.bounds(1, 3).tolist() == [3, 3, 6]
    assert corpus.bounds(2, 2).tolist() == [0]
    assert corpus.numbers(2, 5).tolist() == [2, 0, 3]
    assert corpus.numbers(8, 99).tolist() == [6]


@pytest.mark.parametrize(("num_words", "dtype"), [(256, "|u1"), (257, "<u2"), (65537, "<u4")])
def test_the_smallest_type_that_holds_the_numbers(tmp_path, monkeypatch, num_words, dtype):
    monkeypatch.setattr(word_numbers, "TEXTS_AT_ONCE", 3)
    monkeypatch.setattr(id_corpus, "NUMBERS_AT_ONCE", 1000)
    words = [f"w{i}" for i in range(num_words)] + ["w7"] * 5
    meta = write_id_corpus([words[i : i + 999] for i in range(0, len(words), 999)], tmp_path)
    corpus = IdCorpus(tmp_path)
    assert corpus.meta == meta
    assert corpus.meta.dtype == dtype
    assert corpus.numbers(0, len(words)).tolist() == [*range(num_words), 7, 7, 7, 7, 7]
    assert corpus.counts[7] == 6
    assert int(corpus.counts.sum()) == len(words)


def test_random_texts_by_brute_force(tmp_path, monkeypatch):
    monkeypatch.setattr(word_numbers, "TEXTS_AT_ONCE", 7)
    monkeypatch.setattr(id_corpus, "BYTES_TO_KEEP", 1)
    rng = random.Random(0)
    texts = [
        [rng.choice("abcdefgh") * rng.randrange(1, 4) for _ in range(rng.randrange(6))] for _ in range(100)
    ]
    write_id_corpus(texts, tmp_path)
    corpus = IdCorpus(tmp_path)
    assert [corpus.text(i) for i in range(100)] == texts
    flat = [word for text in texts for word in text]
    for _ in range(50):
        start, stop = sorted(rng.choices(range(len(flat) + 1), k=2))
        assert [corpus.words[n] for n in corpus.numbers(start, stop)] == flat[start:stop]


def test_no_texts_at_all(tmp_path):
    write_id_corpus([], tmp_path)
    corpus = IdCorpus(tmp_path)
    assert (corpus.num_words, corpus.num_texts, corpus.words) == (0, 0, [])
    assert corpus.numbers(0, 5).tolist() == []
    assert corpus.bounds(0, 0).tolist() == [0]


def test_a_corpus_that_is_not_whole_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a corpus of ids"):
        IdCorpus(tmp_path)
    write_id_corpus(TEXTS, tmp_path)
    ids = tmp_path / "ids.bin"
    content = ids.read_bytes()
    ids.write_bytes(content[:-1])
    with pytest.raises(ValueError, match="damaged, or of another version"):
        IdCorpus(tmp_path)
    ids.write_bytes(content)
    meta = json.loads((tmp_path / "meta.json").read_text())
    (tmp_path / "meta.json").write_text(json.dumps({**meta, "format": 0}))
    with pytest.raises(ValueError, match="damaged, or of another version"):
        IdCorpus(tmp_path)
    (tmp_path / "meta.json").write_text("[")
    with pytest.raises(ValueError, match="expected a corpus of ids"):
        IdCorpus(tmp_path)


def test_files_of_numbers(tmp_path):
    path = tmp_path / "n"
    np.arange(10, dtype="<u2").tofile(path)
    file = IdFile(path, "<u2")
    part = file.read(3, 6)
    part[0] = 99  # a copy
    assert file.read(3, 5).tolist() == [3, 4]
    assert file.read(8, 99).tolist() == [8, 9]
    for content in (b"", b"123"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="expected numbers of 2 bytes each, got"):
            IdFile(path, "<u2")
