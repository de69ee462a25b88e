import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from nlpreg.commands.check.checking import check_file
from nlpreg.commands.command_line import exit_status as main
from nlpreg.commands.evaluate import evaluate_from_archive
from nlpreg.commands.report.analysis import analyse_labels
from nlpreg.commands.show.init import SAMPLES, skeleton_config
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.plugins import import_builtin_parts
from nlpreg.data import DatasetReader
from nlpreg.models import Model, TransformerClassificationTT, load_archive
from nlpreg.predictors import Predictor

import_builtin_parts()
# Without those that other tests register; an ensemble is packed by a command of its own.
MODELS = [
    name
    for name in Model.list_available()
    if Model.resolve_class_name(name)[0].__module__.startswith("nlpreg.") and name != "tagger_ensemble"
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.mark.parametrize("model", MODELS)
def test_the_config_of_every_model_passes_the_check(model: str, folder: Path) -> None:
    Path("c.jsonnet").write_text(skeleton_config(model), encoding="utf-8")
    problems = check_file("c.jsonnet").problems
    assert [problem for problem in problems if "there is no file" not in problem.message] == []


@pytest.mark.parametrize("model", MODELS)
def test_what_is_commented_out_can_be_set(model: str, folder: Path) -> None:
    """The comments hold keys with their defaults: taken in, they change nothing."""
    lines = []
    for line in skeleton_config(model).splitlines():
        commented = line.strip().removeprefix("// ")
        is_key = (
            line.startswith("    // ") and commented.split(":")[0].isidentifier() and commented.endswith(",")
        )
        lines.append("    " + commented if is_key and "{ ..." not in commented else line)
    Path("c.jsonnet").write_text("\n".join(lines), encoding="utf-8")
    Path("d.jsonnet").write_text(skeleton_config(model), encoding="utf-8")
    with_all, plain = check_file("c.jsonnet"), check_file("d.jsonnet")
    messages = [[problem.message for problem in checked.problems] for checked in (with_all, plain)]
    assert messages[0] == messages[1]
    assert with_all.resolved_config() == plain.resolved_config()


def shown_data(config: str) -> str:
    """The lines of data that the comments of a config show."""
    lines = [
        line.removeprefix("  //").removeprefix("     ")
        for line in config.splitlines()
        if line.startswith("  //     ") or line == "  //"
    ]
    return "\n".join(lines) + "\n"


def write_data(config: str) -> None:
    """Write data of the format shown where the config expects them: texts of two lengths, enough for some batches."""
    data = shown_data(config)
    assert data.strip(), "the config shows no data"
    longer = data.replace("the dog", "the dog the dog").replace(
        "the###DET dog", "the###DET dog###NOUN the###DET dog"
    )
    for path in set(re.findall(r"'(data/\w+\.\w+)'", config)):
        separator = "" if "conll" not in config and "\t" not in config else "\n"
        Path(path).write_text(separator.join([data, longer, data]))


def train(config: str, *options: str) -> dict[str, Any]:
    """Train a config for an epoch; returns the metrics."""
    Path("c.jsonnet").write_text(config)
    write_data(config)
    epochs = [] if "type: 'counting'" in config else ["-o", "trainer.num_epochs=1"]
    assert main("nlpreg", ["train", "c.jsonnet", "-s", "out", *epochs, *options, "-q"]) == 0
    metrics: dict[str, Any] = json.loads(Path("out/metrics.json").read_text())
    return metrics


def check_use(config: str, metrics: dict[str, Any]) -> None:
    """`evaluate` gives the figures of the validation whatever the batches, and the predictor takes a plain sentence."""
    path: Any = (
        "data/topic_validation.jsonl"
        if "topic_" in config
        else re.findall(r"'(data/validation\.\w+)'", config)[0]
    )
    data = json.dumps({"topic": path}) if "topic_" in config else path
    for batch_size in (1, 5):
        found = evaluate_from_archive("out/model.tar.gz", data, batch_size=batch_size)
        expected = {
            name: metrics[f"best_validation_{name}"] for name in found if f"best_validation_{name}" in metrics
        }
        assert "loss" in expected or "type: 'counting'" in config
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    predictor = Predictor.from_path("out/model.tar.gz")
    sentence = "the [MASK] barks" if "masked" in config else "the dog barks"
    given = {"sentence": sentence} | ({"task": "topic"} if "topic_" in config else {})
    if "type: 'boolq'" in config:
        given = {"passage": "the dog", "question": "barks"}
    answer = predictor.predict_json(given)
    brief = predictor.brief(answer)
    for words in ("words", "tokens"):
        if isinstance(brief.get(words), list) and "masked" not in config:
            shown = [word for word in brief[words] if word not in ("<S>", "</S>", "@start@", "@end@")]
            assert len(shown) == 3, "the predictor does not split the sentence as the reader does"
    assert brief and not {"logits", "mask"} & set(brief)


NEEDS_MORE = {"from_archive", "transformer_classification_tt"}


@pytest.mark.parametrize("model", sorted(set(MODELS) - NEEDS_MORE))
def test_the_config_of_every_model_trains_and_serves(model: str, folder: Path) -> None:
    config = skeleton_config(model)
    check_use(config, train(config))


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "c++", "clang++"))), reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", sorted(set(MODELS) - NEEDS_MORE - {"tnt_tagger"}))  # which only counts
def test_every_model_trains_compiled_as_uncompiled(model: str, folder: Path) -> None:
    """Batches of few texts have different lengths."""
    config = skeleton_config(model)
    part = "scheduler" if "type: 'multitask', scheduler" in config else "batch_sampler"
    in_pairs = ["-o", f"data_loader.{part}.batch_size=2", "-f"]
    plain, compiled = (
        train(config, *in_pairs, "-o", f"trainer.compile={value}")["training_loss"]
        for value in ("false", "true")
    )
    draws_in_another_order = model in ("bcn", "hmm_tagger")  # dropout; words taken as unknown
    assert compiled == pytest.approx(plain, rel=1e-2 if draws_in_another_order else 1e-5)


def test_the_config_of_a_transformer_trains(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "barks", "a", "cat", "sleeps"]
    (folder / "tiny").mkdir()
    (folder / "tiny" / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizer(str(folder / "tiny" / "vocab.txt")).save_pretrained("tiny")
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    transformers.BertModel(transformers.BertConfig(vocab_size=len(words), **shape)).save_pretrained("tiny")
    config = skeleton_config("transformer_classification_tt").replace("bert-base-uncased", "tiny")
    metrics = train(config)
    assert metrics["best_validation_loss"] > 0
    data = re.findall(r"'(data/validation\.\w+)'", config)[0]
    # the archive asks for the folder of the pretrained model
    command = ["evaluate", "out/model.tar.gz", data, "--allow-remote", "--output-file", "found.json", "-q"]
    assert main("nlpreg", command) == 0
    found = json.loads(Path("found.json").read_text())
    assert found["loss"] == pytest.approx(metrics["best_validation_loss"], rel=1e-4)
    predictor = Predictor.from_path("out/model.tar.gz", allow_remote=True)
    sentences = ["the dog barks", "a cat", ""]
    answers = [predictor.predict_json({"sentence": sentence}) for sentence in sentences]
    model = predictor._model
    assert isinstance(model, TransformerClassificationTT)
    for sentence, answer in zip(sentences, answers, strict=True):
        # the same from the ids of the words, of which the tokenizer's file has one a line
        ids = torch.tensor([[words.index(word) for word in ["[CLS]", *sentence.split(), "[SEP]"]]])
        tensors = {"token_ids": ids, "mask": ids > 0, "type_ids": torch.zeros_like(ids)}
        with torch.no_grad():
            logits = model({"tokens": tensors})["logits"][0]
        assert answer["logits"] == pytest.approx(logits.tolist(), abs=1e-5)
        best = model.vocab.get_token_from_index(int(logits.argmax()), "labels")
        assert predictor.brief(answer) == {"answers": best}
    analysis = analyse_labels(load_archive("out/model.tar.gz", allow_remote=True), data, None)
    assert analysis is not None and analysis.accuracy == pytest.approx(metrics["best_validation_acc"])
    for alone, together in zip(
        answers, predictor.predict_batch_json([{"sentence": sentence} for sentence in sentences]), strict=True
    ):
        assert together["answers"] == alone["answers"]
        assert together["logits"] == pytest.approx(alone["logits"], abs=1e-5)


def test_the_config_of_an_archived_model_trains(folder: Path) -> None:
    train(skeleton_config("simple_tagger"))
    (folder / "first").mkdir()
    (folder / "out" / "model.tar.gz").rename("first/model.tar.gz")
    config = skeleton_config("from_archive").replace("out/model.tar.gz", "first/model.tar.gz")
    metrics = train(config, "-f")
    assert metrics["best_validation_loss"] > 0
    check_use(config, metrics)


READERS = {
    "boolq": "basic_classifier",
    "ccgbank": "simple_tagger",
    "conll2000": "crf_tagger",
    "conll2003": "crf_tagger",
    "conllu": "tnt_tagger",
    "conllu_language_modeling": "language_model",
    "masked_language_modeling": "masked_language_model",
    "next_token_lm": "next_token_lm",
    "plain_text_language_modeling": "language_model",
    "sequence_tagging": "hmm_tagger",
    "simple_language_modeling": "causal_language_model",
    "sst_tokens": "basic_classifier",
    "text_classification_json": "basic_classifier",
}


def test_every_reader_that_has_a_sample_is_tried() -> None:
    assert set(READERS) == set(SAMPLES)
    assert set(READERS) <= set(DatasetReader.list_available())


@pytest.mark.parametrize("reader", sorted(READERS))
def test_every_reader_with_a_model_and_its_predictor(reader: str, folder: Path) -> None:
    config = skeleton_config(READERS[reader], reader)
    check_use(config, train(config))


INNER = "{ type: 'sequence_tagging', token_indexers: { tokens: { type: 'single_id' } } }"
BOTH = '\'{"a": "data/NAME.txt", "b": "data/NAME.txt"}\''
WRAPPERS = {
    "fold": "{ type: 'fold', base_reader: INNER, path: 'data/train.txt', fold: 0, num_folds: 2 }",
    "interleaving": "{ type: 'interleaving', readers: { a: INNER, b: INNER } }",
    "sharded": "{ type: 'sharded', base_reader: INNER }",
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_reader_that_wraps_another_one(wrapper: str, folder: Path) -> None:
    # the name of the data set that `interleaving` adds is among the further fields of a CRF tagger
    plain = skeleton_config("crf_tagger", "sequence_tagging")
    write_data(plain)
    config = plain.replace(INNER, WRAPPERS[wrapper].replace("INNER", INNER))
    assert config != plain
    paths = {name: f"data/{name}.txt" for name in ("train", "validation")}
    for name, path in paths.items():
        if wrapper == "interleaving":
            config = config.replace(f"'{path}'", BOTH.replace("NAME", name))
        elif wrapper == "sharded":
            config = config.replace(f"'{path}'", f"'data/{name}*.txt'")
    Path("c.jsonnet").write_text(config)
    assert main("nlpreg", ["train", "c.jsonnet", "-s", "out", "-o", "trainer.num_epochs=1", "-q"]) == 0
    answer = Predictor.from_path("out/model.tar.gz").predict_json({"sentence": "the dog barks"})
    assert answer["words"] == ["the", "dog", "barks"] and len(answer["tags"]) == 3


def test_a_reader_beside_the_model_of_a_plugin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "my_plugin.py").write_text(
        """
from nlpreg.data import DatasetReader
from nlpreg.data import DatasetReader
from nlpreg.models import Model
from nlpreg.predictors import Predictor


@DatasetReader.register("numbers")
class Numbers(DatasetReader):
    \"\"\"Reads numbers, one a line.\"\"\"

    def text_to_instance(self, number: int):
        return Instance({"number": number})


@Model.register("counter")
class Counter(Model):
    def forward(self, number):
        return {}


@Model.register("juggler")
class Juggler(Model):
    def forward(self, balls):
        return {}
"""
    )
    monkeypatch.syspath_prepend(str(folder))
    __import__("my_plugin")
    config = skeleton_config("counter")
    assert "type: 'numbers'" in config and "// The data: Reads numbers, one a line." in config
    assert "No reader is known whose instances have these fields" in skeleton_config("juggler")
    assert "No reader is known" not in config


def test_another_reader(folder: Path) -> None:
    text = skeleton_config("crf_tagger", "conll2003")
    assert "type: 'conll2003'" in text
    with pytest.raises(ConfigurationError, match='not a registered DatasetReader; did you mean "conll2003"'):
        skeleton_config("crf_tagger", "conll2033")


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match='not a registered Model; did you mean "crf_tagger"'):
        skeleton_config("crf_taggr")


def test_a_model_that_no_config_trains() -> None:
    with pytest.raises(ConfigurationError, match="tagger_ensemble: .* pack them with `nlpreg ensemble`"):
        skeleton_config("tagger_ensemble")


def test_the_command_writes_a_file_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["init", "simple_tagger", "-o", "c.jsonnet"]) == 0
    assert "nlpreg check c.jsonnet" in capsys.readouterr().out
    assert Path("c.jsonnet").read_text() == skeleton_config("simple_tagger")
    assert main("nlpreg", ["init", "crf_tagger", "-o", "c.jsonnet"]) == 2
    assert "this exists already" in capsys.readouterr().err
    assert main("nlpreg", ["init", "crf_tagger", "-o", "c.jsonnet", "-f"]) == 0
    assert Path("c.jsonnet").read_text() == skeleton_config("crf_tagger")


def test_the_command_prints(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("nlpreg", ["init", "simple_tagger"]) == 0
    assert capsys.readouterr().out == skeleton_config("simple_tagger")
