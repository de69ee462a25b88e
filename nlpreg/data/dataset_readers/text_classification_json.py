"""A text with its class a line, as JSON."""

import json
from typing import Any

from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import bad_line, excerpt, json_object
from nlpreg.data.dataset_readers.text_file_reader import TextFileReader, text_field_of, words_or_tokens
from nlpreg.data.fields import Field, LabelField, ListField, TextField
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers import SpacySentenceSplitter, SpacyTokenizer, Tokenizer
from nlpreg.data.tokenizers.spacy_tokenizer import check_spacy


@DatasetReader.register("text_classification_json")
class TextClassificationJsonReader(TextFileReader):
    """Reads lines such as `{"text": "I like it", "label": "positive"}`; blank lines are skipped.

    Fields: `tokens`, a text, or a list of them with `segment_sentences`; `label` (namespace "labels"), if there is one.

    Args:
        token_indexers: the indexers of `tokens`; single ids under the name "tokens" unless given.
        tokenizer: splits the text; spaCy's unless given, so name one ("whitespace") where spaCy is not wanted.
        segment_sentences: whether to split the text into sentences first (with spaCy), each of which becomes a text.
        max_sequence_length: number of tokens to which a text (each sentence, if segmented) is truncated.
        skip_label_indexing: whether labels are already ids, as numbers or strings such as "3".
        text_key: key of the text in a line.
        label_key: key of the label in a line.
        **kwargs: arguments of `TextFileReader`.
    """

    def __init__(
        self,
        token_indexers: dict[str, TokenIndexer] | None = None,
        tokenizer: Tokenizer | None = None,
        segment_sentences: bool = False,
        max_sequence_length: int | None = None,
        skip_label_indexing: bool = False,
        text_key: str = "text",
        label_key: str = "label",
        **kwargs: Any,
    ) -> None:
        super().__init__(token_indexers=token_indexers, **kwargs)
        self._tokenizer = tokenizer or SpacyTokenizer()
        self._segment_sentences = segment_sentences
        self._max_sequence_length = max_sequence_length
        self._skip_label_indexing = skip_label_indexing
        self._text_key = text_key
        self._label_key = label_key
        self._sentence_segmenter = SpacySentenceSplitter() if segment_sentences else None

    @staticmethod
    def check_arguments(tokenizer: object, segment_sentences: bool) -> None:
        """Check that spaCy is installed where it is used; also called by `nlpreg check`."""
        if tokenizer is None:
            check_spacy("tokenizer", "name another tokenizer, such as whitespace")
        if segment_sentences:
            check_spacy("segment_sentences", "leave this out")

    def text_to_instance(self, text: str, label: str | int | None = None) -> Instance:
        """A text, with its class if known.

        Raises:
            ValueError: the label is not an integer although it should be an id.
        """
        fields: dict[str, Field[Any]] = {}
        if self._sentence_segmenter is not None:
            sentences = self._sentence_segmenter.split_sentences(text)
            fields["tokens"] = ListField([self._text_field(sentence) for sentence in sentences or [""]])
        else:
            fields["tokens"] = self._text_field(text)
        if label is not None:
            fields["label"] = self._label_field(label)
        return Instance(fields)

    def _text_field(self, text: str) -> TextField:
        return text_field_of(self._truncate(words_or_tokens(self._tokenizer, text)))

    def _truncate(self, tokens: Any) -> Any:
        """Truncate a text; subclasses may override this."""
        return tokens[: self._max_sequence_length]

    def _label_field(self, label: str | int) -> LabelField:
        if isinstance(label, (list, dict)):
            raise ValueError(
                f"expected a text or a number as the label, got {label!r}; a text with several labels needs another reader"
            )
        if not self._skip_label_indexing:
            return LabelField(str(label))
        try:
            return LabelField(int(label), skip_indexing=True)
        except ValueError as error:
            raise ValueError(
                f"label: expected an integer since skip_label_indexing is set, got {label!r}"
            ) from error

    def _instance_of(self, unit: str, file: str, line: int) -> Instance | None:
        item = json_object(unit, file, line, text_keys=[self._text_key])
        text, label = item[self._text_key], item.get(self._label_key)
        if self._skip_label_indexing and label is not None and not _is_whole_number(label):
            raise bad_line(
                file, line, f'an integer under the key "{self._label_key}"', excerpt(json.dumps(label))
            )
        return self.text_to_instance(text=text, label=label)


def _is_whole_number(label: Any) -> bool:
    try:
        return int(label) == label or isinstance(label, str)
    except (TypeError, ValueError):
        return False
