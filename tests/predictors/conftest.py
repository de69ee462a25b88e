"""Models that are not trained, with readers and vocabularies that fit them."""

import pytest
import torch

from nlpreg.data import Vocabulary
from nlpreg.data.dataset_readers import SequenceTaggingDatasetReader
from nlpreg.models import SimpleTagger
from nlpreg.modules.seq2seq_encoders import LstmSeq2SeqEncoder
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder
from nlpreg.modules.token_embedders import Embedding

WORDS = ["the", "dog", "ate", "apple", ".", "Zoë", "lives", "in", "New", "York"]
TAGS = ["O", "B-LOC", "I-LOC", "L-LOC", "U-LOC", "U-PER"]


def make_vocab() -> Vocabulary:
    vocab = Vocabulary()
    for word in WORDS:
        vocab.add_token_to_namespace(word, "tokens")
    for tag in TAGS:
        vocab.add_token_to_namespace(tag, "labels")
    return vocab


def make_embedder(vocab: Vocabulary) -> BasicTextFieldEmbedder:
    return BasicTextFieldEmbedder(
        {"tokens": Embedding(embedding_dim=4, num_embeddings=vocab.get_vocab_size("tokens"))}
    )


@pytest.fixture
def tagger() -> SimpleTagger:
    torch.manual_seed(5)
    vocab = make_vocab()
    return SimpleTagger(vocab, make_embedder(vocab), LstmSeq2SeqEncoder(4, 3))


@pytest.fixture
def tagging_reader() -> SequenceTaggingDatasetReader:
    return SequenceTaggingDatasetReader()
