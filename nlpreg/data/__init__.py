"""Data: from files to batches of tensors."""

from nlpreg.data.batch import Batch
from nlpreg.data.data_loaders import DataLoader, TensorDict, nlpreg_collate
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader, DatasetReaderInput
from nlpreg.data.fields.field import DataArray, Field
from nlpreg.data.fields.text_field import TextFieldTensors
from nlpreg.data.instance import Instance
from nlpreg.data.samplers import BatchSampler
from nlpreg.data.token_indexers.token_indexer import IndexedTokenList, TokenIndexer
from nlpreg.data.tokenizers import Token, Tokenizer
from nlpreg.data.vocabulary import Vocabulary

__all__ = [
    "Batch",
    "BatchSampler",
    "DataArray",
    "DataLoader",
    "DatasetReader",
    "DatasetReaderInput",
    "Field",
    "IndexedTokenList",
    "Instance",
    "TensorDict",
    "TextFieldTensors",
    "Token",
    "TokenIndexer",
    "Tokenizer",
    "Vocabulary",
    "nlpreg_collate",
]
