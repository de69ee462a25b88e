"""Splitting texts into sentences."""

from collections.abc import Iterable, Sequence
from typing import Any

from nlpreg.common.imports import check_package
from nlpreg.common.registrable import Registrable
from nlpreg.common.util import get_spacy_model


class SentenceSplitter(Registrable):
    """Splits a text into its sentences."""

    default_implementation = "spacy"
    _to_params = Registrable.all_arguments

    def split_sentences(self, text: str) -> list[str]:
        """The sentences of one text; subclasses must implement this."""
        raise NotImplementedError(f"{type(self).__name__} has no split_sentences")

    def batch_split_sentences(self, texts: Sequence[str]) -> list[list[str]]:
        """The sentences of each text; can be overridden if many texts are faster at once."""
        return [self.split_sentences(text) for text in texts]


@SentenceSplitter.register("spacy")
class SpacySentenceSplitter(SentenceSplitter):
    """Finds sentences with spaCy.

    Args:
        language: name of the spaCy model, or a folder.
        rule_based: whether to split at punctuation only, which is much faster than with a parser.

    Raises:
        ConfigurationError: spaCy or the model is not installed.
    """

    def __init__(self, language: str = "en_core_web_sm", rule_based: bool = False) -> None:
        self._language = language
        self._rule_based = rule_based
        self.spacy = get_spacy_model(language, pos_tags=not rule_based, parse=not rule_based)
        # a separate pipe, because the spaCy model is shared and must not be changed
        self._sentencizer: Any = self.spacy.create_pipe("sentencizer") if rule_based else None

    @staticmethod
    def check_arguments() -> None:
        """Check that spaCy is installed; also called by `nlpreg check`."""
        check_package("spacy", extra="spacy")

    def split_sentences(self, text: str) -> list[str]:
        """The sentences of one text, without white space around them."""
        return self.batch_split_sentences([text])[0]

    def batch_split_sentences(self, texts: Sequence[str]) -> list[list[str]]:
        """The sentences of each text."""
        documents: Iterable[Any]
        if self._sentencizer is not None:
            documents = (self._sentencizer(self.spacy.make_doc(text)) for text in texts)
        else:
            documents = self.spacy.pipe(texts)
        sentences = [[sentence.text.strip() for sentence in document.sents] for document in documents]
        # spaCy may return trailing white space as a sentence
        return [[sentence for sentence in one if sentence] for one in sentences]
