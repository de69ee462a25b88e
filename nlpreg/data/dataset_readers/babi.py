"""Stories with questions, as in the bAbI tasks."""

from collections.abc import Iterator
from typing import Any

from nlpreg.data.dataset_readers.dataset_reader import DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataFile, bad_line, excerpt
from nlpreg.data.dataset_readers.text_file_reader import TextFileReader
from nlpreg.data.fields import Field, IndexField, ListField, TextField
from nlpreg.data.instance import Instance
from nlpreg.data.token_indexers.token_indexer import TokenIndexer

# the lines of a story up to a question, each with its line number in the file, and the question
_Question = tuple[list[tuple[int, str]], str]


@DatasetReader.register("babi")
class BabiReader(TextFileReader):
    """Reads numbered lines; the number 1 begins a story, and a line with `?` is a question about the story so far.

    A question line is `number question?<tab>answer<tab>numbers of the supporting lines`.

    Fields: `context`, a text, or a list of one for each sentence; `question`; `answer`; with `keep_sentences` also
    `supports`, the indices of the sentences of the context that the answer follows from (-1 if unknown).

    Args:
        keep_sentences: whether the context is a list of sentences.
        token_indexers: the indexers of all texts; single ids under the name "tokens" unless given.
        **kwargs: arguments of `TextFileReader`.

    Source: Weston et al. (2015), https://arxiv.org/abs/1502.05698
    """

    text_field_names = ("context", "question", "answer")
    unit_name = "question"

    def __init__(
        self,
        keep_sentences: bool = False,
        token_indexers: dict[str, TokenIndexer] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(token_indexers=token_indexers, **kwargs)
        self._keep_sentences = keep_sentences

    def text_to_instance(
        self, context: list[list[str]], question: list[str], answer: str, supports: list[int]
    ) -> Instance:
        """A question about a context.

        Args:
            context: the words of each sentence.
            question: the words of the question.
            answer: one word.
            supports: indices of the sentences that the answer follows from.
        """
        fields: dict[str, Field[Any]] = {}
        if self._keep_sentences:
            sentences: ListField[Any] = ListField([TextField.from_words(sentence) for sentence in context])
            fields["context"] = sentences
            fields["supports"] = ListField([IndexField(support, sentences) for support in supports or [-1]])
        else:
            fields["context"] = TextField.from_words([word for sentence in context for word in sentence])
        fields["question"] = TextField.from_words(question)
        fields["answer"] = TextField.from_words([answer])
        return Instance(fields)

    def _units(self, file: DataFile) -> Iterator[tuple[int, _Question]]:
        story: list[tuple[int, str]] = []
        for line, text in file.lines():
            if not text or text.isspace():
                continue
            if text.split(maxsplit=1)[0] == "1":
                story = []
            if "?" in text:
                yield line, (list(story), text)
            else:
                story.append((line, text))

    def _instance_of(self, unit: _Question, file: str, line: int) -> Instance:
        story, text = unit
        context: list[list[str]] = []
        sentence_of_number: dict[int, int] = {}
        for story_line, numbered in story:
            number, _, sentence = numbered.strip().partition(" ")
            if not number.isdecimal():
                raise bad_line(file, story_line, "a number, a space and a sentence", excerpt(numbered))
            sentence_of_number[int(number)] = len(context)
            context.append(sentence.replace(".", " .").split())
        if self._keep_sentences and not context:
            raise bad_line(file, line, "a story before its first question", excerpt(text))
        parts = text.split("\t")
        if len(parts) != 3:
            expected = "a question, an answer and numbers of supporting lines, separated by tabs"
            raise bad_line(file, line, expected, excerpt(text))
        question, answer, supports = parts
        try:
            # line numbers count question lines too, indices of sentences do not
            supporting = [sentence_of_number[int(number)] for number in supports.split()]
        except (KeyError, ValueError) as error:
            known = ", ".join(map(str, sentence_of_number)) or "none"
            raise bad_line(file, line, f"supporting lines among {known}", excerpt(supports)) from error
        return self.text_to_instance(
            context, question.replace("?", " ?").split()[1:], answer.strip(), supporting
        )
