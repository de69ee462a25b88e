from pathlib import Path

import pytest
import torch

from nlpreg.common import Params
from nlpreg.data import Batch, Instance, Token, TokenIndexer, Vocabulary
from nlpreg.data.fields import TextField
from nlpreg.data.fields.field import new_counter
from nlpreg.data.token_indexers import PretrainedTransformerMismatchedIndexer


def test_pieces_of_words(tiny_bert: Path) -> None:
    indexer = PretrainedTransformerMismatchedIndexer(str(tiny_bert))
    vocab = Vocabulary()
    output = indexer.tokens_to_indices([Token("barks"), Token(" "), Token("dog")], vocab)
    assert output == {
        "token_ids": [2, 7, 8, 6, 3],
        "mask": [True] * 3,
        "type_ids": [0] * 5,
        "offsets": [(1, 2), (-1, -1), (3, 3)],
        "wordpiece_mask": [True] * 5,
    }
    assert vocab.get_vocab_size("tags") == 15
    counter = new_counter()
    indexer.count_vocab_items(Token("a"), counter)
    assert not counter


def test_folding_leaves_the_offsets_alone(tiny_bert: Path) -> None:
    indexer = PretrainedTransformerMismatchedIndexer(str(tiny_bert), max_length=4)
    output = indexer.tokens_to_indices([Token("barks"), Token("dog")], Vocabulary())
    assert output["token_ids"] == [2, 7, 8, 3, 2, 6, 3]
    assert output["offsets"] == [(1, 2), (3, 3)]
    assert output["wordpiece_mask"] == [True] * 5
    assert output["segment_concat_mask"] == [True] * 7


@pytest.mark.parametrize("max_length", [None, 4])
def test_a_batch(tiny_bert: Path, max_length: int | None) -> None:
    indexers: dict[str, TokenIndexer] = {
        "bert": PretrainedTransformerMismatchedIndexer(str(tiny_bert), max_length=max_length)
    }
    texts = [["barks", "", "the"], ["dog"]]
    batch = Batch([Instance({"text": TextField.from_words(words, indexers)}) for words in texts])
    batch.index_instances(Vocabulary())
    tensors = batch.as_tensor_dict()["text"]["bert"]
    assert tensors["offsets"].tolist() == [[[1, 2], [-1, -1], [3, 3]], [[1, 1], [0, 0], [0, 0]]]
    assert tensors["mask"].tolist() == [[True] * 3, [True, False, False]]
    assert tensors["wordpiece_mask"].shape == (2, 5)
    assert tensors["token_ids"].shape == tensors["type_ids"].shape == (2, 5 if max_length is None else 7)
    assert tensors["mask"].dtype == tensors["wordpiece_mask"].dtype == torch.bool
    assert ("segment_concat_mask" in tensors) == (max_length is not None)


def test_given_lengths_cut(tiny_bert: Path) -> None:
    indexer = PretrainedTransformerMismatchedIndexer(str(tiny_bert))
    output = indexer.tokens_to_indices([Token("dog")] * 3, Vocabulary())
    lengths = dict.fromkeys(output, 2)
    tensors = indexer.as_padded_tensor_dict(output, lengths)
    assert tensors["offsets"].tolist() == [[1, 1], [2, 2]]
    empty = indexer.get_empty_token_list()
    assert empty.keys() == output.keys()
    assert indexer.as_padded_tensor_dict(empty, lengths)["offsets"].tolist() == [[0, 0], [0, 0]]


def test_equality_and_config(tiny_bert: Path) -> None:
    config = {"type": "pretrained_transformer_mismatched", "model_name": str(tiny_bert), "max_length": 7}
    indexer = TokenIndexer.from_params(Params(config))
    assert indexer._matched_indexer._max_length == 7
    assert indexer != PretrainedTransformerMismatchedIndexer(str(tiny_bert))
