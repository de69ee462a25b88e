"""Tokenizing with spaCy."""

from collections.abc import Iterable, Sequence
from typing import Any

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.imports import check_package, optional
from nlpreg.common.util import get_spacy_model
from nlpreg.data.tokenizers.token_class import Token
from nlpreg.data.tokenizers.tokenizer import Tokenizer


@Tokenizer.register("spacy")
class SpacyTokenizer(Tokenizer):
    """Tokenizes with a spaCy model, which can also annotate; tokens of white space are dropped.

    Args:
        language: name of the model, or a folder.
        pos_tags: whether to tag parts of speech.
        parse: whether to parse dependencies.
        ner: whether to find entities.
        keep_spacy_tokens: whether to return spaCy's own tokens, which keep the whole spaCy document in memory, instead of
            `Token`s.
        split_on_spaces: whether to split at single spaces only, and use spaCy only for annotation.
        start_tokens: texts of tokens put before every text, with `idx` 0.
        end_tokens: texts of tokens put after every text, with `idx` -1.

    Raises:
        ConfigurationError: spaCy or the model is not installed.
    """

    def __init__(
        self,
        language: str = "en_core_web_sm",
        pos_tags: bool = True,
        parse: bool = False,
        ner: bool = False,
        keep_spacy_tokens: bool = False,
        split_on_spaces: bool = False,
        start_tokens: list[str] | None = None,
        end_tokens: list[str] | None = None,
    ) -> None:
        self._language = language
        self._pos_tags = pos_tags
        self._parse = parse
        self._ner = ner
        self._keep_spacy_tokens = keep_spacy_tokens
        self._split_on_spaces = split_on_spaces
        self._start_tokens = list(start_tokens or [])
        self._end_tokens = list(end_tokens or [])
        self.spacy = get_spacy_model(language, pos_tags, parse, ner)

    @staticmethod
    def check_arguments() -> None:
        """Check that spaCy is installed; also called by `nlpreg check`."""
        check_package("spacy", extra="spacy")

    def tokenize(self, text: str) -> list[Token]:
        """The tokens of one text."""
        return self._with_ends(self.spacy(self._as_input(text)))

    def batch_tokenize(self, texts: Sequence[str]) -> list[list[Token]]:
        """The tokens of each text; spaCy is faster with many texts at once."""
        documents = self.spacy.pipe(map(self._as_input, texts))
        return [self._with_ends(document) for document in documents]

    def _as_input(self, text: str) -> Any:
        """The input of spaCy: the text, or a document that is already split."""
        if not self._split_on_spaces:
            return text
        *words, last = text.split(" ")
        # every additional space is a token, as in spaCy, so that offsets match the text
        pairs = [(word or " ", bool(word)) for word in words] + ([(last, False)] if last else [])
        doc = optional("spacy.tokens", extra="spacy").Doc
        return doc(self.spacy.vocab, [word for word, _ in pairs], [has_blank for _, has_blank in pairs])

    def _with_ends(self, document: Iterable[Any]) -> list[Token]:
        """The tokens of a document between the start and end tokens."""
        tokens: list[Any] = [token for token in document if not token.is_space]
        if not self._keep_spacy_tokens:
            tokens = list(map(_as_token, tokens))
        start = [Token(text, 0) for text in self._start_tokens]
        return [*start, *tokens, *(Token(text, -1) for text in self._end_tokens)]


def check_spacy(argument: str, advice: str) -> None:
    """Check that spaCy is installed where an argument of a reader, or its default, stands for it.

    Args:
        argument: name of the argument.
        advice: how to do without spaCy.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        SpacyTokenizer.check_arguments()
    except ConfigurationError as error:
        raise ConfigurationError(f"{argument}: {error}, or {advice}") from error


def _as_token(token: Any) -> Token:
    """A spaCy token as a `Token`."""
    return Token(
        token.text,
        token.idx,
        token.idx + len(token.text),
        token.lemma_,
        token.pos_,
        token.tag_,
        token.dep_,
        token.ent_type_,
    )
