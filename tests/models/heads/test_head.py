import pytest

from nlpreg.data.vocabulary import Vocabulary
from nlpreg.models.heads import Head
from nlpreg.models.model import Model


def test_heads_have_a_registry_of_their_own():
    assert "classifier" in Head.list_available()
    assert "classifier" not in Model.list_available()


def test_a_head_has_to_cope_with_missing_outputs_itself():
    with pytest.raises(NotImplementedError, match="has to define make_output_human_readable"):
        Head(Vocabulary()).make_output_human_readable({})
