"""Chunks made by rule from a tree are those of the guidelines, and the reader of CoNLL-2000 reads them."""

from pathlib import Path

import pytest

from nlpreg.data.dataset_readers import Conll2000DatasetReader

ROOT = Path(__file__).parents[2]
# form, UPOS, XPOS, head, relation, chunk
TREE = [
    ("The", "DET", "DT", 4, "det", "B-NP"),
    ("old", "ADJ", "JJ", 4, "amod", "I-NP"),
    ("stone", "NOUN", "NN", 4, "compound", "I-NP"),
    ("bridge", "NOUN", "NN", 7, "nsubj", "I-NP"),
    ("had", "AUX", "VBD", 7, "aux", "B-VP"),
    ("not", "PART", "RB", 7, "advmod", "I-VP"),
    ("fallen", "VERB", "VBN", 0, "root", "I-VP"),
    ("down", "ADP", "RP", 7, "compound:prt", "B-PRT"),
    ("because", "SCONJ", "IN", 13, "mark", "B-SBAR"),
    ("the", "DET", "DT", 11, "det", "B-NP"),
    ("town", "NOUN", "NN", 13, "nsubj", "I-NP"),
    ("wanted", "VERB", "VBD", 7, "advcl", "B-VP"),
    ("to", "PART", "TO", 14, "mark", "I-VP"),
    ("keep", "VERB", "VB", 12, "xcomp", "I-VP"),
    ("Ann", "PROPN", "NNP", 17, "nmod:poss", "B-NP"),
    ("'s", "PART", "POS", 15, "case", "B-NP"),
    ("name", "NOUN", "NN", 14, "obj", "I-NP"),
    ("on", "ADP", "IN", 19, "case", "B-PP"),
    ("it", "PRON", "PRP", 14, "obl", "B-NP"),
    (".", "PUNCT", ".", 7, "punct", "O"),
]


def test_chunks_of_a_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    tree = "# text = ...\n" + "".join(
        f"{number}\t{form}\t_\t{upos}\t{xpos}\t_\t{head}\t{relation}\t_\t_\n"
        for number, (form, upos, xpos, head, relation, _) in enumerate(TREE, 1)
    )
    for part in ("train", "dev"):
        (tmp_path / f"{part}.conllu").write_text(f"{tree}\n{tree}\n")
    __import__("chunks").main([str(tmp_path), str(tmp_path / "out")])
    for part in ("train", "test"):
        found = list(Conll2000DatasetReader().read(str(tmp_path / "out" / f"{part}.txt")))
        assert [instance["metadata"]["words"] for instance in found] == [[row[0] for row in TREE]] * 2
        assert [list(instance["tags"].labels) for instance in found] == [[row[5] for row in TREE]] * 2
