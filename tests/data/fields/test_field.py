import logging
from typing import Any

import pytest
import torch

from nlpreg.data import Batch, Instance, Token, TokenIndexer, Vocabulary
from nlpreg.data.fields import Field, LabelField, ListField, TextField
from nlpreg.data.fields.field import (
    add_counts,
    batch_fields,
    check_label_namespace,
    count_fields,
    index_fields,
    merge_counts,
    new_counter,
    padding_lengths_of_fields,
)
from nlpreg.data.token_indexers import SingleIdTokenIndexer


def counted_one_by_one(fields: list[Any]) -> dict[str, list[tuple[str, int]]]:
    counter = new_counter()
    for field in fields:
        field.count_vocab_items(counter)
    return {namespace: list(items.items()) for namespace, items in counter.items()}


def counted_together(fields: list[Any]) -> dict[str, list[tuple[str, int]]]:
    counter = new_counter()
    count_fields(fields, counter)
    return {namespace: list(items.items()) for namespace, items in counter.items()}


def test_order_of_first_appearance_survives_a_shared_namespace(indexers: dict[str, TokenIndexer]) -> None:
    """Two groups of fields that count into one namespace: items must not come group by group."""
    other = {"tokens": SingleIdTokenIndexer()}
    fields = [
        TextField.from_words(["c"], indexers),
        TextField.from_words(["b"], other),
        TextField.from_words(["a"], indexers),
        LabelField("z", "tokens"),
    ]
    assert counted_together(fields) == counted_one_by_one(fields)
    assert [word for word, _ in counted_together(fields)["tokens"]] == ["c", "b", "a", "z"]


def test_two_indexers_of_one_namespace() -> None:
    both: dict[str, TokenIndexer] = {
        "as_is": SingleIdTokenIndexer(),
        "lower": SingleIdTokenIndexer(lowercase_tokens=True),
    }
    fields = [TextField.from_words(["B", "a"], both), TextField.from_words(["c"], both)]
    assert counted_together(fields) == counted_one_by_one(fields)


def test_merge_counts() -> None:
    total = new_counter()
    total["x"]["a"] = 1
    assert merge_counts([{"x": {"b": 1, "a": 2}}, {"y": {"c": 1}}], total)
    assert total == {"x": {"a": 3, "b": 1}, "y": {"c": 1}}
    assert not merge_counts([{"x": {"a": 1}}, {"x": {"b": 1}}], total)
    assert total["x"] == {"a": 3, "b": 1}


def test_add_counts() -> None:
    totals: dict[str, int] = {}
    add_counts({"b": 1}, totals)
    add_counts({"a": 1, "b": 2}, totals)
    assert list(totals.items()) == [("b", 3), ("a", 1)]


class LoudTextField(TextField):
    """A plugin's field that overrides the methods for one field alone."""

    def count_vocab_items(self, counter: dict[str, dict[str, int]]) -> None:
        counter["loud"]["!"] += 1

    def index(self, vocab: Vocabulary) -> None:
        super().index(vocab)
        self._indexed_tokens["tokens"]["tokens"] = [99]

    def get_padding_lengths(self) -> dict[str, int]:
        return {"tokens___tokens": 4}


def test_overrides_of_single_methods_are_called(vocab: Vocabulary) -> None:
    indexers: dict[str, TokenIndexer] = {"tokens": SingleIdTokenIndexer()}
    fields = [LoudTextField.from_words(["a"], indexers), LoudTextField.from_words(["b"], indexers)]
    assert counted_together(fields) == {"loud": [("!", 2)]}
    index_fields(fields, vocab)
    assert padding_lengths_of_fields(fields) == {"tokens___tokens": 4}
    assert batch_fields(fields, {"tokens___tokens": 4})["tokens"]["tokens"].tolist() == [[99, 0, 0, 0]] * 2


class ShoutingIndexer(SingleIdTokenIndexer):
    """A plugin's indexer that overrides one method for single tokens."""

    def count_vocab_items(self, token: Token, counter: dict[str, dict[str, int]]) -> None:
        counter["tokens"][token.ensure_text().upper()] += 1

    def _get_feature_value(self, token: Token) -> str:
        return "dog"


def test_overrides_of_an_indexer_are_called(vocab: Vocabulary) -> None:
    fields = [TextField.from_words(["a", "b"], {"tokens": ShoutingIndexer()})]
    assert counted_together(fields) == {"tokens": [("A", 1), ("B", 1)]}
    index_fields(fields, vocab)
    assert fields[0]._indexed_tokens == {"tokens": {"tokens": [3, 3]}}


class WidePadding(SingleIdTokenIndexer):
    def get_padding_lengths(self, indexed_tokens: dict[str, list[Any]]) -> dict[str, int]:
        return {"tokens": len(indexed_tokens["tokens"]) + 2}


def test_overridden_padding_of_an_indexer(vocab: Vocabulary) -> None:
    indexers: dict[str, TokenIndexer] = {"tokens": WidePadding()}
    fields = [TextField.from_words(["the"], indexers), TextField.from_words(["the", "dog"], indexers)]
    index_fields(fields, vocab)
    lengths = padding_lengths_of_fields(fields)
    assert lengths == {"tokens___tokens": 4}
    assert batch_fields(fields, lengths)["tokens"]["tokens"].tolist() == [[2, 0, 0, 0], [2, 3, 0, 0]]


def test_fields_whose_indexers_differ(vocab: Vocabulary) -> None:
    fields = [
        TextField.from_words(["The"], {"tokens": SingleIdTokenIndexer(token_min_padding_length=3)}),
        TextField.from_words(["The", "dog"], {"tokens": SingleIdTokenIndexer(lowercase_tokens=True)}),
    ]
    index_fields(fields, vocab)
    lengths = padding_lengths_of_fields(fields)
    assert lengths == {"tokens___tokens": 3}
    assert batch_fields(fields, lengths)["tokens"]["tokens"].tolist() == [[1, 0, 0], [2, 3, 0]]


def test_fields_of_several_classes_have_common_lengths() -> None:
    class Short(Field[Any]):
        def get_padding_lengths(self) -> dict[str, int]:
            return {"n": 1}

    class Long(Field[Any]):
        def get_padding_lengths(self) -> dict[str, int]:
            return {"n": 2}

    assert padding_lengths_of_fields([Short(), Long()]) == {"n": 2}


def test_missing_indexers_are_still_an_error() -> None:
    with pytest.raises(ValueError, match="no token indexers"):
        count_fields([TextField.from_words(["a"])], new_counter())


def test_the_field_without_indexers_is_named() -> None:
    texts = ListField([TextField.from_words(["a"])])
    for instance in Instance({"text": TextField.from_words(["a"])}), Instance({"text": texts}):
        with pytest.raises(ValueError, match="field 'text': this TextField has no token indexers"):
            Vocabulary.from_instances([instance])
        instance.index_fields(Vocabulary())
        with pytest.raises(ValueError, match="field 'text': this TextField has no token indexers"):
            Batch([instance]).as_tensor_dict()


@pytest.mark.parametrize("namespace", ["labels", "pos_tags", "my_labels"])
def test_usual_names_pass(namespace: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_label_namespace(namespace)
    assert not caplog.records


def test_other_names_are_mentioned_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_label_namespace("quite_different")
        check_label_namespace("quite_different")
    assert [record.getMessage() for record in caplog.records if "quite_different" in record.getMessage()][
        1:
    ] == []
    assert "non_padded_namespaces" in caplog.text


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
