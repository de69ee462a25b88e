import os
from pathlib import Path

import pytest

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Vocabulary
from nlpreg.data.dataset_readers import ConlluDatasetReader, DatasetReader
from nlpreg.data.dataset_readers.conllu import conllu_of, conllu_with_column, split_features
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError
from nlpreg.data.tokenizers import Token
from nlpreg.models import Model
from nlpreg.predictors.language_model_texts import LanguageModelTexts

TEXT = """# newdoc id = a
# text = Vámonos al mar
1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tVamos\tir\tVERB\tV\tMood=Imp\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\tP\tCase=Acc\t1\tobj\t_\t_
3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_
3\ta\ta\tADP\tA\t_\t5\tcase\t_\t_
4\tel\tel\tDET\tD\t_\t5\tdet\t_\t_
5\tmar\tmar\tNOUN\tN\t_\t1\tobl\t_\t_

# a comment\twith a tab
1\t10 000\t10000\tNUM\tM\t_\t0\troot\t_\tSpaceAfter=No
1.1\tempty\t_\tVERB\t_\t_\t_\t_\t_\t_
2\tkm\tkm\tSYM\tS\t_\t1\tdep\t_\t_
"""


def line(number, tag="X"):
    return f"{number}\tw\tl\t{tag}\tx\t_\t0\troot\t_\t_\n"


def test_syntactic_words_and_their_tags(read):
    one, two = read(ConlluDatasetReader(), TEXT)
    assert one["tokens"].human_readable_repr() == ["Vamos", "nos", "a", "el", "mar"]
    assert one["tags"].labels == ["VERB", "PRON", "ADP", "DET", "NOUN"]
    assert one["metadata"]["words"] == ["Vamos", "nos", "a", "el", "mar"]
    assert two["tokens"].human_readable_repr() == ["10 000", "km"]
    assert two["tags"].labels == ["NUM", "SYM"]


@pytest.mark.parametrize(
    ("column", "tags"),
    [
        ("lemma", ["10000", "km"]),
        ("upos", ["NUM", "SYM"]),
        ("xpos", ["M", "S"]),
        ("feats", ["_", "_"]),
        ("deprel", ["root", "dep"]),
    ],
)
def test_every_column_can_be_the_tags(read, column, tags):
    reader = DatasetReader.from_params(Params({"type": "conllu", "tag_column": column}))
    assert read(reader, TEXT)[1]["tags"].labels == tags


def test_an_unknown_column_is_refused():
    with pytest.raises(ConfigurationError, match="tag_column must be one of 'lemma', 'upos'"):
        ConlluDatasetReader(tag_column="pos")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (line(1) + "2\tw\tl\tX\tx\t_\t0\n", r"line 2: expected 10 columns separated by tabs, got 7: "),
        (line(1) + "2\tw\n", r"line 2: expected 10 columns separated by tabs, got 2: "),
        ("1 w l X x _ 0 root _ _\n", r"line 1: .* got 1: .*the columns must be separated by tabs"),
        (
            "# c\n" + line(1) + line(2) + line(1),
            r"line 4: expected word number 3, got 1; is a blank line missing",
        ),
        (line(1) + line(3), r"line 2: expected word number 2, got 3"),
        (
            line(1) + line("2x"),
            r"line 2: expected a number such as 3, 3-4 or 3\.1 in the first column, got '2x'",
        ),
        ("# c\nx\n" + line(1), r"line 2: expected 10 columns separated by tabs, got 1: 'x'"),
        ("# c\n" + line(1) + "# d\n2\tx\n", r"line 4: expected 10 columns separated by tabs, got 2: "),
        (line("1-2"), r"line 1: expected a sentence with at least one word"),
        ("\n\n" + line(1) + "\n\n" + line(1) + "x\n", r"line 7: expected 10 columns"),
    ],
)
def test_broken_sentences_are_located(read, text, message):
    with pytest.raises(DataError, match=r"data\.txt, " + message):
        read(ConlluDatasetReader(), text)


def test_broken_sentences_can_be_left_out(read, caplog):
    text = TEXT + "\n1\tbroken\n\n" + line(1)
    instances = read(ConlluDatasetReader(skip_bad_lines=True), text)
    assert len(instances) == 3
    assert "left out 1 bad" in caplog.text


def test_files_of_comments_alone_and_windows_line_ends(read):
    assert len(read(ConlluDatasetReader(), TEXT.replace("\n", "\r\n"))) == 2
    assert len(read(ConlluDatasetReader(), "# only a comment\n\n" + TEXT)) == 2
    with pytest.raises(DataError, match="expected at least one sentence, got none"):
        read(ConlluDatasetReader(), "\n")


def shared_treebank():
    shared = os.environ.get("NLPREG_SHARED") or Path(__file__).parents[4] / "shared"
    path = Path(shared) / "data" / "ud_english_ewt" / "dev.conllu"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


def test_a_real_treebank_is_read_as_another_library_reads_it():
    conllu = pytest.importorskip("conllu")
    path = shared_treebank()
    expected = [
        [(word["form"], word["upos"], word["deprel"]) for word in sentence if isinstance(word["id"], int)]
        for sentence in conllu.parse(path.read_text(encoding="utf-8"))
    ]
    found = [
        list(zip(one["tokens"].human_readable_repr(), one["tags"].labels, two["tags"].labels, strict=True))
        for one, two in zip(
            ConlluDatasetReader().read(path), ConlluDatasetReader(tag_column="deprel").read(path), strict=True
        )
    ]
    assert found == expected


def sentence(words, tag="_"):
    rows = [
        [str(number), one, "_", tag, "_", "_", "0", "root", "_", "_"]
        for number, one in enumerate(words, start=1)
    ]
    return "\n".join("\t".join(row) for row in rows) + "\n\n"


def test_a_file_to_be_tagged_has_no_tags(tmp_path, caplog):
    (tmp_path / "blank").write_text(sentence(["a", "b"]) + sentence(["c"]))
    (tmp_path / "tagged").write_text(sentence(["a"], "X") + sentence(["b"]))
    for instance in ConlluDatasetReader().read(str(tmp_path / "blank")):
        assert set(instance.fields) == {"tokens", "metadata"}
    assert not caplog.text
    # elsewhere it is a tag like others, since sentences with and without tags make no batch; it is said
    tags = [instance["tags"].labels for instance in ConlluDatasetReader().read(str(tmp_path / "tagged"))]
    assert tags == [["X"], ["_"]]
    assert "tagged, line 3: a sentence with a word whose tag is _" in caplog.text
    # words without features are an ordinary thing
    feats = ConlluDatasetReader("feats").read(str(tmp_path / "blank"))
    assert [instance["tags"].labels for instance in feats] == [["_", "_"], ["_"]]


def test_another_column_and_everything_else_as_it_was():
    rows = [
        "# text = don't go",
        "1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_",
        "1\tdo\tdo\tAUX\tVB\t_\t3\taux\t_\t_",
        "2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\tSpaceAfter=No",
        "2.1\tplease\t_\t_\t_\t_\t_\t_\t_\t_",
        "3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_",
    ]
    found = conllu_with_column("\n".join(rows), ["A", "B", "C"]).split("\n")
    expected = [*rows]
    for number, (old, new) in {2: ("AUX", "A"), 3: ("PART", "B"), 5: ("VERB", "C")}.items():
        expected[number] = rows[number].replace(old, new)
    assert found == expected
    with pytest.raises(ValueError, match="expected a value for each of 3 words, got 1"):
        conllu_with_column("\n".join(rows), ["A"])


def test_a_sentence_that_was_text(tmp_path):
    conllu = pytest.importorskip("conllu")
    text = conllu_of(["do", "n't"], ["VB", "RB"], "xpos", text="don't") + "\n\n"
    (sentence,) = conllu.parse(text)
    assert sentence.metadata == {"text": "don't"}
    assert [(token["form"], token["xpos"], token["upos"]) for token in sentence] == [
        ("do", "VB", "_"),
        ("n't", "RB", "_"),
    ]
    (tmp_path / "f").write_text(text)
    (instance,) = ConlluDatasetReader("xpos").read(str(tmp_path / "f"))
    assert instance["tags"].labels == ["VB", "RB"]


def test_the_text_of_a_sentence_has_single_spaces():
    text = conllu_of(
        ["The", "dog", "barks", "."], ["DET", "NOUN", "VERB", "PUNCT"], text="The  dog\tbarks.\r\n"
    )
    assert text.split("\n")[0] == "# text = The dog barks."
    assert [row.endswith("SpaceAfter=No") for row in text.split("\n")[1:]] == [False, False, True, False]


def test_a_language_model_reads_the_characters_of_words(tmp_path):
    (tmp_path / "text.conllu").write_text(
        "1\tThe\t_\tDET\t_\t_\t0\t_\t_\t_\n2\tcats\t_\tNOUN\t_\t_\t0\t_\t_\t_\n\n"
    )
    params = {
        "type": "conllu_language_modeling",
        "characters": True,
        "start_tokens": ["\n"],
        "end_tokens": ["$"],
    }
    (instance,) = DatasetReader.from_params(Params(dict(params))).read(tmp_path / "text.conllu")
    assert instance["source"].words == list("\nThe cats$")
    reader = DatasetReader.from_params(Params(params))
    # text that a person types
    texts = LanguageModelTexts(Model(Vocabulary()), reader)
    assert [token.text for token in texts.tokens_of("I a")] == ["\n", "I", " ", "a"]
    assert texts.text_of([Token(character) for character in "\nI a$"]) == "I a"


@pytest.mark.parametrize("text", [TEXT, line(1) + line(2)], ids=["with_other_lines", "plain"])
def test_further_columns_are_fields_of_their_own(read, text):
    reader = ConlluDatasetReader(further_columns=["xpos", "feats", "lemma"])
    rows = [
        [row.split("\t") for row in block.split("\n") if row.split("\t")[0].isdecimal()]
        for block in text.strip().split("\n\n")
    ]
    for instance, words in zip(read(reader, text), rows, strict=True):
        assert instance["tags"].labels == [row[3] for row in words]
        assert instance["xpos_tags"].labels == [row[4] for row in words]
        assert instance["lemma_tags"].labels == [row[2] for row in words]
        assert [list(labels) for labels in instance["feats"].labels] == [
            [] if row[5] == "_" else row[5].split("|") for row in words
        ]


def test_an_unknown_further_column_is_refused():
    with pytest.raises(ConfigurationError, match="further_columns must be one of .*'feats'.*, got 'head'"):
        ConlluDatasetReader(further_columns=["head"])


def test_features_are_split():
    assert split_features("Case=Nom|Number=Sing") == ("Case=Nom", "Number=Sing")
    assert split_features("_") == ()


def test_unspecified_tags_can_be_unknown(read, caplog):
    reader = ConlluDatasetReader(unknown_tag="_", further_columns=["xpos"])
    (instance,) = read(reader, line(1) + line(2, "_"))
    assert instance["tags"].unknown_label == instance["xpos_tags"].unknown_label == "_"
    assert "counts as a tag like others" not in caplog.text
