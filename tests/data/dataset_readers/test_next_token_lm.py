import pytest

from nlpreg.data import Vocabulary
from nlpreg.data.dataset_readers import NextTokenLMReader
from nlpreg.data.tokenizers import CharacterTokenizer, Token


def test_text_to_instance():
    reader = NextTokenLMReader(max_tokens=2)
    instance = reader.text_to_instance("das ist schön", target="heute")
    assert instance["tokens"].human_readable_repr() == ["ist", "schön"]
    assert instance["target_ids"].human_readable_repr() == ["heute"]
    assert set(reader.text_to_instance(tokens=[Token("a")]).fields) == {"tokens"}
    reader.apply_token_indexers(instance)
    assert instance["target_ids"].token_indexers is instance["tokens"].token_indexers
    with pytest.raises(ValueError, match="expected a sentence or its tokens, got neither"):
        reader.text_to_instance()
    with pytest.raises(ValueError, match="expected a target with at least one token, got ' '"):
        reader.text_to_instance("a", target=" ")


def test_the_ids_of_a_target_are_those_of_its_first_piece():
    reader = NextTokenLMReader(tokenizer=CharacterTokenizer(byte_encoding="utf-8"))
    (token,) = reader.text_to_instance("a", target="bc")["target_ids"].tokens
    assert (token.text, token.text_id) == ("bc", ord("b") + 1)


def test_the_last_word_of_a_line_is_the_target(read):
    (instance,) = read(NextTokenLMReader(), "one\nthe cat sat\n")
    assert instance["tokens"].human_readable_repr() == ["the", "cat"]
    assert instance["target_ids"].human_readable_repr() == ["sat"]


def test_indexing_without_indexers_waits_until_tensors_are_asked_for():
    instance = NextTokenLMReader().text_to_instance(sentence="This is a", target="This")
    instance.index_fields(Vocabulary())
    with pytest.raises(ValueError, match="this TextField has no token indexers"):
        instance.as_tensor_dict()
