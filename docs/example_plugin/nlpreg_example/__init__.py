"""An example plugin. Importing it registers its parts; the entry point in setup.cfg makes nlpreg import it."""

from nlpreg_example.endings_tagger import EndingsTagger
from nlpreg_example.neighbours_encoder import NeighboursEncoder
from nlpreg_example.tab_separated_reader import TabSeparatedReader
from nlpreg_example.word_ending_indexer import WordEndingIndexer

__all__ = ["EndingsTagger", "NeighboursEncoder", "TabSeparatedReader", "WordEndingIndexer"]
