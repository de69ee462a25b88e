"""Fields: the named parts of an instance."""

from nlpreg.data.fields.adjacency_field import AdjacencyField
from nlpreg.data.fields.array_field import ArrayField
from nlpreg.data.fields.field import Field
from nlpreg.data.fields.flag_field import FlagField
from nlpreg.data.fields.index_field import IndexField
from nlpreg.data.fields.label_field import LabelField
from nlpreg.data.fields.list_field import ListField
from nlpreg.data.fields.metadata_field import MetadataField
from nlpreg.data.fields.multilabel_field import MultiLabelField
from nlpreg.data.fields.namespace_swapping_field import NamespaceSwappingField
from nlpreg.data.fields.sequence_field import SequenceField
from nlpreg.data.fields.sequence_label_field import SequenceLabelField
from nlpreg.data.fields.sequence_multilabel_field import SequenceMultiLabelField
from nlpreg.data.fields.span_field import SpanField
from nlpreg.data.fields.tensor_field import TensorField
from nlpreg.data.fields.text_field import TextField
from nlpreg.data.fields.transformer_text_field import TransformerTextField

__all__ = [
    "AdjacencyField",
    "ArrayField",
    "Field",
    "FlagField",
    "IndexField",
    "LabelField",
    "ListField",
    "MetadataField",
    "MultiLabelField",
    "NamespaceSwappingField",
    "SequenceField",
    "SequenceLabelField",
    "SequenceMultiLabelField",
    "SpanField",
    "TensorField",
    "TextField",
    "TransformerTextField",
]
