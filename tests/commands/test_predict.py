import gzip
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from nlpreg.commands.command_line import exit_status as main
from nlpreg.common.util import JsonDict
from nlpreg.models import SimpleTagger
from nlpreg.predictors import Predictor, SentenceTaggerPredictor

SENTENCE = {"sentence": "the dog ate the apple"}


@pytest.fixture
def trained(trained_tagger: Path) -> Path:
    return trained_tagger / "model.tar.gz"


def predict(*words: object, status: int = 0) -> None:
    assert main("nlpreg", ["predict", *map(str, words)]) == status


def tags(line: str) -> list[str]:
    result: list[str] = json.loads(line)["tags"]
    return result


EXPECTED = ["DET", "NOUN", "VERB", "DET", "NOUN"]


def test_a_sentence_from_standard_input(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"\n{json.dumps(SENTENCE)}\n   \n{json.dumps({'sentence': 'a cat slept'})}\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    predict(trained, "-")
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"words": SENTENCE["sentence"].split(), "tags": EXPECTED},
        {"words": ["a", "cat", "slept"], "tags": ["DET", "NOUN", "VERB"]},
    ]


def test_each_answer_comes_before_the_next_line_is_read(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Conversation:
        """Standard input of somebody who waits for each answer."""

        def isatty(self) -> bool:
            return True

        def __iter__(self) -> Iterator[str]:
            for text in ("a cat slept", "dogs bark"):
                yield json.dumps({"sentence": text}) + "\n"
                shown = capsys.readouterr()
                assert json.loads(shown.out)["words"] == text.split()

    monkeypatch.setattr(sys, "stdin", Conversation())
    predict(trained, "-")


def test_rules_of_another_language_are_announced_once(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nlpreg.predictors.predictor._has_spacy_model", lambda language: False)
    monkeypatch.setattr("nlpreg.predictors.predictor._announced_languages", set())
    (tmp_path / "in.jsonl").write_text(json.dumps({"sentence": "the dog ate!"}) + "\n" + json.dumps(SENTENCE))
    predict(trained, tmp_path / "in.jsonl")
    shown = capsys.readouterr()
    assert shown.err == "" and len(tags(shown.out.splitlines()[0])) == 4
    predict(trained, tmp_path / "in.jsonl", "--predictor-args", '{"language": "de_core_news_sm"}')
    shown = capsys.readouterr()
    assert shown.err.count("warning: the archive names no tokenizer") == 1
    assert len(tags(shown.out.splitlines()[0])) == 4


def test_another_tokenizer(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"sentence": "the dog ate!"}))
    predict(trained, tmp_path / "in.jsonl", "--predictor-args", '{"tokenizer": "whitespace"}')
    shown = capsys.readouterr()
    assert len(tags(shown.out)) == 3
    assert shown.err == ""
    predict(trained, tmp_path / "in.jsonl", "--tokenizer", "letters_digits")
    assert len(tags(capsys.readouterr().out)) == 4
    predict(trained, tmp_path / "in.jsonl", "--tokenizer", '{"type": "character"}')
    assert len(tags(capsys.readouterr().out)) == 12


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_batches_give_the_same(batch_size: int, trained: Path, tmp_path: Path) -> None:
    sentences = ["the dog ate the apple", "dogs bark", "a", "everybody read that book"]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps({"sentence": text}) for text in sentences))
    predict(
        trained, tmp_path / "in.jsonl", "--output-file", tmp_path / "out.jsonl", "--batch-size", batch_size
    )
    results = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [len(result["words"]) for result in results] == [5, 2, 1, 4]
    assert results[0]["tags"][:5] == EXPECTED


def test_with_the_dataset_reader(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predict(trained, trained.parents[1] / "train.txt", "--use-dataset-reader", "--batch-size", 2)
    lines = capsys.readouterr().out.splitlines()
    assert [len(tags(line)) for line in lines] == [5, 4, 3, 2, 5]


def test_untagged_conllu_is_tagged_by_the_reader(
    tagger: dict[str, Any], train: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "1\ta\ta\t{}\t_\t_\t0\troot\t_\t_\n2\tb\tb\t{}\t_\t_\t1\tdep\t_\t_\n\n"
    (tmp_path / "train.conllu").write_text(rows.format("DET", "NOUN") * 4)
    (tmp_path / "blank.conllu").write_text(rows.format("_", "_"))
    tagger["dataset_reader"] = {"type": "conllu"}
    tagger["train_data_path"] = tagger["validation_data_path"] = str(tmp_path / "train.conllu")
    tagger["trainer"]["num_epochs"] = 10
    folder = train(tagger, "-q")
    predict(folder, tmp_path / "blank.conllu", "--use-dataset-reader")
    assert json.loads(capsys.readouterr().out) == {"words": ["a", "b"], "tags": ["DET", "NOUN"]}


def test_silence(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(SENTENCE))
    predict(trained, tmp_path / "in.jsonl", "--silent", "--output-file", tmp_path / "out.jsonl", "-q")
    assert capsys.readouterr() == ("", "")
    assert tags((tmp_path / "out.jsonl").read_text()) == EXPECTED
    predict(trained, tmp_path / "in.jsonl", "--silent")
    assert "would not be written anywhere" in capsys.readouterr().err


def test_compressed_input_with_a_mark(trained: Path, tmp_path: Path) -> None:
    import gzip

    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + json.dumps(SENTENCE).encode()))
    predict(trained, tmp_path / "in.jsonl.gz", "--output-file", tmp_path / "out.jsonl", "--silent")
    assert tags((tmp_path / "out.jsonl").read_text()) == EXPECTED


@pytest.mark.parametrize("damage", ["cut off", "not compressed"])
def test_a_damaged_input_is_named(
    damage: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (json.dumps(SENTENCE) + "\n").encode() * 100
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(text)[:-20] if damage == "cut off" else text)
    predict(trained, tmp_path / "in.jsonl.gz", "--output-file", tmp_path / "out.jsonl", status=2)
    assert "in.jsonl.gz: the compressed file is damaged or truncated" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


def test_another_predictor(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Lines(SentenceTaggerPredictor):
        def load_line(self, line: str) -> JsonDict:
            return {"sentence": line.strip()}

        def dump_line(self, outputs: JsonDict) -> str:
            return " ".join(outputs["tags"]) + "\n"

    Predictor.register("test_lines")(Lines)
    (tmp_path / "in.txt").write_text("the dog ate the apple\n")
    predict(trained, tmp_path / "in.txt", "--predictor", "test_lines")
    assert capsys.readouterr().out == f"{' '.join(EXPECTED)}\n"


def test_a_language_model_scores(
    trained_language_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(SENTENCE))
    predict(trained_language_model, tmp_path / "in.jsonl", "--predictor", "language_model")
    result = json.loads(capsys.readouterr().out)
    assert result["tokens"] == SENTENCE["sentence"].split()
    assert result["num_targets"] == 4 and result["perplexity"] > 1


MISTAKES = {
    "not JSON": ('{"sentence": "a"}\n\n{nonsense\n', [], "in.jsonl, line 3: expected JSON"),
    "no sentence": (
        '{"sentence": "a"}\n{"text": "b"}\n',
        [],
        'in.jsonl, line 2: input: has the text under "text", but this predictor reads "sentence"',
    ),
    "no sentence in a batch": (
        '{"sentence": "a"}\n{"text": "b"}\n',
        ["--batch-size", "1"],
        "in.jsonl, line 2: input",
    ),
    "no object": ("[1]\n", [], "expected an object"),
    "null": ('{"sentence": "a"}\nnull\n', [], "in.jsonl, line 2: expected an object such as"),
    "not UTF-8": (b'{"sentence": "caf\xe9"}', [], "line 1: this is not UTF-8"),
    "words that are no list": (
        '{"words": "a b"}\n',
        [],
        "expected \"words\" to be a list of words, got 'a b'",
    ),
    "splitter without text": ("", ["--splitter", "none"], "--splitter: only together with --input text"),
    "threshold alone": ("", ["--threshold", "0.5"], "--threshold: only together with --confidences"),
    "threshold above 1": (
        "",
        ["--confidences", "--threshold", "2"],
        "--threshold: expected a number from 0 to 1",
    ),
    "column without CoNLL-U": ("", ["--column", "xpos"], "--column: only together with --output conllu"),
    "unknown column": (
        '{"sentence": "a"}',
        ["--output", "conllu", "--column", "upso"],
        "--column: expected one of lemma, upos, xpos, feats, deprel, got 'upso'",
    ),
    "text and a reader": ("", ["--input", "text", "--use-dataset-reader"], "--input text: not together with"),
    "CoNLL-U and a reader": (
        "",
        ["--output", "conllu", "--use-dataset-reader"],
        "use --input conllu for a file",
    ),
    "bad lines and a reader": (
        "",
        ["--skip-bad-lines", "--use-dataset-reader"],
        "-o dataset_reader.skip_bad_lines",
    ),
    "unknown tokenizer": ("", ["--tokenizer", "whitespce"], 'did you mean "whitespace"'),
    "unknown splitter": ("", ["--input", "text", "--splitter", "englsh"], 'did you mean "english"'),
    "not CoNLL-U": (
        "1\tthe\n",
        ["--input", "conllu"],
        "in.jsonl, line 1: expected 10 columns separated by tabs, got 2",
    ),
    "unknown predictor": ("", ["--predictor", "sentence_taggr"], "sentence_tagger"),
    "arguments that are no JSON": ("", ["--predictor-args", "x"], "--predictor-args"),
    "unknown argument": ("", ["--predictor-args", '{"langage": "de"}'], 'did you mean "language"'),
    "bad batch size": ("", ["--batch-size", "0"], "--batch-size: expected 1 or more"),
    "head for one task": ("", ["--multitask-head", "x", "--use-dataset-reader"], "has no heads"),
    "head without reader": ("", ["--multitask-head", "x"], "only together with"),
    "predictor of another model": (
        '{"sentence": "a"}',
        ["--predictor", "language_model"],
        'text field "source"',
    ),
    "no such GPU": ("", ["--cuda-device", "97"], "GPU 97 was requested"),
    "no folder": ("", ["--output-file", "/nowhere/x"], "no folder /nowhere"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, options, message = MISTAKES[case]
    (tmp_path / "in.jsonl").write_bytes(content if isinstance(content, bytes) else content.encode())
    predict(trained, tmp_path / "in.jsonl", *options, status=2)
    shown = capsys.readouterr().err
    assert message in shown and "Traceback" not in shown


def test_more_mistakes(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    predict(trained, "-", "--use-dataset-reader", status=2)
    assert "cannot read standard input" in capsys.readouterr().err
    predict(trained, tmp_path / "nothing.jsonl", status=2)
    assert "nothing.jsonl: there is no such file" in capsys.readouterr().err
    (tmp_path / "in.jsonl").write_text("")
    monkeypatch.setattr(SimpleTagger, "default_predictor", None)
    predict(trained, tmp_path / "in.jsonl", status=2)
    assert "has no predictor of its own; choose one of " in capsys.readouterr().err
    predict(trained, trained.parent.parent / "valid.txt", "--use-dataset-reader")  # the base class does
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_everything_that_the_model_puts_out(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(SENTENCE))
    predict(trained, tmp_path / "in.jsonl", "--all-outputs")
    answer = json.loads(capsys.readouterr().out)
    assert list(answer)[:2] == ["words", "tags"] and {"logits", "class_probabilities"} < set(answer)
    full = Predictor.from_path(trained).predict_json(SENTENCE)
    assert full.keys() == answer.keys()


def test_bad_lines_are_answered_by_errors_and_the_rest_goes_on(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        b'{"sentence": "dogs bark"}',
        b"{nonsense",
        b'{"text": "a"}',
        b'{"sentence": ""}',
        b"\xff",
        b"",
        b'{"words": ["a"]}',
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    for batch_size in (1, 3, 32):
        predict(trained, tmp_path / "in.jsonl", "--skip-bad-lines", "--batch-size", batch_size)
        shown = capsys.readouterr()
        answers = [json.loads(line) for line in shown.out.splitlines()]
        assert [answer.get("words") for answer in answers] == [["dogs", "bark"], None, None, [], None, ["a"]]
        assert answers[3] == {"words": [], "tags": []}
        errors = [answer["error"] for answer in answers if "error" in answer]
        assert [error.split(": ")[0] for error in errors] == [
            f"{tmp_path}/in.jsonl, line {number}" for number in (2, 3, 5)
        ]
        assert "3 inputs could not be predicted" in shown.err


def test_a_failure_of_the_model_is_the_answer_for_its_line_alone(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Fragile(SentenceTaggerPredictor):
        def _json_to_instance(self, json_dict: JsonDict) -> Any:
            if json_dict["sentence"] == "bad":
                raise RuntimeError("cannot do this one")
            return super()._json_to_instance(json_dict)

    Predictor.register("test_fragile", exist_ok=True)(Fragile)
    (tmp_path / "in.jsonl").write_text(
        "\n".join(json.dumps({"sentence": text}) for text in ("a cat", "bad", "a"))
    )
    predict(trained, tmp_path / "in.jsonl", "--skip-bad-lines", "--predictor", "test_fragile")
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(answer.get("words", "")) for answer in answers] == [2, 0, 1]
    assert answers[1]["error"].endswith("in.jsonl, line 2: RuntimeError: cannot do this one")


def test_nothing_but_the_file_with_an_output_file(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(SENTENCE))
    predict(
        trained, tmp_path / "in.jsonl", "--output-file", tmp_path / "out.jsonl", "--tokenizer", "whitespace"
    )
    assert capsys.readouterr() == ("", "")
    assert tags((tmp_path / "out.jsonl").read_text()) == EXPECTED


def test_a_bar_shows_how_much_of_a_file_is_done(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nlpreg.common.tqdm.SECONDS_BEFORE_FIRST", {"file": 0.0, "file-friendly": 0.0})
    (tmp_path / "in.jsonl").write_text(json.dumps(SENTENCE) + "\n" + json.dumps(SENTENCE) + "\n")
    predict(trained, tmp_path / "in.jsonl", "--tokenizer", "whitespace")
    shown = capsys.readouterr()
    assert "predicting: 100% 2/2" in shown.err
    assert len(shown.out.splitlines()) == 2
    for quiet in ("-q", "--silent"):
        predict(
            trained,
            tmp_path / "in.jsonl",
            "--tokenizer",
            "whitespace",
            quiet,
            "--output-file",
            tmp_path / "out",
        )
        assert capsys.readouterr().err == ""


def test_answers_come_in_the_order_of_the_input_whatever_the_lengths(trained: Path, tmp_path: Path) -> None:
    random = Random(1)
    words = ["the", "dog", "ate", "a", "cat", "book", "everybody"]
    sentences = [" ".join(random.choices(words, k=random.randrange(12))) for _ in range(300)]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps({"sentence": text}) for text in sentences))
    for number, options in enumerate((["--batch-size", 1], ["--batch-size", 4], [])):
        predict(trained, tmp_path / "in.jsonl", "--output-file", tmp_path / str(number), *options)
    one, *others = [(tmp_path / str(number)).read_text() for number in range(3)]
    assert [json.loads(line)["words"] for line in one.splitlines()] == [text.split() for text in sentences]
    assert others == [one, one]


def test_a_predictor_with_a_method_for_single_inputs_alone_gets_single_inputs(trained: Path) -> None:
    class Shouting(SentenceTaggerPredictor):
        def predict_instance(self, instance: Any) -> JsonDict:
            return {"tags": [tag.lower() for tag in super().predict_instance(instance)["tags"]]}

    class ShoutingInBatches(Shouting):
        def predict_batch_instance(self, instances: list[Any]) -> list[JsonDict]:
            return [self.predict_instance(instance) for instance in instances]

    plain = Predictor.from_path(trained)
    assert plain.takes_batches()
    model, reader = plain._model, plain._dataset_reader
    assert not Shouting(model, reader).takes_batches()
    assert ShoutingInBatches(model, reader).takes_batches()

    class Padding(SimpleTagger):
        per_token_outputs = {}

    model.__class__ = Padding  # a model of one's own, whose outputs may have padding
    assert not SentenceTaggerPredictor(model, reader).takes_batches()


TEXT = "The dog didn't bark. Everybody slept!\n\nA cat ate.\n"


def test_text_is_split_into_sentences_and_words(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.txt").write_text(TEXT)
    predict(trained, tmp_path / "in.txt", "--input", "text")
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [" ".join(answer["words"]) for answer in answers] == [
        "The dog did n't bark .",
        "Everybody slept !",
        "A cat ate .",
    ]
    predict(
        trained, tmp_path / "in.txt", "--input", "text", "--splitter", "none", "--tokenizer", "whitespace"
    )
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(answer["words"]) for answer in answers] == [6, 0, 3]


def test_text_becomes_conllu(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conllu = pytest.importorskip("conllu")
    (tmp_path / "in.txt").write_text(TEXT)
    predict(trained, tmp_path / "in.txt", "--input", "text", "--output", "conllu", "--column", "xpos")
    sentences = conllu.parse(capsys.readouterr().out)
    assert [sentence.metadata["text"] for sentence in sentences] == [
        "The dog didn't bark.",
        "Everybody slept!",
        "A cat ate.",
    ]
    assert [token["form"] for token in sentences[0]] == ["The", "dog", "did", "n't", "bark", "."]
    # only the tagger's column has values, and the text can be put together again
    assert all(token["xpos"] and token["upos"] == token["lemma"] == "_" for s in sentences for token in s)
    assert [
        "".join(token["form"] + ("" if token["misc"] else " ") for token in sentence).strip()
        for sentence in sentences
    ] == [sentence.metadata["text"] for sentence in sentences]


CONLLU = """# newdoc id = a
# text = the dog's apple
1\tthe\tthe\t_\tDT\t_\t2\tdet\t_\t_
2-3\tdog's\t_\t_\t_\t_\t_\t_\t_\t_
2\tdog\tdog\tX\tNN\tNumber=Sing\t4\tnmod\t_\t_
3\t's\t's\t_\tPOS\t_\t2\tcase\t_\t_
3.1\tbig\tbig\tADJ\t_\t_\t_\t_\t4:amod\t_
4\tapple\tapple\t_\tNN\t_\t0\troot\t_\tSpaceAfter=No

# a comment alone

1\tdogs\tdog\t_\tNNS\t_\t2\tnsubj\t_\t_
2\tbark\tbark\t_\tVBP\t_\t0\troot\t_\t_
"""


@pytest.mark.parametrize("is_piped", [False, True])
def test_conllu_keeps_all_but_its_tags(
    is_piped: bool,
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "in.conllu").write_text(CONLLU)
    file = tmp_path / "in.conllu"
    with file.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        predict(trained, "-" if is_piped else file, "--input", "conllu", "--output", "conllu")
    shown = capsys.readouterr().out
    assert shown.endswith("\n\n") and not shown.endswith("\n\n\n")
    before, after = CONLLU.split("\n"), shown.split("\n")
    changed = [(a.split("\t"), b.split("\t")) for a, b in zip(before, after, strict=False) if a != b]
    assert len(after) == len(before) + 1
    assert [new[1] for _, new in changed] == ["the", "dog", "'s", "apple", "dogs", "bark"]
    assert all(old[:3] + old[4:] == new[:3] + new[4:] for old, new in changed)
    assert changed[0][1][3] == "DET" and changed[-1][1][3] == "VERB"


def test_what_conllu_cannot_hold_costs_no_other_sentence(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = [{"words": ["a", "b\tc"]}, {"words": [""]}, {"sentence": "\ud800 a\rb"}, {"sentence": "dogs"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(value) + "\n" for value in inputs))
    options = ["--output", "conllu", "--output-file", tmp_path / "out.conllu"]
    predict(trained, tmp_path / "in.jsonl", *options, status=2)
    assert r"in.jsonl, line 1: the word 'b\tc' cannot be written as CoNLL-U" in capsys.readouterr().err
    predict(trained, tmp_path / "in.jsonl", *options, "--skip-bad-lines")
    blocks = (tmp_path / "out.conllu").read_text().split("\n\n")
    assert [block.startswith("# error = ") for block in blocks[:4]] == [True, True, False, False]
    assert "# text = \\ud800 a b" in blocks[2] and "1\t\\ud800\t" in blocks[2] and "\tdogs\t" in blocks[3]


def test_a_bad_sentence_of_conllu_stays_as_it_is(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = "1\tthe\n\n"
    (tmp_path / "in.conllu").write_text(bad + CONLLU)
    predict(trained, tmp_path / "in.conllu", "--input", "conllu", "--output", "conllu", "--skip-bad-lines")
    first, rest = capsys.readouterr().out.split("\n", 1)
    assert "in.conllu, line 1: expected 10 columns" in first and first.startswith("# error = ")
    assert rest.startswith(bad + "# newdoc id = a")
    predict(trained, tmp_path / "in.conllu", "--input", "conllu", "--skip-bad-lines")
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "error" in answers[0] and [len(answer["words"]) for answer in answers[1:]] == [4, 2]


def test_no_conllu_from_a_language_model(
    trained_language_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(SENTENCE))
    predict(trained_language_model, tmp_path / "in.jsonl", "--output", "conllu", status=2)
    assert (
        "expected predictions with `words` and `tags`, those of LanguageModelPredictor"
        in capsys.readouterr().err
    )


def test_a_program_that_waits_for_each_answer_gets_it(trained: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "nlpreg", "predict", str(trained), "-", "--tokenizer", "whitespace"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for text in ("dogs bark", "a cat slept"):
            process.stdin.write(json.dumps({"sentence": text}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["words"] == text.split()
        # several lines at once, the last one without its end
        process.stdin.write("\n".join(json.dumps({"sentence": text}) for text in ("a", "a cat", "dogs")))
        process.stdin.close()
        assert [len(json.loads(line)["words"]) for line in process.stdout] == [1, 2, 1]
        assert process.wait() == 0


def test_confidences(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(SENTENCE))
    predict(trained, tmp_path / "in.jsonl", "--confidences")
    first = json.loads(capsys.readouterr().out)
    assert len(first["confidences"]) == 5 and all(0 < value <= 1 for value in first["confidences"])
    assert "uncertain" not in first
    predict(trained, tmp_path / "in.jsonl", "--confidences", "--threshold", "1")
    second = json.loads(capsys.readouterr().out)
    assert second["uncertain"] == [place for place, value in enumerate(first["confidences"]) if value < 1]


def test_a_model_without_confidences(
    trained_language_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(SENTENCE))
    predict(trained_language_model, tmp_path / "in.jsonl", "--confidences", status=2)
    assert "--confidences: the model LanguageModel gives no probabilities of tags" in capsys.readouterr().err


@pytest.mark.parametrize("given", [{}, {"add_special_tokens": True}])
def test_special_tokens_are_no_words_of_a_text(
    given: dict[str, Any], trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    ids = {
        piece: index for index, piece in enumerate(["[UNK]", "[CLS]", "[SEP]", "a", "b", "cat", "##s", "sat"])
    }
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(ids, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(tmp_path / "pieces")
    (tmp_path / "in.txt").write_text("a cats sat\n")
    tokenizer = {"type": "pretrained_transformer", "model_name": str(tmp_path / "pieces"), **given}
    options = ["--input", "text", "--tokenizer", json.dumps(tokenizer)]
    predict(trained, tmp_path / "in.txt", *options)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["words"] == ["a", "cat", "##s", "sat"]
