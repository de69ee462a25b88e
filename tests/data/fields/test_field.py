from typing import Any

import pytest
import torch

from nlpreg.data import Vocabulary
from nlpreg.data.fields import Field


class Number(Field[torch.Tensor]):
    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def get_padding_lengths(self) -> dict[str, int]:
        return {"n": self.number}

    def as_tensor(self, padding_lengths: dict[str, int]) -> torch.Tensor:
        return torch.full((padding_lengths["n"],), self.number)


class NumberWithDict(Number):
    def __init__(self, number: int, **others: Any) -> None:
        super().__init__(number)
        self.__dict__.update(others)


def test_equality_by_slots_and_dict() -> None:
    assert Number(3) == Number(3)
    assert Number(3) != Number(4)
    assert Number(3) != 3
    assert NumberWithDict(3, a=1) == NumberWithDict(3, a=1)
    assert NumberWithDict(3, a=1) != NumberWithDict(3, a=2)
    assert Number(3) != NumberWithDict(3)


def test_duplicate_is_deep() -> None:
    field = NumberWithDict(3, a=[1])
    copied = field.duplicate()
    copied.a.append(2)
    assert field.a == [1]


def test_defaults_of_the_methods_for_many(vocab: Vocabulary) -> None:
    fields = [Number(2), Number(3)]
    counter: dict[str, dict[str, int]] = {}
    Number.count_many(fields, counter)
    assert not counter
    Number.index_many(fields, vocab)
    lengths = Number.padding_lengths_of_many(fields)
    assert lengths == {"n": 3}
    assert Number.as_tensor_of_many(fields, lengths).tolist() == [[2, 2, 2], [3, 3, 3]]


@pytest.mark.parametrize(
    "call",
    [
        lambda field: field.get_padding_lengths(),
        lambda field: field.as_tensor({}),
        lambda field: field.empty_field(),
        lambda field: field.human_readable_repr(),
        len,
    ],
)
def test_what_a_field_must_write_itself(call: Any) -> None:
    with pytest.raises(NotImplementedError, match="Field has no"):
        call(Field())
