"""Corpora on disk as numbers of words, read with little memory however large they are."""

from nlpreg.data.id_corpus.corpus_cache import id_corpus_of, text_field_of_reader
from nlpreg.data.id_corpus.id_corpus import IdCorpus, IdFile, write_id_corpus
from nlpreg.data.id_corpus.indexed_lexicon import CountedWordsField, IndexedLexicon

__all__ = [
    "CountedWordsField",
    "IdCorpus",
    "IdFile",
    "IndexedLexicon",
    "id_corpus_of",
    "text_field_of_reader",
    "write_id_corpus",
]
