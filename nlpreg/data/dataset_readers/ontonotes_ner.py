"""Named entities of the OntoNotes corpus."""

from collections.abc import Iterator
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils import Ontonotes, ontonotes, to_bioul
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataFile, find_files
from nlpreg.data.dataset_readers.text_file_reader import TextFileReader, check_choice, tagged_instance
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.token_class import Token

_NEW_TESTAMENT = "pt"  # this genre has no entities


@DatasetReader.register("ontonotes_ner")
class OntonotesNamedEntityRecognition(TextFileReader):
    """Reads the `*gold_conll` files in a folder and all folders in it, except those of the genre `pt`.

    Fields: `tokens`; `metadata`, whose "words" are the words; `tags` (namespace "labels").

    Args:
        token_indexers: the indexers of `tokens`; single ids under the name "tokens" unless given.
        domain_identifier: read only files below a folder of this name, such as "nw" or "bc".
        coding_scheme: scheme of the tags, "BIO" or "BIOUL".
        **kwargs: arguments of `TextFileReader`.

    Raises:
        ConfigurationError: another coding scheme, or a genre without entities.
    """

    unit_name = "sentence"

    def __init__(
        self,
        token_indexers: dict[str, TokenIndexer] | None = None,
        domain_identifier: str | None = None,
        coding_scheme: str = "BIO",
        **kwargs: Any,
    ) -> None:
        super().__init__(token_indexers=token_indexers, **kwargs)
        check_choice("ontonotes_ner", "coding_scheme", coding_scheme, ("BIO", "BIOUL"))
        if domain_identifier == _NEW_TESTAMENT:
            raise ConfigurationError(
                'ontonotes_ner: domain_identifier "pt" (the New Testament) has no annotated entities; choose another'
            )
        self._domain_identifier = domain_identifier
        self._coding_scheme = coding_scheme

    def text_to_instance(
        self, tokens: list[Token] | list[str], ner_tags: list[str] | None = None
    ) -> Instance:
        """A sentence, tagged in BIO or untagged."""
        if ner_tags is not None and self._coding_scheme == "BIOUL":
            ner_tags = to_bioul(ner_tags, encoding="BIO")
        return tagged_instance(tokens, ner_tags)

    def _find_files(self, file_path: Any) -> list[DataFile]:
        wanted = None if self._domain_identifier is None else f"/{self._domain_identifier}/"
        files = [
            file
            for path in Ontonotes.dataset_path_iterator(file_path)
            if f"/{_NEW_TESTAMENT}/" not in path and (wanted is None or wanted in path)
            for file in find_files(path)
        ]
        if not files:
            raise ConfigurationError(
                f"{file_path}: expected files of the domain {self._domain_identifier or 'any but pt'}, found none"
            )
        return files

    def _units(self, file: DataFile) -> Iterator[tuple[int, str]]:
        return ontonotes.sentence_blocks(file)

    def _instance_of(self, unit: str, file: str, line: int) -> Instance:
        rows = ontonotes.rows_of(unit, file, line)
        words = [_without_slash(row[ontonotes.WORD]) for row in rows]
        tags = ontonotes.labels_of_brackets([row[ontonotes.ENTITY] for row in rows])
        return self.text_to_instance(self._as_tokens(words), tags)


def _without_slash(word: str) -> str:
    return word[1:] if word in ("/.", "/?") else word
