"""The whole-corpus ways must give exactly what the methods for single instances give."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch

from nlpreg.data import Batch, Instance, Token, TokenIndexer, Vocabulary
from nlpreg.data import vocabulary as vocabulary_module
from nlpreg.data.batch import index_instances
from nlpreg.data.fields import (
    Field,
    LabelField,
    ListField,
    MetadataField,
    MultiLabelField,
    SequenceLabelField,
    SpanField,
    TextField,
)
from nlpreg.data.fields.field import new_counter
from nlpreg.data.token_indexers import (
    ELMoTokenCharactersIndexer,
    SingleIdTokenIndexer,
    TokenCharactersIndexer,
)
from nlpreg.data.tokenizers import CharacterTokenizer
from nlpreg.data.vocabulary import count_instances

WORDS = ["the", "dog", "The", "", "naïve", "日本語", "x" * 30, "a\nb", "🙂", "<S>"]


def slow_counts(instances: list[Instance]) -> dict[str, dict[str, int]]:
    counter = new_counter()
    for instance in instances:
        for field in instance.fields.values():
            field.count_vocab_items(counter)
    return {namespace: dict(items) for namespace, items in counter.items()}


def slow_batch(instances: list[Instance]) -> dict[str, Any]:
    lengths: dict[str, dict[str, int]] = {}
    for instance in instances:
        for name, own in instance.get_padding_lengths().items():
            for key, length in own.items():
                lengths.setdefault(name, {})[key] = max(length, lengths.get(name, {}).get(key, 0))
    return {
        name: field.batch_tensors([one.fields[name].as_tensor(lengths.get(name, {})) for one in instances])
        for name, field in instances[0].fields.items()
    }


def assert_same(first: Any, second: Any) -> None:
    assert type(first) is type(second)
    if isinstance(first, torch.Tensor):
        assert first.dtype == second.dtype
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same(first[key], second[key])
    else:
        assert first == second


def random_indexers(generator: random.Random) -> dict[str, TokenIndexer]:
    ends: list[str] = generator.choice([[], ["<S>"], ["new", "the"]])
    tokenizer = generator.choice(
        [
            CharacterTokenizer(),
            CharacterTokenizer(lowercase_characters=True, start_tokens=["<"], end_tokens=[">"]),
            CharacterTokenizer(byte_encoding="utf-16", start_tokens=[300]),
        ]
    )
    choices: dict[str, TokenIndexer] = {
        "tokens": SingleIdTokenIndexer(end_tokens=ends, token_min_padding_length=generator.choice([0, 4])),
        "lower": SingleIdTokenIndexer("lower", lowercase_tokens=True, start_tokens=ends),
        "chars": TokenCharactersIndexer(
            character_tokenizer=tokenizer,
            start_tokens=ends,
            min_padding_length=3,
            token_min_padding_length=generator.choice([0, 2]),
        ),
        "elmo": ELMoTokenCharactersIndexer(tokens_to_add={"dog": 400}),
        "pos": SingleIdTokenIndexer("pos", feature_name="pos_", default_value="NONE"),
    }
    return {name: choices[name] for name in generator.sample(sorted(choices), generator.randint(1, 5))}


def random_text(generator: random.Random, indexers: dict[str, TokenIndexer]) -> TextField:
    chosen = generator.choices(WORDS, k=generator.randint(0, 6))
    if generator.random() < 0.3:
        return TextField([Token(word, pos_=generator.choice(["N", None])) for word in chosen], indexers)
    return TextField.from_words(chosen, indexers)


def random_corpus(seed: int) -> Callable[[], list[Instance]]:
    """Makes the same random corpus each time it is called."""
    indexers = random_indexers(random.Random(seed))
    others = random_indexers(random.Random(seed + 1)) if seed % 3 == 0 else indexers

    def make() -> list[Instance]:
        generator = random.Random(seed)
        instances = []
        for number in range(generator.randint(1, 12)):
            text = random_text(generator, indexers)
            fields: dict[str, Field[Any]] = {
                "text": text,
                "other": random_text(generator, others),
                "tags": SequenceLabelField([generator.choice("ABC") for _ in range(len(text))], text),
                "label": LabelField(generator.choice("xyz"), "topic_labels"),
                "id": LabelField(number, skip_indexing=True),
                "all": MultiLabelField(generator.sample("xyz", 2), "topic_labels"),
                "metadata": MetadataField({"number": number}),
                "texts": ListField(
                    [random_text(generator, indexers) for _ in range(generator.randint(1, 3))]
                ),
                "spans": ListField([SpanField(-1, -1, text)]),
            }
            instances.append(Instance(fields))
        return instances

    return make


@pytest.mark.parametrize("seed", range(40))
def test_everything_is_as_instance_by_instance(seed: int) -> None:
    make = random_corpus(seed)
    counts = count_instances(make())
    expected = slow_counts(make())
    assert counts == expected
    # the order of first appearance decides ids
    assert {ns: list(items) for ns, items in counts.items()} == {ns: list(i) for ns, i in expected.items()}

    vocab = Vocabulary(counts, min_count={"tokens": 2} if "tokens" in counts else None)
    fast, slow = make(), make()
    index_instances(fast, vocab)
    for instance in slow:
        instance.index_fields(vocab)
    assert fast == slow
    assert all(instance.indexed for instance in fast)
    assert_same(Batch(fast).as_tensor_dict(), slow_batch(slow))
    # a batch of instances indexed in both ways
    mixed = [*fast[::2], *slow[1::2]]
    assert_same(Batch(mixed).as_tensor_dict(), slow_batch([*slow[::2], *slow[1::2]]))


def test_counting_goes_on_from_group_to_group(
    monkeypatch: pytest.MonkeyPatch, make_instance: Callable[..., Instance]
) -> None:
    instances = [make_instance(words) for words in ("b a", "a c", "d b b")]
    whole = count_instances(instances)
    monkeypatch.setattr(vocabulary_module, "_INSTANCES_AT_ONCE", 1)
    piecewise = count_instances(iter(instances))
    assert piecewise == whole
    assert list(piecewise["tokens"]) == list(whole["tokens"]) == ["b", "a", "c", "d"]


def test_nothing(vocab: Vocabulary) -> None:
    assert count_instances([]) == {}
    index_instances([], vocab)


def test_an_indexed_instance_stays_as_it_is(
    vocab: Vocabulary, make_instance: Callable[..., Instance]
) -> None:
    instance = make_instance("the dog")
    index_instances([instance], vocab)
    index_instances([instance], Vocabulary())
    assert Batch([instance]).as_tensor_dict()["text"]["tokens"]["tokens"].tolist() == [[2, 3]]


class PluginInstance(Instance):
    """An instance of a plugin, with methods of its own."""

    def count_vocab_items(self, counter: dict[str, dict[str, int]]) -> None:
        counter["plugin"]["x"] += 1

    def index_fields(self, vocab: Vocabulary) -> None:
        self.indexed = True
        self.fields["text"]._indexed_tokens = "by the plugin"


def test_overrides_of_an_instance_are_called(
    vocab: Vocabulary, make_instance: Callable[..., Instance]
) -> None:
    instances = [make_instance("a"), PluginInstance(make_instance("b").fields)]
    assert count_instances(instances)["plugin"] == {"x": 1}
    index_instances(instances, vocab)
    assert instances[1].fields["text"]._indexed_tokens == "by the plugin"
    assert instances[0].indexed
