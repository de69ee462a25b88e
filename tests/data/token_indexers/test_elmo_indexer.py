import pytest

from nlpreg.data import Token, Vocabulary
from nlpreg.data.columns import WordColumn
from nlpreg.data.fields.field import new_counter
from nlpreg.data.token_indexers import ELMoTokenCharactersIndexer
from nlpreg.data.token_indexers.elmo_indexer import ELMoCharacterMapper

FILLER = 260 + 1


@pytest.mark.parametrize(
    ("word", "middle"),
    [
        ("Ab", [ord("A") + 1, ord("b") + 1]),
        ("é", [0xC3 + 1, 0xA9 + 1]),
        ("", []),
        ("<S>", [257]),
        ("</S>", [258]),
        ("x" * 60, [ord("x") + 1] * 48),
    ],
)
def test_ids_of_a_word(word: str, middle: list[int]) -> None:
    ids = ELMoCharacterMapper().convert_word_to_char_ids(word)
    assert len(ids) == 50
    assert ids == [259, *middle, 260, *[FILLER] * (48 - len(middle))]


def test_words_with_an_id_of_their_own() -> None:
    mapper = ELMoCharacterMapper({"[MASK]": 300})
    assert mapper.convert_word_to_char_ids("[MASK]")[:3] == [259, 301, 260]
    assert mapper == ELMoCharacterMapper({"[MASK]": 300}) != ELMoCharacterMapper()
    assert mapper != "x"


def test_a_text(vocab: Vocabulary) -> None:
    indexer = ELMoTokenCharactersIndexer(token_min_padding_length=3)
    counter = new_counter()
    indexer.count_vocab_items(Token("a"), counter)
    indexer.count_words({"a": 1}, counter)
    assert not counter
    indexed = indexer.tokens_to_indices([Token("a"), Token("b")], vocab)
    lengths = indexer.get_padding_lengths(indexed)
    assert lengths == {"elmo_tokens": 3}
    tensor = indexer.as_padded_tensor_dict(indexed, lengths)["elmo_tokens"]
    assert tensor.shape == (3, 50)
    assert tensor[:2].tolist() == indexed["elmo_tokens"]
    assert tensor[2].tolist() == [0] * 50
    assert indexer.get_empty_token_list() == {"elmo_tokens": []}


def test_many_words_at_once(vocab: Vocabulary) -> None:
    indexer = ELMoTokenCharactersIndexer(tokens_to_add={"b": 1000})
    texts = indexer.index_words(WordColumn([["a", "b"], [], ["a"]]), vocab)
    for text, words in zip(texts, (["a", "b"], [], ["a"]), strict=True):
        assert text == indexer.tokens_to_indices([Token(word) for word in words], vocab)
    padded = indexer.pad_many(texts, {"elmo_tokens": 2})["elmo_tokens"]
    assert padded.shape == (3, 2, 50)
    assert padded[1].sum().item() == 0


def test_tokens_need_text(vocab: Vocabulary) -> None:
    with pytest.raises(ValueError, match="expected a token with text"):
        ELMoTokenCharactersIndexer().tokens_to_indices([Token(text_id=1)], vocab)


def test_equality() -> None:
    assert ELMoTokenCharactersIndexer() == ELMoTokenCharactersIndexer()
    assert ELMoTokenCharactersIndexer() != ELMoTokenCharactersIndexer(tokens_to_add={"a": 1})
