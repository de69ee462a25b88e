import json

import pytest

from nlpreg.data.dataset_readers import BoolQDatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError
from nlpreg.data.tokenizers import Token, WhitespaceTokenizer


class Separated(WhitespaceTokenizer):
    def add_special_tokens(self, tokens1, tokens2=None):
        return [*tokens1, Token("[SEP]"), *(tokens2 or [])]


def test_passages_and_questions(read):
    items = [
        {"passage": "Öl schwimmt .", "question": "does it float", "label": True},
        {"passage": "p " * 500, "question": "q " * 100, "label": False},
    ]
    text = "".join(json.dumps(item) + "\n" for item in items)
    one, two = read(BoolQDatasetReader(tokenizer=Separated()), text)
    assert one["tokens"].human_readable_repr() == ["Öl", "schwimmt", ".", "[SEP]", "does", "it", "float"]
    assert (one["label"].label, two["label"].label) == (1, 0)
    assert two["tokens"].human_readable_repr() == ["p"] * 448 + ["[SEP]"] + ["q"] * 60


def test_without_answer_and_broken(read):
    assert set(read(BoolQDatasetReader(), '{"passage": "a", "question": "b"}\n')[0].fields) == {"tokens"}
    with pytest.raises(DataError, match=r'line 1: expected the key "question", got the keys passage'):
        read(BoolQDatasetReader(), '{"passage": "a"}\n')
