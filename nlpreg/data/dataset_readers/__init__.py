"""Readers: from files to instances."""

from nlpreg.data.dataset_readers.babi import BabiReader
from nlpreg.data.dataset_readers.boolq import BoolQDatasetReader
from nlpreg.data.dataset_readers.ccgbank import CcgBankDatasetReader
from nlpreg.data.dataset_readers.conll2000 import Conll2000DatasetReader
from nlpreg.data.dataset_readers.conll2003 import Conll2003DatasetReader
from nlpreg.data.dataset_readers.conllu import ConlluDatasetReader, ConlluLanguageModelingReader
from nlpreg.data.dataset_readers.dataset_reader import DatasetReader, DatasetReaderInput, WorkerInfo
from nlpreg.data.dataset_readers.fold import FoldDatasetReader
from nlpreg.data.dataset_readers.huggingface_datasets import HuggingfaceDatasetsReader
from nlpreg.data.dataset_readers.interleaving_dataset_reader import InterleavingDatasetReader
from nlpreg.data.dataset_readers.masked_language_model import MaskedLanguageModelingReader
from nlpreg.data.dataset_readers.multitask import MultiTaskDatasetReader, MultiTaskReaderShim
from nlpreg.data.dataset_readers.next_token_lm import NextTokenLMReader
from nlpreg.data.dataset_readers.ontonotes_ner import OntonotesNamedEntityRecognition
from nlpreg.data.dataset_readers.sequence_tagging import SequenceTaggingDatasetReader
from nlpreg.data.dataset_readers.sharded_dataset_reader import ShardedDatasetReader
from nlpreg.data.dataset_readers.simple_language_modeling import (
    PlainTextLanguageModelingReader,
    SimpleLanguageModelingDatasetReader,
)
from nlpreg.data.dataset_readers.stanford_sentiment_tree_bank import StanfordSentimentTreeBankDatasetReader
from nlpreg.data.dataset_readers.text_classification_json import TextClassificationJsonReader
from nlpreg.data.dataset_readers.text_file_reader import TextFileReader

__all__ = [
    "BabiReader",
    "BoolQDatasetReader",
    "CcgBankDatasetReader",
    "Conll2000DatasetReader",
    "Conll2003DatasetReader",
    "ConlluDatasetReader",
    "ConlluLanguageModelingReader",
    "DatasetReader",
    "DatasetReaderInput",
    "FoldDatasetReader",
    "HuggingfaceDatasetsReader",
    "InterleavingDatasetReader",
    "MaskedLanguageModelingReader",
    "MultiTaskDatasetReader",
    "MultiTaskReaderShim",
    "NextTokenLMReader",
    "OntonotesNamedEntityRecognition",
    "PlainTextLanguageModelingReader",
    "SequenceTaggingDatasetReader",
    "ShardedDatasetReader",
    "SimpleLanguageModelingDatasetReader",
    "StanfordSentimentTreeBankDatasetReader",
    "TextClassificationJsonReader",
    "TextFileReader",
    "WorkerInfo",
]
