"""Named entities, as in the shared task of CoNLL 2003."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from nlpreg.data.dataset_readers.conll_reader import ConllReader
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer
from nlpreg.data.tokenizers.token_class import Token


@DatasetReader.register("conll2003")
class Conll2003DatasetReader(ConllReader):
    """Reads lines `WORD POS CHUNK NER`; blank lines and lines that begin with `-DOCSTART-` separate sentences.

    Fields: `tokens`; `metadata`, whose "words" are the words; `tags`; for each feature label `pos_tags`, `chunk_tags` or
    `ner_tags`, in the namespace of that name.

    Args:
        token_indexers: the indexers of `tokens`; single ids under the name "tokens" unless given.
        tag_label: which column the tags are: "ner", "pos" or "chunk"; None for no tags.
        feature_labels: which columns are further fields.
        convert_to_coding_scheme: "BIOUL" to convert chunks and entities from IOB1, the scheme of the files; None to leave
            them.
        label_namespace: namespace of `tags`.
        coding_scheme: old form of `convert_to_coding_scheme`, "IOB1" or "BIOUL".
        **kwargs: arguments of `TextFileReader`.

    Raises:
        ConfigurationError: an argument has none of its values, or a feature that is asked for is missing.

    Source: Tjong Kim Sang and De Meulder (2003), https://aclanthology.org/W03-0419
    """

    columns = ("pos", "chunk", "ner")
    encoding = "IOB1"
    divider = "-DOCSTART-"

    def __init__(
        self,
        token_indexers: dict[str, TokenIndexer] | None = None,
        tag_label: Literal["pos", "chunk", "ner"] | None = "ner",
        feature_labels: Sequence[str] = (),
        convert_to_coding_scheme: Literal["BIOUL"] | None = None,
        label_namespace: str = "labels",
        coding_scheme: Literal["IOB1", "BIOUL"] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            tag_label,
            feature_labels,
            convert_to_coding_scheme,
            label_namespace,
            coding_scheme,
            token_indexers,
            **kwargs,
        )

    def text_to_instance(
        self,
        tokens: list[Token] | list[str],
        pos_tags: list[str] | None = None,
        chunk_tags: list[str] | None = None,
        ner_tags: list[str] | None = None,
    ) -> Instance:
        """A sentence with those of its tags that are known."""
        return self._tagged(tokens, {"pos": pos_tags, "chunk": chunk_tags, "ner": ner_tags})
