from nlpreg.common import Params
from nlpreg.data import Vocabulary
from nlpreg.data.columns import WordColumn
from nlpreg.data.token_indexers import TokenIndexer
from nlpreg.data.tokenizers import Token


def test_code_points_need_no_vocabulary():
    indexer = TokenIndexer.from_params(Params({"type": "code_points"}))
    words = ["ab", "漢", "𝒳a"]
    expected = [[ord(character) + 1 for character in word] for word in words]
    vocab = Vocabulary()
    assert indexer.tokens_to_indices([Token(word) for word in words], vocab) == {"token_characters": expected}
    (text,) = indexer.index_words(WordColumn([words]), vocab)
    assert text["token_characters"].tolist() == expected
    counter = {}
    indexer.count_vocab_items(Token("ab"), counter)
    indexer.count_words({"ab": 2}, counter)
    assert counter == {}
    assert indexer.pad_many([text], indexer.padding_lengths_of_many([text]))["token_characters"].tolist() == [
        [[98, 99], [ord("漢") + 1, 0], [ord("𝒳") + 1, 98]]
    ]


def test_two_indexers_are_equal():
    first, second = (TokenIndexer.from_params(Params({"type": "code_points"})) for _ in range(2))
    assert first == second
