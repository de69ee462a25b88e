"""Chunks, as in the shared task of CoNLL 2000."""

from typing import Any, Literal

from nlpreg.data.dataset_readers.conll2003 import ConllReader
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.token_class import Token


@DatasetReader.register("conll2000")
class Conll2000DatasetReader(ConllReader):
    """Reads lines `WORD POS CHUNK`; blank lines separate sentences.

    Fields: `tokens`; `metadata`, whose "words" are the words; `tags`; for each feature label `pos_tags` or `chunk_tags`,
    in the namespace of that name. The scheme of the chunks is BIO.

    Args:
        token_indexers: the indexers of `tokens`; single ids under the name "tokens" unless given.
        tag_label: the column to use as tags: "chunk" or "pos"; None for no tags.
        **kwargs: arguments of `ConllReader`.

    Source: Tjong Kim Sang and Buchholz (2000), https://aclanthology.org/W00-0726
    """

    columns = ("pos", "chunk")
    encoding = "BIO"

    def __init__(
        self,
        token_indexers: dict[str, TokenIndexer] | None = None,
        tag_label: Literal["pos", "chunk"] | None = "chunk",
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(token_indexers, tag_label, *args, **kwargs)

    def text_to_instance(
        self,
        tokens: list[Token] | list[str],
        pos_tags: list[str] | None = None,
        chunk_tags: list[str] | None = None,
    ) -> Instance:
        """A sentence with those of its tags that are known."""
        return self._tagged(tokens, {"pos": pos_tags, "chunk": chunk_tags})
