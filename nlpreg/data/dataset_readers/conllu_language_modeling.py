"""The words of a treebank, for language models."""

from __future__ import annotations

from typing import Any

from nlpreg.data.dataset_readers.conllu import ConlluDatasetReader
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.tokenizing import text_field_of
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.token_class import Token


@DatasetReader.register("conllu_language_modeling")
class ConlluLanguageModelingReader(ConlluDatasetReader):
    """Reads the words of files in the CoNLL-U format, and nothing else of them.

    Field: `source`, the words of a sentence with start and end tokens around them.

    Args:
        token_indexers: the indexers of `source`; single ids under the name "tokens" unless given.
        start_tokens: put before every sentence, the first one first.
        end_tokens: put after every sentence.
        skip_bad_lines: whether a sentence that cannot be read is left out, counted and reported, instead of ending the
            run.
        max_instances: read at most this many sentences, counted over all processes together; None for all.
        serialization_dir: folder of the training run.
    """

    text_field_names = ("source",)

    def __init__(
        self,
        token_indexers: dict[str, TokenIndexer] | None = None,
        start_tokens: list[str] | None = None,
        end_tokens: list[str] | None = None,
        skip_bad_lines: bool = False,
        max_instances: int | None = None,
        serialization_dir: str | None = None,
    ) -> None:
        super().__init__(
            token_indexers=token_indexers,
            skip_bad_lines=skip_bad_lines,
            max_instances=max_instances,
            serialization_dir=serialization_dir,
        )
        self._start_tokens = list(start_tokens or [])
        self._end_tokens = list(end_tokens or [])
        self._takes_words = type(self).text_to_instance is ConlluLanguageModelingReader.text_to_instance

    @property
    def start_tokens(self) -> list[str]:
        """The tokens before every text."""
        return list(self._start_tokens)

    @property
    def end_tokens(self) -> list[str]:
        """The tokens after every text."""
        return list(self._end_tokens)

    def text_to_instance(self, tokens: list[Token] | list[str], tags: Any = None) -> Instance:
        """A sentence, whose tags are of no interest here."""
        words = [token if isinstance(token, str) else token.text or "" for token in tokens]
        return Instance({"source": text_field_of([*self._start_tokens, *words, *self._end_tokens])})
