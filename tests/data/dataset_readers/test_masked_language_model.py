import pytest

from nlpreg.data.dataset_readers import MaskedLanguageModelingReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError
from nlpreg.data.tokenizers import Token


def test_text_to_instance():
    reader = MaskedLanguageModelingReader()
    instance = reader.text_to_instance("[MASK] ist [MASK] .", targets=["das", "schön"])
    assert instance["tokens"].human_readable_repr() == ["[MASK]", "ist", "[MASK]", "."]
    assert [field.sequence_index for field in instance["mask_positions"]] == [0, 2]
    assert instance["target_ids"].human_readable_repr() == ["das", "schön"]
    assert set(reader.text_to_instance(tokens=[Token("[MASK]")]).fields) == {"tokens", "mask_positions"}


def test_errors():
    reader = MaskedLanguageModelingReader()
    with pytest.raises(ValueError, match="expected a sentence or its tokens, got neither"):
        reader.text_to_instance()
    with pytest.raises(ValueError, match=r"expected at least one \[MASK\], got none"):
        reader.text_to_instance("no mask")
    with pytest.raises(ValueError, match="expected a target for each of 1 masks, got 2"):
        reader.text_to_instance("[MASK]", targets=["a", "b"])


def test_the_first_word_of_a_line_is_masked(read):
    one, two = read(MaskedLanguageModelingReader(), "the cat sat\nü\n")
    assert one["tokens"].human_readable_repr() == ["[MASK]", "cat", "sat"]
    assert one["target_ids"].human_readable_repr() == ["the"]
    assert two["tokens"].human_readable_repr() == ["[MASK]"]


def test_what_is_wrong_with_a_line_is_located(read):
    text = "the cat\nthe [MASK]\n"
    with pytest.raises(
        DataError, match="line 2: masked_language_modeling: expected a target for each of 2 masks"
    ):
        read(MaskedLanguageModelingReader(), text)
    assert len(read(MaskedLanguageModelingReader(skip_bad_lines=True), text)) == 1
