"""A text as it stands, for language models of characters and subwords."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataFile
from nlpreg.data.dataset_readers.simple_language_modeling import SimpleLanguageModelingDatasetReader
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.character_tokenizer import CharacterTokenizer
from nlpreg.data.tokenizers.tokenizer import Tokenizer


@DatasetReader.register("plain_text_language_modeling")
class PlainTextLanguageModelingReader(SimpleLanguageModelingDatasetReader):
    """Reads lines of text with their ends, blank lines too, so that every character of the text counts.

    Field: `source`, a line. For running text, whose loader puts the lines one after another again.

    Args:
        tokenizer: splits a line; into characters unless given. One that drops line ends drops blank lines with them.
        token_indexers: the indexers of `source`; single ids under the name "tokens" unless given.
        **kwargs: other arguments of `SimpleLanguageModelingDatasetReader`.
    """

    def __init__(
        self,
        tokenizer: Tokenizer | None = None,
        token_indexers: dict[str, TokenIndexer] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(tokenizer or CharacterTokenizer(), token_indexers, **kwargs)

    def _units(self, file: DataFile) -> Iterator[tuple[int, str]]:
        for number, line in file.lines():
            yield number, line + "\n"
