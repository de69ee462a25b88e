"""A dataset reader: a word and its tag on each line, with a tab between them."""

from collections.abc import Iterable, Iterator
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.file_utils import cached_path
from nlpreg.data import DatasetReader, Instance, Token, TokenIndexer
from nlpreg.data.fields import Field, MetadataField, SequenceLabelField, TextField
from nlpreg.data.token_indexers import SingleIdTokenIndexer


@DatasetReader.register("tab_separated")
class TabSeparatedReader(DatasetReader):
    """Reads sentences of words and tags; an empty line ends a sentence.

    Fields: `tokens`, `tags`, and `metadata` with the `words`.

    Args:
        token_indexers: the indexers of the words; single ids under the name "tokens" unless given.
        **kwargs: arguments of `DatasetReader`.
    """

    def __init__(self, token_indexers: dict[str, TokenIndexer] | None = None, **kwargs: Any) -> None:
        super().__init__(manual_distributed_sharding=True, manual_multiprocess_sharding=True, **kwargs)
        self._token_indexers = token_indexers or {"tokens": SingleIdTokenIndexer()}

    def _read(self, file_path: str) -> Iterable[Instance]:
        for sentence in self.shard_iterable(self._sentences(cached_path(file_path))):
            words, tags = zip(*sentence, strict=True)
            yield self.text_to_instance([Token(word) for word in words], list(tags))

    @staticmethod
    def _sentences(path: str) -> Iterator[list[tuple[str, str]]]:
        sentence: list[tuple[str, str]] = []
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    word, tab, tag = line.rstrip("\n").partition("\t")
                    if not tab:
                        raise ConfigurationError(
                            f"{path}:{number}: expected a word, a tab and a tag, got {line!r}"
                        )
                    sentence.append((word, tag))
                elif sentence:
                    yield sentence
                    sentence = []
        if sentence:
            yield sentence

    def text_to_instance(self, tokens: list[Token], tags: list[str] | None = None) -> Instance:
        text = TextField(tokens)
        fields: dict[str, Field[Any]] = {
            "tokens": text,
            "metadata": MetadataField({"words": [t.text for t in tokens]}),
        }
        if tags is not None:
            fields["tags"] = SequenceLabelField(tags, text)
        return Instance(fields)

    def apply_token_indexers(self, instance: Instance) -> None:
        instance["tokens"].token_indexers = self._token_indexers  # type: ignore[attr-defined]  # a text field
