"""A tagged sentence a line."""

from typing import Any

from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import bad_line, excerpt, split_at_blanks
from nlpreg.data.dataset_readers.text_file_reader import TextFileReader, tagged_instance
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.token_class import Token

DEFAULT_WORD_TAG_DELIMITER = "###"


@DatasetReader.register("sequence_tagging")
class SequenceTaggingDatasetReader(TextFileReader):
    """Reads lines such as `The###DET dog###NOUN barks###VERB`, one sentence each; blank lines are skipped.

    Fields: `tokens`; `tags` (namespace "labels"); `metadata`, whose "words" are the words.

    Args:
        word_tag_delimiter: separates a word from its tag; the last one in an item counts.
        token_delimiter: separates items; by default spaces and tabs.
        token_indexers: the indexers of `tokens`; single ids under the name "tokens" unless given.
        unknown_tag: the tag of words whose tag is not known, such as "?" or "_"; None where every word is tagged. Losses and
            metrics leave these words out; a `crf_tagger` with `partial_labels` sums over all tags that they may have.
        **kwargs: arguments of `TextFileReader`.
    """

    unit_name = "sentence"

    def __init__(
        self,
        word_tag_delimiter: str = DEFAULT_WORD_TAG_DELIMITER,
        token_delimiter: str | None = None,
        token_indexers: dict[str, TokenIndexer] | None = None,
        unknown_tag: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(token_indexers=token_indexers, **kwargs)
        self._word_tag_delimiter = word_tag_delimiter
        self._token_delimiter = token_delimiter
        self.unknown_tag = unknown_tag

    def text_to_instance(self, tokens: list[Token] | list[str], tags: list[str] | None = None) -> Instance:
        """A sentence, tagged or not."""
        return tagged_instance(tokens, tags, unknown_tag=self.unknown_tag)

    def _instance_of(self, unit: str, file: str, line: int) -> Instance:
        items = split_at_blanks(unit) if self._token_delimiter is None else unit.split(self._token_delimiter)
        pairs = [item.rsplit(self._word_tag_delimiter, 1) for item in items]
        for item, pair in zip(items, pairs, strict=True):
            if len(pair) < 2 or not pair[1]:
                expected = f"items such as word{self._word_tag_delimiter}TAG"
                advice = "put the tag after each word, or set word_tag_delimiter and token_delimiter"
                raise bad_line(file, line, expected, excerpt(item), advice)
        words, tags = map(list, zip(*pairs, strict=True))
        return self.text_to_instance(self._as_tokens(words), tags)
