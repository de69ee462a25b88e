import pytest

from nlpreg.common import Params
from nlpreg.data.dataset_readers import BabiReader, DatasetReader
from nlpreg.data.dataset_readers.dataset_utils.text_files import DataError

TEXT = (
    "1 Zoë went home.\n2 John sat.\n3 Where is Zoë? \thome\t1\n4 Zoë left.\n5 Where is Zoë?\tout\t1 4\n"
    "1 A cat slept.\n" + "".join(f"{n} It slept.\n" for n in range(2, 12)) + "12 Who slept?\tcat\t1 11\n"
)


def test_stories_and_questions(read):
    one, two, three = read(BabiReader(), TEXT)
    assert one["context"].human_readable_repr() == ["Zoë", "went", "home", ".", "John", "sat", "."]
    assert one["question"].human_readable_repr() == ["Where", "is", "Zoë", "?"]
    assert one["answer"].human_readable_repr() == ["home"]
    assert two["context"].human_readable_repr()[-3:] == ["Zoë", "left", "."]
    assert len(three["context"]) == 11 * 3 + 1
    assert set(one.fields) == {"context", "question", "answer"}


def test_sentences_kept_apart_and_supports_by_sentence(read):
    reader = DatasetReader.from_params(Params({"type": "babi", "keep_sentences": True}))
    one, two, three = read(reader, TEXT)
    assert [len(sentence) for sentence in one["context"]] == [4, 3]
    assert [field.sequence_index for field in one["supports"]] == [0]
    # the question in between has a number, too, but is no sentence of the context
    assert [field.sequence_index for field in two["supports"]] == [0, 2]
    assert [field.sequence_index for field in three["supports"]] == [0, 10]
    assert one["context"][0].token_indexers is one["answer"].token_indexers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 A.\n2 Who? A\n", r"line 2: expected a question, an answer and numbers of supporting lines"),
        ("1 A.\n2 Who?\tA\t7\n", r"line 2: expected supporting lines among 1, got '7'"),
        ("1 A.\n2 Who?\tA\tx\n", r"line 2: expected supporting lines among 1, got 'x'"),
        ("1 Who?\tA\t1\n", r"line 1: expected supporting lines among none, got '1'"),
        ("1 A.\nB.\n3 Who?\tA\t1\n", r"line 2: expected a number, a space and a sentence, got 'B\.'"),
    ],
)
def test_broken_lines_are_located(read, text, message):
    with pytest.raises(DataError, match=message):
        read(BabiReader(), text)
    assert len(read(BabiReader(skip_bad_lines=True), text + "1 C.\n2 Who?\tC\t1\n")) == 1


def test_a_file_without_questions_is_empty(read):
    with pytest.raises(DataError, match="expected at least one question, got none"):
        read(BabiReader(), "1 A.\n")


def test_without_supports_or_story(read):
    (instance,) = read(BabiReader(keep_sentences=True), "1 A.\n2 Who?\tA\t\n")
    assert [field.sequence_index for field in instance["supports"]] == [-1]
    with pytest.raises(DataError, match="line 1: expected a story before its first question"):
        read(BabiReader(keep_sentences=True), "1 Who?\tA\t\n")
