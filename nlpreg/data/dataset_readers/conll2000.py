"""Chunks, as in the shared task of CoNLL 2000."""

from collections.abc import Sequence
from typing import Any

from nlpreg.data.dataset_readers.conll2003 import ConllReader
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.token_class import Token


@DatasetReader.register("conll2000")
class Conll2000DatasetReader(ConllReader):
    """Reads lines `WORD POS CHUNK`; blank lines separate sentences.

    Fields: `tokens`; `metadata`, whose "words" are the words; `tags`; for each feature label `pos_tags` or `chunk_tags`,
    in the namespace of that name.

    Args:
        token_indexers: the indexers of `tokens`; single ids under the name "tokens" unless given.
        tag_label: the column to use as tags: "chunk" or "pos"; None for no tags.
        feature_labels: the columns that become further fields.
        convert_to_coding_scheme: "BIOUL" to convert chunks from BIO, the scheme of the files; None to leave them.
        label_namespace: namespace of `tags`.
        coding_scheme: old form of `convert_to_coding_scheme`, "BIO" or "BIOUL".
        unknown_tag: the tag of words whose tag is not known, such as "?" or "_"; None where every word is tagged. Losses and
            metrics leave these words out; a `crf_tagger` with `partial_labels` sums over all tags that they may have. With
            `convert_to_coding_scheme`, a tag whose letter depends on such a neighbour is not known either.
        **kwargs: arguments of `TextFileReader`.

    Raises:
        ConfigurationError: an argument has an invalid value, or a requested feature is missing.

    Source: Tjong Kim Sang and Buchholz (2000), https://aclanthology.org/W00-0726
    """

    columns = ("pos", "chunk")
    encoding = "BIO"

    def __init__(
        self,
        token_indexers: dict[str, TokenIndexer] | None = None,
        tag_label: str | None = "chunk",
        feature_labels: Sequence[str] = (),
        convert_to_coding_scheme: str | None = None,
        label_namespace: str = "labels",
        coding_scheme: str | None = None,
        unknown_tag: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            tag_label,
            feature_labels,
            convert_to_coding_scheme,
            label_namespace,
            coding_scheme,
            token_indexers,
            unknown_tag,
            **kwargs,
        )

    def text_to_instance(
        self,
        tokens: list[Token] | list[str],
        pos_tags: list[str] | None = None,
        chunk_tags: list[str] | None = None,
    ) -> Instance:
        """A sentence with those of its tags that are known."""
        return self._tagged(tokens, {"pos": pos_tags, "chunk": chunk_tags})
