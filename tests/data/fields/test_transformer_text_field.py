import torch

from nlpreg.data import Batch, Instance
from nlpreg.data.fields import ListField, TransformerTextField


def test_padding_and_mask() -> None:
    fields = [
        TransformerTextField([5, 6, 7], token_type_ids=[0, 0, 1], padding_token_id=9),
        TransformerTextField(torch.tensor([[5]], dtype=torch.int32), torch.tensor([[1]]), padding_token_id=9),
    ]
    assert fields[0].get_padding_lengths() == {"input_ids": 3, "token_type_ids": 3}
    batch = Batch([Instance({"text": field}) for field in fields]).as_tensor_dict()["text"]
    assert batch["input_ids"].tolist() == [[5, 6, 7], [5, 9, 9]]
    assert batch["input_ids"].dtype == torch.int64
    assert batch["token_type_ids"].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert batch["attention_mask"].tolist() == [[True] * 3, [True, False, False]]
    assert batch["attention_mask"].dtype == torch.bool


def test_int32_becomes_int64() -> None:
    field = TransformerTextField(torch.tensor([1, 2], dtype=torch.int32))
    assert Batch([Instance({"t": field})]).as_tensor_dict()["t"]["input_ids"].dtype == torch.int64


def test_given_mask_and_offsets() -> None:
    field = TransformerTextField(
        [1, 2], attention_mask=[1, 1], special_tokens_mask=[1, 0], offsets_mapping=[[0, 0], [0, 3]]
    )
    tensors = field.as_tensor(
        {"input_ids": 3, "attention_mask": 3, "special_tokens_mask": 1, "offsets_mapping": 3}
    )
    assert tensors["attention_mask"].tolist() == [1, 1, 0]
    assert tensors["special_tokens_mask"].tolist() == [1]
    assert tensors["offsets_mapping"].tolist() == [[0, 0], [0, 3], [0, 0]]


def test_lists_and_empty_fields() -> None:
    field = TransformerTextField([1, 2], padding_token_id=3)
    lists = [ListField([field]), ListField([field, field])]
    batch = Batch([Instance({"t": one}) for one in lists]).as_tensor_dict()["t"]
    assert batch["input_ids"].tolist() == [[[1, 2], [3, 3]], [[1, 2], [1, 2]]]
    assert batch["attention_mask"].sum().item() == 6


def test_other_views() -> None:
    field = TransformerTextField([1, 2])
    assert len(field) == 2
    assert field.human_readable_repr() == {"input_ids": [1, 2]}
    assert field == TransformerTextField([1, 2]) != TransformerTextField([1, 3])
    assert field != [1, 2]
    assert len(TransformerTextField([])) == 0
