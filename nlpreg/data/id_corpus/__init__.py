"""Corpora on disk as numbers of words, read with little memory however large they are."""

from nlpreg.data.id_corpus.building import write_id_corpus
from nlpreg.data.id_corpus.corpus_cache import id_corpus_of
from nlpreg.data.id_corpus.counted_words_field import CountedWordsField
from nlpreg.data.id_corpus.id_corpus import IdCorpus
from nlpreg.data.id_corpus.id_file import IdFile
from nlpreg.data.id_corpus.indexed_lexicon import IndexedLexicon
from nlpreg.data.id_corpus.words_of_reader import text_field_of_reader

__all__ = [
    "CountedWordsField",
    "IdCorpus",
    "IdFile",
    "IndexedLexicon",
    "id_corpus_of",
    "text_field_of_reader",
    "write_id_corpus",
]
