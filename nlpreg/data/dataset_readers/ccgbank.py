"""Supertags of the CCGbank."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataFile, bad_line, excerpt
from nlpreg.data.dataset_readers.text_file_reader import TextFileReader, check_choice, text_field_of
from nlpreg.data.fields import Field, SequenceLabelField
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer

_DERIVATION_START = "(<"
_LEAF_START = "(<L "
# the category of a predicate may be followed by annotations, such as those of PropBank: {publish.01:rel} [ARG0]
_LEAF = re.compile(r"\(<L (\S+) (\S+) (\S+) (\S+) (\S+?)(?: [^<>]*)?>\)")
LABELS = ("ccg", "modified_pos", "original_pos", "predicate_arg")


@DatasetReader.register("ccgbank")
class CcgBankDatasetReader(TextFileReader):
    """Reads the machine-readable derivations (`.auto` files): a tree a line, other lines are skipped.

    A leaf is `(<L category modified_pos original_pos word predicate_arg>)`. Fields: `tokens`; `tags`; for each feature
    label `<label>_tags`, in the namespace of that name.

    Args:
        token_indexers: the indexers of `tokens`; single ids under the name "tokens" unless given.
        tag_label: the annotation to use as tags: "ccg", "modified_pos", "original_pos", "predicate_arg"; None for no tags.
        feature_labels: which of these become further fields.
        label_namespace: namespace of `tags`.
        **kwargs: arguments of `TextFileReader`.

    Raises:
        ConfigurationError: an argument has an invalid value, or a requested feature is missing.

    Source: Hockenmaier and Steedman (2007), https://aclanthology.org/J07-3004
    """

    unit_name = "derivation"

    def __init__(
        self,
        token_indexers: dict[str, TokenIndexer] | None = None,
        tag_label: str | None = "ccg",
        feature_labels: Sequence[str] = (),
        label_namespace: str = "labels",
        **kwargs: Any,
    ) -> None:
        super().__init__(token_indexers=token_indexers, **kwargs)
        check_choice("ccgbank", "tag_label", tag_label, (*LABELS, None))
        for label in feature_labels:
            check_choice("ccgbank", "feature_labels", label, LABELS)
        self.tag_label = tag_label
        self.feature_labels = tuple(feature_labels)
        self.label_namespace = label_namespace

    def text_to_instance(
        self,
        tokens: list[str],
        ccg_categories: list[str] | None = None,
        original_pos_tags: list[str] | None = None,
        modified_pos_tags: list[str] | None = None,
        predicate_arg_categories: list[str] | None = None,
    ) -> Instance:
        """A sentence with those of its labels that are known."""
        text = text_field_of(tokens)
        labels = {
            "ccg": ccg_categories,
            "modified_pos": modified_pos_tags,
            "original_pos": original_pos_tags,
            "predicate_arg": predicate_arg_categories,
        }
        fields: dict[str, Field[Any]] = {"tokens": text}
        for label in self.feature_labels:
            values = labels[label]
            if values is None:
                raise ConfigurationError(f"ccgbank: feature_labels asks for {label!r}, but there are none")
            fields[f"{label}_tags"] = SequenceLabelField(values, text, f"{label}_tags")
        tags = labels[self.tag_label] if self.tag_label is not None else None
        if tags is not None:
            fields["tags"] = SequenceLabelField(tags, text, self.label_namespace)
        return Instance(fields)

    def _units(self, file: DataFile) -> Iterator[tuple[int, str]]:
        for number, line in file.lines():
            if line.startswith(_DERIVATION_START):
                yield number, line

    def _instance_of(self, unit: str, file: str, line: int) -> Instance:
        leaves = _LEAF.findall(unit)
        if not leaves or len(leaves) != unit.count(_LEAF_START):
            expected = "leaves such as (<L category modified_pos original_pos word predicate_arg>)"
            raise bad_line(file, line, expected, excerpt(_first_bad_leaf(unit)))
        categories, modified_pos, original_pos, words, predicate_args = map(list, zip(*leaves, strict=True))
        return self.text_to_instance(words, categories, original_pos, modified_pos, predicate_args)


def _first_bad_leaf(line: str) -> str:
    for piece in line.split(_LEAF_START)[1:]:
        if not _LEAF.match(_LEAF_START + piece):
            return _LEAF_START + piece.partition(")")[0] + ")"
    return line
