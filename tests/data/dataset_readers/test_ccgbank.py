import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers import CcgBankDatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError

TEXT = """ID=test.1 PARSER=GOLD NUMPARSE=1
(<T S[dcl] 1 2> (<T NP 0 2> (<L NP[nb]/N DT D the NP[nb]_1/N_1>) (<L N NN N-X ship N>) ) (<L S[dcl]\\NP VBZ V naïve> S[dcl]\\NP_2>) )
ID=test.2 PARSER=GOLD NUMPARSE=1
(<L N NN NN ships N>)
"""


def test_supertags(read):
    one, two = read(CcgBankDatasetReader(), TEXT)
    assert one["tokens"].human_readable_repr() == ["the", "ship", "naïve>"]
    assert one["tags"].labels == ["NP[nb]/N", "N", "S[dcl]\\NP"]
    assert set(two.fields) == {"tokens", "tags"}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("modified_pos", ["DT", "NN", "VBZ"]),
        ("original_pos", ["D", "N-X", "V"]),
        ("predicate_arg", ["NP[nb]_1/N_1", "N", "S[dcl]\\NP_2"]),
    ],
)
def test_other_labels_and_features(read, label, expected):
    one = read(CcgBankDatasetReader(tag_label=label, feature_labels=["ccg", label]), TEXT)[0]
    assert one["tags"].labels == expected
    assert one[f"{label}_tags"].labels == expected
    assert one["ccg_tags"].labels[0] == "NP[nb]/N"


def test_errors(read):
    with pytest.raises(ConfigurationError, match="tag_label must be one of 'ccg', .*, got 'pos'"):
        CcgBankDatasetReader(tag_label="pos")
    with pytest.raises(ConfigurationError, match="feature_labels must be one of .*, got 'pos'"):
        CcgBankDatasetReader(feature_labels=["pos"])
    with pytest.raises(ConfigurationError, match="feature_labels asks for 'ccg', but there are none"):
        CcgBankDatasetReader(feature_labels=["ccg"]).text_to_instance(["a"])
    with pytest.raises(DataError, match=r"line 4: expected leaves such as .* got '\(<L N NN ships N>\)'"):
        read(CcgBankDatasetReader(), TEXT.replace("NN NN ships", "NN ships"))
    with pytest.raises(DataError, match=r"line 1: expected leaves such as"):
        read(CcgBankDatasetReader(), "(<T S 0 1> )\n")
    with pytest.raises(DataError, match="expected at least one derivation, got none"):
        read(CcgBankDatasetReader(), "ID=1\n")


def test_bad_derivations_are_left_out_and_counted(read, caplog):
    assert len(read(CcgBankDatasetReader(skip_bad_lines=True), TEXT + "(<T S 0 1> )\n(<L N NN>)\n")) == 2
    assert "left out 2 bad lines" in caplog.text


def test_leaves_with_notes_of_propbank(tmp_path):
    notes = "(<L N/N VBG VBG publishing N_1/N_1 {publish.01:rel} [ARG0]>)"
    (tmp_path / "f").write_text(f"(<T N 1 2> {notes} (<L N NN NN group N>) )\n")
    (instance,) = CcgBankDatasetReader(feature_labels=["predicate_arg"]).read(str(tmp_path / "f"))
    assert instance["tokens"].words == ["publishing", "group"]
    assert instance["predicate_arg_tags"].labels == ["N_1/N_1", "N"]
