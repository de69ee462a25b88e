import random

import pytest
import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.common.params import Params
from nlpreg.data.dataset_readers.dataset_utils import span_utils
from nlpreg.data.dataset_readers.dataset_utils.span_utils import (
    InvalidTagSequence,
    bio_tags_to_spans,
    bioul_tags_to_spans,
)
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.training.metrics import Metric, SpanBasedF1Measure
from nlpreg.training.metrics.span_based_f1_measure import count_spans, find_spans, span_label, tag_table

TYPES = ["PER", "LOC", "Ö"]


def _vocabulary(tags):
    vocabulary = Vocabulary()
    vocabulary.add_tokens_to_namespace(tags, "tags")
    return vocabulary


def _tags_of(encoding):
    letters = {"BIO": "BI", "IOB1": "BI", "BIOUL": "BIUL", "BMES": "BMES"}[encoding]
    return ["O", *(f"{letter}-{name}" for letter in letters for name in TYPES)]


def _scores(rows, num_tags):
    """Scores (B, L, C) whose maximum is at these ids."""
    return torch.nn.functional.one_hot(torch.tensor(rows), num_tags) * 1.5


def _tensors(vocabulary, predicted, gold):
    """Scores, gold ids and mask of sentences given as lists of tags."""
    length = max(map(len, gold))
    ids = vocabulary.get_token_to_index_vocabulary("tags")
    rows = [
        [[ids[tag] for tag in row] + [0] * (length - len(row)) for row in side] for side in (predicted, gold)
    ]
    mask = torch.tensor([[position < len(row) for position in range(length)] for row in gold])
    return _scores(rows[0], len(ids)), torch.tensor(rows[1]), mask


def test_by_hand():
    vocabulary = _vocabulary(["O", "B-ARG1", "I-ARG1", "B-ARG2", "I-ARG2", "B-V", "I-V"])
    gold = [["O", "B-ARG1", "I-ARG1", "O", "B-ARG2", "O"], ["B-V", "O", "B-ARG1"]]
    predicted = [["O", "B-ARG1", "I-ARG1", "B-ARG1", "O", "O"], ["B-V", "O", "B-ARG2"]]
    measure = SpanBasedF1Measure(vocabulary, "tags")
    measure(*_tensors(vocabulary, predicted, gold))
    assert measure.get_metric(reset=True) == pytest.approx(
        {
            "precision-ARG1": 1 / 2,
            "recall-ARG1": 1 / 2,
            "f1-measure-ARG1": 1 / 2,
            "precision-ARG2": 0.0,
            "recall-ARG2": 0.0,
            "f1-measure-ARG2": 0.0,
            "precision-V": 1.0,
            "recall-V": 1.0,
            "f1-measure-V": 1.0,
            "precision-overall": 2 / 4,
            "recall-overall": 2 / 4,
            "f1-measure-overall": 1 / 2,
        }
    )
    assert measure.get_metric() == {
        "precision-overall": 0.0,
        "recall-overall": 0.0,
        "f1-measure-overall": 0.0,
    }


@pytest.mark.oracle
def test_against_seqeval():
    seqeval = pytest.importorskip("seqeval.metrics")
    chance = random.Random(1)
    tags = _tags_of("BIO")
    vocabulary = _vocabulary(tags)
    measure = SpanBasedF1Measure(vocabulary, "tags")
    all_predicted, all_gold = [], []
    for _ in range(5):
        gold = [chance.choices(tags, k=chance.randrange(1, 9)) for _ in range(6)]
        predicted = [[tag if chance.random() < 0.7 else chance.choice(tags) for tag in row] for row in gold]
        measure(*_tensors(vocabulary, predicted, gold))
        all_predicted += predicted
        all_gold += gold
    measured = measure.get_metric()
    report = seqeval.classification_report(all_gold, all_predicted, output_dict=True)
    for name in TYPES:
        assert measured[f"precision-{name}"] == pytest.approx(report[name]["precision"])
        assert measured[f"recall-{name}"] == pytest.approx(report[name]["recall"])
        assert measured[f"f1-measure-{name}"] == pytest.approx(report[name]["f1-score"])
    assert measured["f1-measure-overall"] == pytest.approx(report["micro avg"]["f1-score"])


LETTERS_OF_SEQEVAL = {"BIOUL": {"L": "E", "U": "S"}, "BMES": {"M": "I"}}


def _random_spans(chance, encoding, length):
    """A well-formed sequence of tags."""
    single, first, middle, last = {
        "BIO": "BBII",
        "IOB1": "IIII",
        "BIOUL": "UBIL",
        "BMES": "SBME",
    }[encoding]
    tags, before = [], None
    while len(tags) < length:
        name, size = chance.choice([None, *TYPES]), chance.randrange(1, 4)
        if name is None or len(tags) + size > length:
            tags.append("O")
            before = None
            continue
        span = [single] if size == 1 else [first, *[middle] * (size - 2), last]
        if encoding == "IOB1" and name == before:
            span[0] = "B"
        tags += [f"{letter}-{name}" for letter in span]
        before = name
    return tags


@pytest.mark.oracle
@pytest.mark.parametrize("encoding", ["BIO", "IOB1", "BIOUL", "BMES"])
def test_every_encoding_against_the_rules_of_conlleval(encoding):
    seqeval = pytest.importorskip("seqeval.metrics")
    chance = random.Random(3)
    vocabulary = _vocabulary(_tags_of(encoding))
    measure = SpanBasedF1Measure(vocabulary, "tags", label_encoding=encoding)
    all_predicted, all_gold = [], []
    for _ in range(60):
        gold = _random_spans(chance, encoding, chance.randrange(1, 12))
        predicted = gold if chance.random() < 0.5 else _random_spans(chance, encoding, len(gold))
        measure(*_tensors(vocabulary, [predicted], [gold]))
        letters = LETTERS_OF_SEQEVAL.get(encoding, {})
        for tags, side in ((predicted, all_predicted), (gold, all_gold)):
            side.append([letters.get(tag[0], tag[0]) + tag[1:] for tag in tags])
    measured = measure.get_metric()
    report = seqeval.classification_report(all_gold, all_predicted, output_dict=True)
    for name, of_report in [*((name, name) for name in TYPES), ("overall", "micro avg")]:
        assert measured[f"precision-{name}"] == pytest.approx(report[of_report]["precision"])
        assert measured[f"recall-{name}"] == pytest.approx(report[of_report]["recall"])
        assert measured[f"f1-measure-{name}"] == pytest.approx(report[of_report]["f1-score"])


@pytest.mark.oracle
@pytest.mark.parametrize("encoding", ["BIO", "IOB1", "BIOUL", "BMES"])
def test_strict_against_seqeval(encoding):
    seqeval = pytest.importorskip("seqeval.metrics")
    schemes = pytest.importorskip("seqeval.scheme")
    chance = random.Random(5)
    tags = _tags_of(encoding)
    vocabulary = _vocabulary(tags)
    measure = SpanBasedF1Measure(vocabulary, "tags", label_encoding=encoding, strict=True)
    all_predicted, all_gold = [], []
    for _ in range(80):
        gold = _random_spans(chance, encoding, chance.randrange(1, 12))
        predicted = [tag if chance.random() < 0.8 else chance.choice(tags) for tag in gold]
        if (
            encoding == "IOB1"
        ):  # seqeval has no rule for B behind a B of another type, where IOB1 has no tag B at all
            for place in range(1, len(predicted)):
                if (
                    predicted[place - 1][0] == predicted[place][0] == "B"
                    and predicted[place - 1] != predicted[place]
                ):
                    predicted[place] = "O"
        measure(*_tensors(vocabulary, [predicted], [gold]))
        letters = {"M": "I"} if encoding == "BMES" else {}
        for sequence, side in ((predicted, all_predicted), (gold, all_gold)):
            side.append([letters.get(tag[0], tag[0]) + tag[1:] for tag in sequence])
    scheme = {"BIO": "IOB2", "IOB1": "IOB1", "BIOUL": "BILOU", "BMES": "IOBES"}[encoding]
    measured = measure.get_metric()
    report = seqeval.classification_report(
        all_gold,
        all_predicted,
        output_dict=True,
        mode="strict",
        scheme=getattr(schemes, scheme),
        zero_division=0,
    )
    for name, of_report in [*((name, name) for name in TYPES), ("overall", "micro avg")]:
        assert measured[f"precision-{name}"] == pytest.approx(report[of_report]["precision"])
        assert measured[f"recall-{name}"] == pytest.approx(report[of_report]["recall"])
    with pytest.raises(ConfigurationError, match="strict needs a label_encoding"):
        SpanBasedF1Measure(
            vocabulary, "tags", label_encoding=None, tags_to_spans_function=bio_tags_to_spans, strict=True
        )


@pytest.mark.parametrize("ignored", [None, ["LOC"]])
def test_own_function_gives_the_same(ignored):
    chance = random.Random(2)
    tags = _tags_of("BIO")
    vocabulary = _vocabulary(tags)
    gold = [chance.choices(tags, k=chance.randrange(1, 9)) for _ in range(20)]
    predicted = [[tag if chance.random() < 0.7 else chance.choice(tags) for tag in row] for row in gold]
    by_encoding = SpanBasedF1Measure(vocabulary, "tags", ignore_classes=ignored)
    by_function = SpanBasedF1Measure(
        vocabulary, "tags", ignored, label_encoding=None, tags_to_spans_function=bio_tags_to_spans
    )
    for measure in (by_encoding, by_function):
        measure(*_tensors(vocabulary, predicted, gold))
    assert by_encoding.get_metric() == pytest.approx(by_function.get_metric())
    assert ("recall-LOC" in by_encoding.get_metric()) == (ignored is None)


@pytest.mark.parametrize("encoding", ["BIO", "IOB1", "BMES"])
def test_lenient_encodings_take_anything(encoding):
    tags = _tags_of(encoding)
    vocabulary = _vocabulary(tags)
    measure = SpanBasedF1Measure(vocabulary, "tags", label_encoding=encoding)
    row = [tags[2], tags[1], "O", tags[4]]
    measure(*_tensors(vocabulary, [row], [row]))
    assert measure.get_metric()["f1-measure-overall"] == pytest.approx(1.0)


def test_bioul():
    vocabulary = _vocabulary(_tags_of("BIOUL"))
    gold = [["B-PER", "I-PER", "L-PER", "U-LOC"]]
    predicted = [["B-PER", "I-PER", "L-PER", "O"]]
    measure = SpanBasedF1Measure(vocabulary, "tags", label_encoding="BIOUL")
    measure(*_tensors(vocabulary, predicted, gold))
    assert measure.get_metric()["recall-overall"] == pytest.approx(0.5)
    assert len(bioul_tags_to_spans(gold[0])) == 2


def test_ill_formed_gold_of_bioul_is_an_error_with_advice():
    vocabulary = _vocabulary(_tags_of("BIOUL"))
    measure = SpanBasedF1Measure(vocabulary, "tags", label_encoding="BIOUL")
    message = "do not follow BIOUL: O L-PER O. Set label_encoding to the encoding of the data"
    for error in (InvalidTagSequence, ConfigurationError):
        with pytest.raises(error, match=message):
            measure(*_tensors(vocabulary, [["O"], ["O", "O", "O"]], [["O"], ["O", "L-PER", "O"]]))


@pytest.mark.parametrize(
    "predicted",
    [["B-PER", "I-PER"], ["I-PER", "L-PER"], ["L-PER", "L-PER"], ["I-PER", "I-PER"], ["B-PER", "U-PER"]],
)
def test_ill_formed_predictions_of_bioul_are_wrong(predicted):
    vocabulary = _vocabulary([*_tags_of("BIOUL"), "B-C-PER"])
    without_continuations = _vocabulary(_tags_of("BIOUL"))
    for tags in (vocabulary, without_continuations):
        measure = SpanBasedF1Measure(tags, "tags", label_encoding="BIOUL")
        measure(*_tensors(tags, [[*predicted, "U-LOC"]], [["B-PER", "L-PER", "U-LOC"]]))
        measured = measure.get_metric()
        assert (measured["precision-PER"], measured["recall-PER"]) == (0.0, 0.0)
        assert measured["f1-measure-LOC"] == 1.0
        assert measured["recall-overall"] == 0.5


def test_a_function_may_refuse_predictions_but_not_gold_tags():
    vocabulary = _vocabulary(_tags_of("BIOUL"))
    measure = SpanBasedF1Measure(
        vocabulary, "tags", label_encoding=None, tags_to_spans_function=bioul_tags_to_spans
    )
    measure(*_tensors(vocabulary, [["B-PER", "O"], ["U-PER"]], [["U-PER", "O"], ["U-PER"]]))
    measured = measure.get_metric()
    assert (measured["precision-overall"], measured["recall-overall"]) == (1.0, 0.5)
    with pytest.raises(ConfigurationError, match="do not follow the encoding: B-PER O"):
        measure(*_tensors(vocabulary, [["O", "O"]], [["B-PER", "O"]]))


@pytest.mark.parametrize("encoding", ["BIO", "IOB1", "BIOUL", "BMES"])
@pytest.mark.parametrize("number", [1, 3, 49, 1000])
def test_perfect_spans_give_exactly_one(encoding, number):
    vocabulary = _vocabulary(_tags_of(encoding))
    single = {"BIO": "B-PER", "IOB1": "I-PER", "BIOUL": "U-PER", "BMES": "S-PER"}[encoding]
    rows = [["O", single, "O"]] * number
    measure = SpanBasedF1Measure(vocabulary, "tags", label_encoding=encoding)
    measure(*_tensors(vocabulary, rows, rows))
    assert set(measure.get_metric().values()) == {1.0}


def test_counts_are_there_for_subclasses():
    vocabulary = _vocabulary(_tags_of("BIO"))

    class Own(SpanBasedF1Measure):
        def __call__(self, predictions, gold_labels, mask=None, prediction_map=None):
            super().__call__(predictions, gold_labels, mask, prediction_map)
            self._false_negatives["PER"] += 1

    measure = Own(vocabulary, "tags")
    for _ in range(2):
        measure(*_tensors(vocabulary, [["B-PER", "B-LOC"]], [["B-PER", "O"]]))
    assert dict(measure._true_positives) == {"PER": 2, "LOC": 0, "": 0, "Ö": 0}
    assert measure._false_positives["LOC"] == 2
    measured = measure.get_metric(reset=True)
    assert (measured["precision-PER"], measured["recall-PER"]) == (1.0, 0.5)
    assert not measure._false_negatives


def test_a_state_of_version_0_1_resumes():
    vocabulary = _vocabulary(_tags_of("BIO"))
    measure = SpanBasedF1Measure(vocabulary, "tags")
    measure.load_state_dict({"_labels": ["", "PER"], "_counts": torch.tensor([[0, 0, 0], [3, 1, 1]])})
    measure(*_tensors(vocabulary, [["B-LOC"]], [["B-LOC"]]))
    measured = measure.get_metric()
    assert (measured["precision-PER"], measured["f1-measure-LOC"]) == (0.75, 1.0)


def test_tags_behind_the_mask_do_not_matter():
    vocabulary = _vocabulary(_tags_of("BIO"))
    measure = SpanBasedF1Measure(vocabulary, "tags")
    scores, gold, _ = _tensors(vocabulary, [["B-PER", "O", "B-LOC"]], [["B-PER", "B-LOC", "O"]])
    measure(scores, gold, torch.tensor([[True, False, False]]))
    measure(scores, gold, torch.tensor([[False, False, False]]))
    assert measure.get_metric()["f1-measure-overall"] == pytest.approx(1.0)


def test_continued_spans_are_one_span():
    vocabulary = _vocabulary(["O", "B-A", "I-A", "B-C-A", "I-C-A", "B-AB", "I-AB"])
    gold = [["B-A", "O", "B-C-A", "I-C-A", "B-AB"]]
    measure = SpanBasedF1Measure(vocabulary, "tags")
    measure(*_tensors(vocabulary, [["B-A", "O", "O", "B-C-A", "B-AB"]], gold))
    measured = measure.get_metric(reset=True)
    assert measured["f1-measure-A"] == pytest.approx(1.0)  # words 0 to 3 either way
    assert measured["f1-measure-AB"] == pytest.approx(1.0)  # whose name only begins like the other
    assert "f1-measure-C-A" not in measured
    measure(*_tensors(vocabulary, [["B-A", "O", "O", "O", "B-AB"]], gold))
    assert measure.get_metric()["recall-A"] == 0.0


def test_prediction_map():
    vocabulary = _vocabulary(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
    mapping = torch.tensor([[0, 3, 4], [0, 1, 2]])  # what each of three classes means in each sentence
    classes = [[1, 2, 0], [1, 0, 1]]
    measure = SpanBasedF1Measure(vocabulary, "tags")
    measure(_scores(classes, 3), torch.tensor([[1, 2, 0], [1, 0, 0]]), None, mapping)
    measured = measure.get_metric()
    assert measured["f1-measure-LOC"] == pytest.approx(1.0)
    assert measured["precision-PER"] == pytest.approx(0.5)


def test_unlabelled_tags_have_the_empty_label():
    vocabulary = _vocabulary(["O", "B", "I"])
    measure = SpanBasedF1Measure(vocabulary, "tags")
    measure(*_tensors(vocabulary, [["B", "I", "O"]], [["B", "I", "O"]]))
    assert measure.get_metric()["precision-"] == pytest.approx(1.0)


def test_the_vocabulary_may_grow():
    vocabulary = _vocabulary(["O", "B-PER", "I-PER"])
    measure = SpanBasedF1Measure(vocabulary, "tags")
    measure(*_tensors(vocabulary, [["B-PER"]], [["B-PER"]]))
    vocabulary.add_tokens_to_namespace(["B-LOC", "I-LOC"], "tags")
    measure(*_tensors(vocabulary, [["B-LOC", "I-LOC"]], [["B-LOC", "O"]]))
    measured = measure.get_metric()
    assert measured["f1-measure-PER"] == pytest.approx(1.0)
    assert measured["f1-measure-LOC"] == 0.0


def test_gold_outside_of_the_classes():
    vocabulary = _vocabulary(["O", "B-PER"])
    with pytest.raises(ConfigurationError, match="outside of the 2 tags"):
        SpanBasedF1Measure(vocabulary, "tags")(torch.zeros(1, 1, 2), torch.tensor([[2]]))


def test_bad_arguments():
    vocabulary = _vocabulary(["O"])
    with pytest.raises(ConfigurationError, match="label_encoding: expected one of"):
        SpanBasedF1Measure(vocabulary, label_encoding="IOB")
    with pytest.raises(ConfigurationError, match="either a label_encoding or"):
        SpanBasedF1Measure(vocabulary, label_encoding=None)
    with pytest.raises(ConfigurationError, match="label_encoding has to be null"):
        SpanBasedF1Measure(vocabulary, tags_to_spans_function=bio_tags_to_spans)


def test_from_a_config():
    vocabulary = _vocabulary(["O", "B-PER"])
    measure = Metric.from_params(
        Params({"type": "span_f1", "tag_namespace": "tags", "label_encoding": "BIOUL"}), vocabulary=vocabulary
    )
    assert type(measure) is SpanBasedF1Measure


FUNCTIONS = {
    "BIO": (span_utils.bio_tags_to_spans, "BI"),
    "IOB1": (span_utils.iob1_tags_to_spans, "BI"),
    "BIOUL": (span_utils.bioul_tags_to_spans, "BIUL"),
    "BMES": (span_utils.bmes_tags_to_spans, "BMES"),
}


def _found(tags, encoding, padding=2):
    """The spans of one sentence by the batched code, and whether it is called ill-formed."""
    names = sorted(set(tags)) or ["O"]
    labels = sorted({span_label(tag) for tag in names})
    table = tag_table(dict(enumerate(names)), encoding, {label: index for index, label in enumerate(labels)})
    ids = torch.tensor([[names.index(tag) for tag in tags] + [0] * padding], dtype=torch.long)
    spans = find_spans(ids, torch.tensor([len(tags)]), table, encoding)
    ends = spans.ends[0].nonzero().flatten().tolist()
    found = [(labels[spans.labels[0, end]], (int(spans.starts[0, end]), end)) for end in ends]
    return found, bool(spans.ill_formed)


@pytest.mark.parametrize("encoding", FUNCTIONS)
@pytest.mark.parametrize("types", [["X"], ["X", "Y"], ["", "É"]])
def test_like_the_function_for_one_sentence(encoding, types):
    function, letters = FUNCTIONS[encoding]
    tags = ["O"] + [f"{letter}-{name}" if name else letter for letter in letters for name in types]
    chance = random.Random(0)
    num_valid = 0
    for _ in range(400):
        sentence = chance.choices(tags, k=chance.randrange(7))
        found, ill_formed = _found(sentence, encoding)
        try:
            expected = function(sentence)
        except InvalidTagSequence:
            assert ill_formed, sentence
        else:
            num_valid += 1
            assert not ill_formed, sentence
            assert found == expected
    assert num_valid > 50


@pytest.mark.parametrize("encoding", FUNCTIONS)
def test_unknown_letters(encoding):
    assert _found(["O", "Q-X"], encoding)[1]


@pytest.mark.parametrize("encoding", FUNCTIONS)
def test_no_words_at_all(encoding):
    assert _found([], encoding) == ([], False)
    assert _found([], encoding, padding=0) == ([], False)


def test_ids_without_a_tag_are_unknown():
    table = tag_table({0: "O"}, "BIO", {"": 0})
    assert find_spans(torch.tensor([[0, 5]]), torch.tensor([2]), table, "BIO").ill_formed.item()
    assert not find_spans(torch.tensor([[0, 5]]), torch.tensor([1]), table, "BIO").ill_formed.item()


def test_right_wrong_and_missed_spans():
    tags = ["O", "B-X", "I-X", "B-Y", "I-Y"]
    table = tag_table(dict(enumerate(tags)), "BIO", {"": 0, "X": 1, "Y": 2})
    lengths = torch.tensor([4, 2])
    predicted = find_spans(torch.tensor([[1, 2, 3, 4], [1, 2, 1, 1]]), lengths, table, "BIO")
    gold = find_spans(torch.tensor([[1, 2, 3, 0], [3, 4, 0, 0]]), lengths, table, "BIO")
    assert count_spans(predicted, gold, 3).tolist() == [[0, 0, 0], [1, 1, 0], [0, 1, 2]]
