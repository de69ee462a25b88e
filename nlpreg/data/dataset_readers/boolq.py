"""Questions that a passage answers by yes or no."""

import json
from typing import Any

from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import bad_line, excerpt, json_object
from nlpreg.data.dataset_readers.text_file_reader import TokenizingReader
from nlpreg.data.fields import Field, LabelField, TextField
from nlpreg.data.instance import Instance

_MAX_PASSAGE_TOKENS = 448
_MAX_QUESTION_TOKENS = 60


@DatasetReader.register("boolq")
class BoolQDatasetReader(TokenizingReader):
    """Reads JSON lines with the keys `passage`, `question` and `label` (true or false).

    Fields: `tokens`, the first 448 tokens of the passage and the first 60 of the question, joined by the tokenizer;
    `label`, 0 or 1, if it is known.

    Args:
        tokenizer: splits both texts; at white space unless given.
        token_indexers: the indexers of `tokens`; single ids under the name "tokens" unless given.
        **kwargs: arguments of `TextFileReader`.

    Source: Clark et al. (2019), https://aclanthology.org/N19-1300
    """

    def text_to_instance(self, passage: str, question: str, label: bool | None = None) -> Instance:
        """A question about a passage, with its answer if that is known."""
        passage_tokens = self._tokenizer.tokenize(passage)[:_MAX_PASSAGE_TOKENS]
        question_tokens = self._tokenizer.tokenize(question)[:_MAX_QUESTION_TOKENS]
        tokens = self._tokenizer.add_special_tokens(passage_tokens, question_tokens)
        fields: dict[str, Field[Any]] = {"tokens": TextField(tokens)}
        if label is not None:
            fields["label"] = LabelField(int(label), skip_indexing=True)
        return Instance(fields)

    def _instance_of(self, unit: str, file: str, line: int) -> Instance:
        item = json_object(unit, file, line, text_keys=["passage", "question"])
        label = item.get("label")
        if label not in (None, False, True):  # as are 0 and 1
            raise bad_line(file, line, 'true or false under the key "label"', excerpt(json.dumps(label)))
        return self.text_to_instance(item["passage"], item["question"], label)
