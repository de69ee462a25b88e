"""What the report says of a model's labels, against counts by hand and scikit-learn."""

import pytest

from nlpreg.commands.report.analysis import Analysis, Example, analyse
from nlpreg.commands.train import train_model_from_file

EXAMPLES = [
    Example(["the", "dog", "Barks"], ["D", "N", "V"], ["D", "N", "N"]),
    Example(["a", "cat"], ["D", "N"], ["D", "V"]),
    Example(["dogs", "run"], ["N", "V"], ["N", "V"]),
]


def test_scores_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    gold = [label for example in EXAMPLES for label in example.gold]
    predicted = [label for example in EXAMPLES for label in example.predicted]
    expected = metrics.precision_recall_fscore_support(gold, predicted, labels=["D", "N", "V"])
    scores = {score.label: score for score in Analysis("", EXAMPLES).scores()}
    for number, label in enumerate(["D", "N", "V"]):
        score = scores[label]
        found = (score.precision, score.recall, score.f1, score.count)
        assert found == pytest.approx([part[number] for part in expected])


def test_a_label_that_is_never_predicted_or_never_gold_scores_zero() -> None:
    scores = {score.label: score for score in Analysis("", [Example(["a"], ["X"], ["Y"])]).scores()}
    assert (scores["X"].f1, scores["X"].count, scores["Y"].f1, scores["Y"].count) == (0.0, 1, 0.0, 0)


def test_known_and_unknown_words() -> None:
    analysis = Analysis("", EXAMPLES, known_words={"the", "dog", "barks", "a"})
    # known: the, dog, Barks (wrong; in lower case), a; unknown: cat (wrong), dogs, run
    assert analysis.accuracy_by_knowledge() == {"known": (3 / 4, 4), "unknown": (2 / 3, 3)}
    assert analysis.accuracy == pytest.approx(5 / 7)


def test_confusions_come_with_examples() -> None:
    confusions = Analysis("", EXAMPLES).confusions()
    assert {(gold, predicted, count) for gold, predicted, count, _ in confusions} == {
        ("V", "N", 1),
        ("N", "V", 1),
    }
    for gold, _, _, examples in confusions:
        example, place = examples[0]
        assert example.gold[place] == gold
    assert [example.num_errors for example in Analysis("", EXAMPLES).worst()] == [1, 1]


def test_calibration_of_bins() -> None:
    examples = [
        Example(["a", "b", "c"], ["X", "X", "Y"], ["X", "Y", "Y"], [0.95, 0.55, 0.91]),
        Example(["d"], ["X"], ["Y"], [1.0]),
        Example(["e"], ["X"], ["Y"]),  # without a probability
    ]
    analysis = Analysis("", examples)
    low, high = analysis.calibration()
    assert (low.confidence, low.accuracy, low.count) == (0.55, 0.0, 1)
    assert high.confidence == pytest.approx((0.95 + 0.91 + 1.0) / 3)
    assert (high.accuracy, high.count) == (pytest.approx(2 / 3), 3)
    error = (0.55 + 3 * ((0.95 + 0.91 + 1.0) / 3 - 2 / 3)) / 4
    assert analysis.calibration_error() == pytest.approx(error)
    assert Analysis("", EXAMPLES).calibration_error() is None


CONFIG = """{
  dataset_reader: { type: 'sequence_tagging' },
  train_data_path: 'train.txt', validation_data_path: 'train.txt',
  model: { type: 'simple_tagger',
    text_field_embedder: { token_embedders: { tokens: { type: 'embedding', embedding_dim: 4 } } },
    encoder: { type: 'lstm', input_size: 4, hidden_size: 4 } },
  data_loader: { batch_size: 2 }, trainer: { num_epochs: 2, optimizer: 'adam' },
}"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The folder of a tagger's run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.txt").write_text("The###D dog###N barks###V\n<b>###N\n", encoding="utf-8")
    (tmp_path / "config.jsonnet").write_text(CONFIG, encoding="utf-8")
    train_model_from_file("config.jsonnet", "out")
    return tmp_path / "out"


def test_a_trained_tagger_is_analysed(run) -> None:
    analysis = analyse(str(run / "model.tar.gz"), "train.txt", max_instances=10)
    assert analysis is not None
    assert [example.words for example in analysis.examples] == [["The", "dog", "barks"], ["<b>"]]
    assert [example.gold for example in analysis.examples] == [["D", "N", "V"], ["N"]]
    assert all(len(example.predicted) == len(example.words) for example in analysis.examples)
    one = analyse(str(run / "model.tar.gz"), "train.txt", max_instances=1)
    assert one is not None and len(one.examples) == 1
