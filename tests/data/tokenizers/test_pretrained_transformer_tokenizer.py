from pathlib import Path
from typing import Any

import pytest

from nlpreg.common import Params
from nlpreg.data import Token, Tokenizer
from nlpreg.data.tokenizers import PretrainedTransformerTokenizer
from nlpreg.data.tokenizers.pretrained_transformer_tokenizer import find_special_tokens


class Fake:
    """Encodes words of a list, with an end token and, for pairs, one between, and no segment ids."""

    words = ("</s>", "a", "b", "1", "2")

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        return [self.words.index(text)] if text in self.words else [1, 2]

    def __call__(self, *texts: str, **options: Any) -> dict[str, list[int]]:
        return {"input_ids": [index for text in texts for index in (*self.encode(text, False), 0)]}

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [self.words[index] for index in ids]


class OnlyNumbers(Fake):
    words = ("</s>", "x", "y", "1", "2")


class Nothing(Fake):
    words = ("</s>",)


class Same(Fake):
    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        return [1]


class Doubling(Fake):
    def __call__(self, *texts: str, **options: Any) -> dict[str, list[int]]:
        return super().__call__(*texts, *texts)


class Swapping(Fake):
    def __call__(self, *texts: str, **options: Any) -> dict[str, list[int]]:
        return super().__call__(*texts[::-1])


@pytest.mark.parametrize("kind", [Fake, OnlyNumbers])
def test_what_is_around_the_texts(kind: type[Fake]) -> None:
    special = find_special_tokens(kind(), None)
    assert special.single_start == special.pair_start == []
    assert [token.text_id for token in special.single_end] == [0]
    assert len(special.pair_mid) == len(special.pair_end) == 1
    assert special.pair_second_type_id == special.single_type_id == 0


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Nothing, "'a' is 2 pieces"),
        (Same, "'a' and 'b' are the same piece"),
        (Doubling, "occurs 2 times"),
        (Swapping, "'a' comes after 'b'"),
    ],
)
def test_what_cannot_be_found(kind: type[Fake], message: str) -> None:
    with pytest.raises(ValueError, match=f"could not be determined .*{message}.*verification_tokens"):
        find_special_tokens(kind(), None)


def test_own_texts() -> None:
    assert len(find_special_tokens(Fake(), ("1", "b")).single_end) == 1
    with pytest.raises(ValueError, match="'zz' is 2 pieces"):
        find_special_tokens(Fake(), ("zz", "b"))


CLS, SEP = Token("[CLS]", text_id=2, type_id=0), Token("[SEP]", text_id=3, type_id=0)


@pytest.fixture
def tokenizer(tiny_bert: Path) -> PretrainedTransformerTokenizer:
    return PretrainedTransformerTokenizer(str(tiny_bert))


def texts(tokens: list[Token]) -> list[str | None]:
    return [token.text for token in tokens]


def test_pieces_ids_and_offsets(tokenizer: PretrainedTransformerTokenizer) -> None:
    assert tokenizer.tokenize("The dog barks") == [
        CLS,
        Token("the", 0, 3, text_id=5, type_id=0),
        Token("dog", 4, 7, text_id=6, type_id=0),
        Token("bark", 8, 12, text_id=7, type_id=0),
        Token("##s", 12, 13, text_id=8, type_id=0),
        SEP,
    ]
    assert tokenizer.tokenize("") == [CLS, SEP]


def test_without_special_tokens(tiny_bert: Path) -> None:
    tokenizer = PretrainedTransformerTokenizer(str(tiny_bert), add_special_tokens=False)
    assert texts(tokenizer.tokenize("dog zzz")) == ["dog", "[UNK]"]
    assert tokenizer.tokenize("") == []


@pytest.mark.parametrize(
    ("add", "expected"), [(True, ["[CLS]", "the", "dog", "[SEP]"]), (False, ["the", "dog", "bark", "##s"])]
)
def test_greatest_length(tiny_bert: Path, add: bool, expected: list[str]) -> None:
    tokenizer = PretrainedTransformerTokenizer(str(tiny_bert), add, max_length=4)
    assert texts(tokenizer.tokenize("the dog barks the dog")) == expected


def test_special_tokens(tokenizer: PretrainedTransformerTokenizer) -> None:
    assert tokenizer.single_sequence_start_tokens == tokenizer.sequence_pair_start_tokens == [CLS]
    assert tokenizer.single_sequence_end_tokens == tokenizer.sequence_pair_mid_tokens == [SEP]
    assert tokenizer.sequence_pair_end_tokens == [Token("[SEP]", text_id=3, type_id=1)]
    assert tokenizer.single_sequence_token_type_id == tokenizer.sequence_pair_first_token_type_id == 0
    assert tokenizer.sequence_pair_second_token_type_id == 1
    assert tokenizer.num_special_tokens_for_sequence() == 2
    assert tokenizer.num_special_tokens_for_pair() == 3


def test_adding_them_agrees_with_the_tokenizer_itself(
    tokenizer: PretrainedTransformerTokenizer, tiny_bert: Path
) -> None:
    plain = PretrainedTransformerTokenizer(str(tiny_bert), add_special_tokens=False)
    first, second = plain.tokenize("the dog"), plain.tokenize("barks")
    before = [str(first), str(second)]
    single = tokenizer.add_special_tokens(first)
    pair = tokenizer.add_special_tokens(first, second)
    assert [str(first), str(second)] == before
    assert all(token.type_id == 0 for token in second)
    for tokens, encoded in (
        (single, tokenizer.tokenizer("the dog", return_token_type_ids=True)),
        (pair, tokenizer.tokenizer("the dog", "barks", return_token_type_ids=True)),
    ):
        assert [token.text_id for token in tokens] == encoded["input_ids"]
        assert [token.type_id for token in tokens] == encoded["token_type_ids"]


def test_words(tokenizer: PretrainedTransformerTokenizer) -> None:
    tokens, offsets = tokenizer.intra_word_tokenize(["barks", "\u200d", "the", "barks"])
    assert texts(tokens)[0] == "[CLS]"
    assert texts(tokens)[-1] == "[SEP]"
    found = [None if span is None else texts(tokens[span[0] : span[1] + 1]) for span in offsets]
    assert found[0] == found[3] == ["bark", "##s"]
    assert found[2] == ["the"]
    assert tokenizer.intra_word_tokenize([]) == ([CLS, SEP], [])


def test_words_without_pieces(tokenizer: PretrainedTransformerTokenizer) -> None:
    tokens, offsets = tokenizer.intra_word_tokenize(["dog", "", " ", "dog"])
    assert texts(tokens) == ["[CLS]", "dog", "dog", "[SEP]"]
    assert offsets == [(1, 1), None, None, (2, 2)]


def test_words_of_a_pair(tokenizer: PretrainedTransformerTokenizer) -> None:
    tokens, offsets_a, offsets_b = tokenizer.intra_word_tokenize_sentence_pair(["the"], ["barks", "a"])
    assert texts(tokens) == ["[CLS]", "the", "[SEP]", "bark", "##s", "a", "[SEP]"]
    assert offsets_a == [(1, 1)]
    assert offsets_b == [(3, 4), (5, 5)]
    assert [token.type_id for token in tokens] == [0, 0, 0, 1, 1, 1, 1]


def test_lower_case_is_found_out(tokenizer: PretrainedTransformerTokenizer) -> None:
    assert PretrainedTransformerTokenizer.tokenizer_lowercases(tokenizer.tokenizer)
    assert tokenizer._lowercases


class WithoutOffsets:
    """A tokenizer that gives no offsets, as the slow ones do."""

    is_fast = False

    def __init__(self, tokenizer: Any) -> None:
        self.wrapped = tokenizer

    def __call__(self, *texts: str, **options: Any) -> Any:
        assert not options.pop("return_offsets_mapping")
        return self.wrapped(*texts, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


def test_offsets_are_estimated_where_there_are_none(tokenizer: PretrainedTransformerTokenizer) -> None:
    text = "The dog zzz BARKS."
    exact = tokenizer.tokenize(text)
    tokenizer.tokenizer = WithoutOffsets(tokenizer.tokenizer)
    estimated = tokenizer.tokenize(text)
    assert texts(estimated) == texts(exact)
    for token, expected in zip(estimated, exact, strict=True):
        if token.text in ("[CLS]", "[SEP]", "[UNK]"):
            assert token.idx is token.idx_end is None
        else:
            assert (token.idx, token.idx_end) == (expected.idx, expected.idx_end)


def test_from_config(tiny_bert: Path) -> None:
    config = {
        "type": "pretrained_transformer",
        "model_name": str(tiny_bert),
        "max_length": 5,
        "verification_tokens": ["dog", "the"],
    }
    tokenizer = Tokenizer.from_params(Params(config))
    assert isinstance(tokenizer, PretrainedTransformerTokenizer)
    assert tokenizer.single_sequence_start_tokens == [CLS]
    again = Tokenizer.from_params(tokenizer.to_params())
    assert again.tokenize("the dog barks") == tokenizer.tokenize("the dog barks")
