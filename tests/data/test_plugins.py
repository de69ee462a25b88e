"""Readers, indexers, fields, tokenizers and samplers as plugins of AllenNLP are written: no shortcuts of ours."""

from typing import Any, Dict, Iterable, List

import pytest
import torch

from nlpreg.common import Params
from nlpreg.common.file_utils import cached_path
from nlpreg.common.util import pad_sequence_to_length
from nlpreg.data import (
    Batch,
    BatchSampler,
    DatasetReader,
    Field,
    IndexedTokenList,
    Instance,
    Token,
    TokenIndexer,
    Tokenizer,
    Vocabulary,
)
from nlpreg.data.data_loaders import MultiProcessDataLoader
from nlpreg.data.fields import LabelField, ListField, TextField
from nlpreg.data.samplers import BucketBatchSampler
from nlpreg.data.token_indexers import SingleIdTokenIndexer
from nlpreg.data.tokenizers import WhitespaceTokenizer

NUM_LINES = 19


@Tokenizer.register("test_underscores")
class Underscores(Tokenizer):
    def tokenize(self, text: str) -> List[Token]:
        return [Token(part, i) for i, part in enumerate(text.split("_"))]


@TokenIndexer.register("test_shapes")
class Shapes(TokenIndexer):
    def __init__(self, namespace: str = "shapes", token_min_padding_length: int = 0) -> None:
        super().__init__(token_min_padding_length)
        self.namespace = namespace

    def count_vocab_items(self, token: Token, counter: Dict[str, Dict[str, int]]) -> None:
        counter[self.namespace][self._shape(token)] += 1

    def tokens_to_indices(self, tokens: List[Token], vocabulary: Vocabulary) -> IndexedTokenList:
        ids = [vocabulary.get_token_index(self._shape(token), self.namespace) for token in tokens]
        return {"ids": ids, "mask": [True] * len(tokens)}

    def get_empty_token_list(self) -> IndexedTokenList:
        return {"ids": [], "mask": []}

    def _shape(self, token: Token) -> str:
        return "".join("X" if char.isupper() else "x" for char in token.ensure_text())


@TokenIndexer.register("test_lengths")
class Lengths(TokenIndexer):
    def count_vocab_items(self, token: Token, counter: Dict[str, Dict[str, int]]) -> None:
        pass

    def tokens_to_indices(self, tokens: List[Token], vocabulary: Vocabulary) -> IndexedTokenList:
        return {"vectors": [[float(len(token.ensure_text())), 1.0] for token in tokens]}

    def get_empty_token_list(self) -> IndexedTokenList:
        return {"vectors": []}

    def as_padded_tensor_dict(
        self, tokens: IndexedTokenList, padding_lengths: Dict[str, int]
    ) -> Dict[str, torch.Tensor]:
        padded = pad_sequence_to_length(tokens["vectors"], padding_lengths["vectors"], lambda: [0.0, 0.0])
        return {"vectors": torch.FloatTensor(padded)}


@TokenIndexer.register("test_backwards")
class Backwards(SingleIdTokenIndexer):
    def count_vocab_items(self, token: Token, counter: Dict[str, Dict[str, int]]) -> None:
        counter["backwards"][token.ensure_text()[::-1]] += 1

    def tokens_to_indices(self, tokens: List[Token], vocabulary: Vocabulary) -> IndexedTokenList:
        return {"tokens": [vocabulary.get_token_index(t.ensure_text()[::-1], "backwards") for t in tokens]}


class Numbers(Field[torch.Tensor]):
    def __init__(self, numbers: List[int]) -> None:
        self.numbers = numbers

    def get_padding_lengths(self) -> Dict[str, int]:
        return {"n": len(self.numbers)}

    def as_tensor(self, padding_lengths: Dict[str, int]) -> torch.Tensor:
        return torch.tensor(self.numbers + [-7] * (padding_lengths["n"] - len(self.numbers)))

    def empty_field(self) -> "Numbers":
        return Numbers([])

    def __len__(self) -> int:
        return len(self.numbers)


class Text(Field[int]):
    def __init__(self, text: str) -> None:
        self.text = text
        self.id = -1

    def count_vocab_items(self, counter: Dict[str, Dict[str, int]]) -> None:
        counter["texts"][self.text] += 1

    def index(self, vocab: Vocabulary) -> None:
        self.id = vocab.get_token_index(self.text, "texts")

    def get_padding_lengths(self) -> Dict[str, int]:
        return {}

    def as_tensor(self, padding_lengths: Dict[str, int]) -> int:
        return self.id

    def batch_tensors(self, tensor_list: List[int]) -> Any:
        return tuple(tensor_list)


class ShiftedLabel(LabelField):
    def as_tensor(self, padding_lengths: Dict[str, int]) -> torch.Tensor:
        return super().as_tensor(padding_lengths) + 100


@BatchSampler.register("test_threes")
class Threes(BatchSampler):
    def get_batch_indices(self, instances: Any) -> Iterable[List[int]]:
        return [list(range(i, min(i + 3, len(instances)))) for i in range(0, len(instances), 3)]

    def get_num_batches(self, instances: Any) -> int:
        return len(list(self.get_batch_indices(instances)))


@DatasetReader.register("test_csv_pairs")
class CsvPairs(DatasetReader):
    def __init__(
        self,
        tokenizer: Tokenizer = None,
        token_indexers: Dict[str, TokenIndexer] = None,  # noqa: RUF013
        sep: str = ",",
        **kwargs: Any,
    ) -> None:
        super().__init__(manual_distributed_sharding=True, manual_multiprocess_sharding=True, **kwargs)
        self._tokenizer = tokenizer or WhitespaceTokenizer()
        self._token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer()}
        self._sep = sep

    def _read(self, file_path: Any) -> Iterable[Instance]:
        with open(cached_path(file_path)) as file:
            for line in self.shard_iterable(file):
                text, label = line.rstrip("\n").rsplit(self._sep, 1)
                yield self.text_to_instance(text, label)

    def text_to_instance(self, text: str, label: str = None) -> Instance:  # noqa: RUF013
        tokens = self._tokenizer.tokenize(text)
        fields: Dict[str, Field[Any]] = {
            "text": TextField(tokens),
            "numbers": Numbers(list(range(len(tokens)))),
            "lists": ListField([Numbers([1] * i) for i in range(1, len(tokens) + 1)]),
            "whole": Text(text),
        }
        if label is not None:
            fields["label"] = ShiftedLabel(label)
        return Instance(fields)

    def apply_token_indexers(self, instance: Instance) -> None:
        instance["text"].token_indexers = self._token_indexers


@pytest.fixture
def path(tmp_path: Any) -> str:
    lines = [f"Word{i}_b_{'x' * (i % 3 + 1)}{'_w' * (i % 4)}\tL{i % 3}\n" for i in range(NUM_LINES)]
    (tmp_path / "pairs.csv").write_text("".join(lines))
    return str(tmp_path / "pairs.csv")


@pytest.fixture
def reader() -> DatasetReader:
    indexers = {
        "tokens": {"lowercase_tokens": True},
        "shapes": {"type": "test_shapes", "token_min_padding_length": 7},
        "lengths": "test_lengths",
        "backwards": "test_backwards",
    }
    config = {
        "type": "test_csv_pairs",
        "sep": "\t",
        "tokenizer": "test_underscores",
        "token_indexers": indexers,
    }
    return DatasetReader.from_params(Params(config))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return bool(one == other)


def test_a_batch_is_what_the_methods_of_a_plugin_give_one_by_one(reader: DatasetReader, path: str) -> None:
    instances = list(reader.read(path))
    vocab = Vocabulary.from_instances(instances)
    assert vocab.get_vocab_size("texts") == NUM_LINES + 2
    assert vocab.get_token_index("w", "backwards") == 2
    for instance in instances:
        instance.index_fields(vocab)
    batch = Batch(instances)
    tensors, lengths = batch.as_tensor_dict(), batch.get_padding_lengths()
    for name, field in instances[0].items():
        alone = [instance[name].as_tensor(lengths[name]) for instance in instances]
        assert same(tensors[name], field.batch_tensors(alone)), name
    assert tensors["text"]["shapes"]["mask"].shape == (NUM_LINES, 7)
    assert tensors["text"]["lengths"]["vectors"][0].tolist() == [
        [5, 1],
        [1, 1],
        [1, 1],
        [0, 0],
        [0, 0],
        [0, 0],
    ]
    assert tensors["numbers"][0].tolist() == [0, 1, 2, -7, -7, -7]
    assert tensors["label"].min() >= 100


@pytest.mark.parametrize(
    "way",
    [
        {"batch_size": 4},
        {"batch_size": 4, "num_workers": 2, "max_instances_in_memory": 8, "shuffle": True},
        {"batch_sampler": Threes()},
        {"batch_sampler": BucketBatchSampler(4, ["numbers"])},
    ],
)
def test_loaders_take_plugins_as_they_are(reader: DatasetReader, path: str, way: Dict[str, Any]) -> None:
    vocab = Vocabulary.from_instances(reader.read(path))
    loader = MultiProcessDataLoader(reader, path, quiet=True, **way)
    loader.index_with(vocab)
    seen = [number for batch in loader for number in batch["whole"]]
    assert sorted(seen) == list(range(2, NUM_LINES + 2))
