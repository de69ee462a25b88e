from typing import Any

import pytest

from nlpreg.data.tokenizers.special_tokens import find_special_tokens


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
