from pathlib import Path
from typing import Any

import pytest
import torch

from nlpreg.common import Params
from nlpreg.data import Batch, Instance, Token, TokenIndexer, Vocabulary
from nlpreg.data.fields import ListField, TextField
from nlpreg.data.fields.field import new_counter
from nlpreg.data.token_indexers import PretrainedTransformerIndexer
from nlpreg.data.tokenizers import PretrainedTransformerTokenizer

TEXT = "the dog barks the dog"
# [CLS] the dog bark ##s the dog [SEP]
IDS = [2, 5, 6, 7, 8, 5, 6, 3]


def indexed(folder: Path, text: str, **arguments: Any) -> dict[str, list[Any]]:
    tokens = PretrainedTransformerTokenizer(str(folder)).tokenize(text)
    return PretrainedTransformerIndexer(str(folder), **arguments).tokens_to_indices(tokens, Vocabulary())


def test_ids_mask_and_segments(tiny_bert: Path) -> None:
    assert indexed(tiny_bert, TEXT) == {"token_ids": IDS, "mask": [True] * 8, "type_ids": [0] * 8}


def test_the_table_of_the_model_goes_to_the_vocabulary_once(tiny_bert: Path) -> None:
    indexer = PretrainedTransformerIndexer(str(tiny_bert))
    counter = new_counter()
    indexer.count_vocab_items(Token("a"), counter)
    assert not counter
    vocab = Vocabulary()
    output = indexer.tokens_to_indices([Token("dog", text_id=6)], vocab)
    assert vocab.get_vocab_size("tags") == 15
    assert vocab.get_token_index("dog", "tags") == 6
    assert not vocab.is_padded("tags")
    assert indexer.indices_to_tokens(output, vocab) == [Token("dog", text_id=6, type_id=0)]


def test_tokens_without_ids_are_looked_up_in_the_model(tiny_bert: Path) -> None:
    indexer = PretrainedTransformerIndexer(str(tiny_bert))
    output = indexer.tokens_to_indices(
        [Token("dog"), Token("never seen"), Token("a", text_id=9)], Vocabulary()
    )
    assert output["token_ids"] == [6, 1, 9]


@pytest.mark.parametrize(
    ("max_length", "expected"),
    [
        (10, IDS),
        (8, IDS),
        (5, [2, 5, 6, 7, 3, 2, 8, 5, 6, 3]),
        (4, [2, 5, 6, 3, 2, 7, 8, 3, 2, 5, 6, 3]),
        (3, [piece for piece_id in IDS[1:-1] for piece in (2, piece_id, 3)]),
    ],
)
def test_folding(tiny_bert: Path, max_length: int, expected: list[int]) -> None:
    output = indexed(tiny_bert, TEXT, max_length=max_length)
    assert output["token_ids"] == expected
    assert output["mask"] == [True] * len(IDS)
    assert output["segment_concat_mask"] == [True] * len(expected)
    assert output["type_ids"] == [0] * len(expected)


def test_folding_of_nothing(tiny_bert: Path) -> None:
    assert indexed(tiny_bert, "", max_length=5)["token_ids"] == [2, 3]


def test_no_room_for_folding(tiny_bert: Path) -> None:
    with pytest.raises(ValueError, match="expected more than the 2 special tokens .*, got 2"):
        PretrainedTransformerIndexer(str(tiny_bert), max_length=2)


@pytest.mark.parametrize("max_length", [None, 5])
def test_batches_are_padded_with_the_id_for_that(tiny_bert: Path, max_length: int | None) -> None:
    tokenizer = PretrainedTransformerTokenizer(str(tiny_bert))
    indexers: dict[str, TokenIndexer] = {
        "bert": PretrainedTransformerIndexer(str(tiny_bert), max_length=max_length)
    }
    indexers["bert"]._tokenizer.pad_token_id = 14
    try:
        instances = [
            Instance({"text": TextField(tokenizer.tokenize(text), indexers)}) for text in (TEXT, "dog")
        ]
        batch = Batch(instances)
        batch.index_instances(Vocabulary())
        tensors = batch.as_tensor_dict()["text"]["bert"]
        lengths = batch.get_padding_lengths()["text"]
        single = [instance["text"].as_tensor(lengths)["bert"] for instance in instances]
        for key, tensor in tensors.items():
            assert torch.equal(tensor, torch.stack([one[key] for one in single]))
            assert tensor.dtype == (torch.bool if key.endswith("mask") else torch.int64)
        assert tensors["token_ids"][1, 3:].unique().tolist() == [14]
        assert tensors["mask"].shape == (2, 8)
        assert tensors["type_ids"].sum().item() == 0
    finally:
        indexers["bert"]._tokenizer.pad_token_id = 0


def test_lists(tiny_bert: Path) -> None:
    tokenizer = PretrainedTransformerTokenizer(str(tiny_bert))
    indexers: dict[str, TokenIndexer] = {"bert": PretrainedTransformerIndexer(str(tiny_bert), max_length=9)}
    lists = [ListField([TextField(tokenizer.tokenize("dog"), indexers)] * number) for number in (1, 2)]
    batch = Batch([Instance({"texts": field}) for field in lists])
    batch.index_instances(Vocabulary())
    tensors = batch.as_tensor_dict()["texts"]["bert"]
    assert tensors["mask"].tolist() == [[[True] * 3, [False] * 3], [[True] * 3] * 2]
    assert tensors["mask"].dtype == torch.bool


def test_equality_and_config(tiny_bert: Path) -> None:
    indexer = TokenIndexer.from_params(
        Params({"type": "pretrained_transformer", "model_name": str(tiny_bert), "max_length": 7})
    )
    assert indexer == PretrainedTransformerIndexer(str(tiny_bert), max_length=7)
    assert indexer != PretrainedTransformerIndexer(str(tiny_bert))
    assert indexer != "x"
