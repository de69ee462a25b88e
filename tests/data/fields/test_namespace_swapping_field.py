import pytest

from nlpreg.common.checks import ConfigurationError
from nlpreg.data import Token, Vocabulary
from nlpreg.data.fields import NamespaceSwappingField
from nlpreg.data.fields.field import new_counter


def test_ids_of_the_other_namespace(vocab: Vocabulary) -> None:
    field = NamespaceSwappingField([Token("dog"), Token("cat")], "tokens")
    counter = new_counter()
    field.count_vocab_items(counter)
    assert not counter
    with pytest.raises(ConfigurationError, match="not indexed yet"):
        field.as_tensor({"num_tokens": 2})
    field.index(vocab)
    assert field.get_padding_lengths() == {"num_tokens": 2}
    assert field.as_tensor({"num_tokens": 3}).tolist() == [3, 1, 0]


def test_other_views() -> None:
    field = NamespaceSwappingField([Token("dog")], "tokens")
    assert field.empty_field().as_tensor({"num_tokens": 2}).tolist() == [0, 0]
    assert len(field) == 1
    assert field.human_readable_repr() == ["dog"]
    assert "'tokens'" in str(field)
