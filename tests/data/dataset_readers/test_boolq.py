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


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"passage": 3}, "a text under the key \"passage\", got '3'"),
        ({"question": None}, "a text under the key \"question\", got 'null'"),
        ({"label": "yes"}, 'true or false under the key "label", got \'"yes"\''),
        ({"label": 2}, "true or false under the key \"label\", got '2'"),
    ],
)
def test_values_of_the_wrong_type_are_located(read, item, message):
    good = {"passage": "a", "question": "b", "label": 1}
    text = json.dumps(good) + "\n" + json.dumps(good | item) + "\n"
    with pytest.raises(DataError, match=f"line 2: expected {message}"):
        read(BoolQDatasetReader(), text)
    assert len(read(BoolQDatasetReader(skip_bad_lines=True), text)) == 1
