"""Every pair of a dataset reader and a predictor: a plain sentence is answered, or refused in a sentence."""

from typing import Any

import pytest
from every_model import CASES, TAGGING, TEXT, make_predictor

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError
from nlpreg.common.plugins import import_builtin_parts
from nlpreg.data import DatasetReader, Token
from nlpreg.data.fields import TextField
from nlpreg.models import Model
from nlpreg.predictors import Predictor

import_builtin_parts()
WORDS = ["the", "dog", "ate", "the", "apple", "."]
MASKED = ["the", "[MASK]", "ate", "the", "apple", "."]

WHITESPACE = {"tokenizer": "whitespace"}
RUNNING_TEXT = {"type": "plain_text_language_modeling", "tokenizer": "whitespace"}
# kind of reader -> its config, the model that its instances are for, and the predictors that read a plain sentence with it
READERS: dict[str, tuple[dict[str, Any], str, set[str]]] = {
    "babi": ({}, "basic_classifier", set()),
    "boolq": ({}, "basic_classifier", set()),
    "ccgbank": ({}, "simple_tagger", {"sentence_tagger"}),
    "conll2000": ({}, "simple_tagger", {"sentence_tagger"}),
    "conll2003": ({}, "crf_tagger", {"sentence_tagger"}),
    "conllu": ({}, "tnt_tagger", {"sentence_tagger"}),
    "conllu_language_modeling": ({}, "language_model", {"language_model"}),
    "fold": (
        {"base_reader": TAGGING, "path": "all.txt", "fold": 0, "num_folds": 2},
        "hmm_tagger",
        {"sentence_tagger"},
    ),
    "huggingface_datasets": ({"dataset": "csv", **WHITESPACE}, "basic_classifier", {"text_classifier"}),
    "huggingface_datasets, words": (
        {"dataset": "csv", "words": {"tokens": "words"}, "tags": {"tags": "pos"}},
        "simple_tagger",
        {"sentence_tagger"},
    ),
    "huggingface_datasets, running text": (
        {"dataset": "csv", "texts": {"source": "text"}, **WHITESPACE},
        "language_model",
        {"language_model"},
    ),
    "interleaving": (
        {"readers": {"one": TAGGING, "other": TAGGING}},
        "crf_tagger",  # which ignores the field with the name of the reader
        {"sentence_tagger"},
    ),
    "masked_language_modeling": (WHITESPACE, "masked_language_model", {"masked_language_model"}),
    "multitask": ({"readers": {"sentiment": TEXT}}, "multitask", {"multitask"}),
    "multitask_shim": ({"inner": TEXT, "head": "sentiment"}, "multitask", {"text_classifier"}),
    "next_token_lm": (WHITESPACE, "next_token_lm", {"next_token_lm"}),
    "ontonotes_ner": ({}, "crf_tagger", {"sentence_tagger"}),
    "plain_text_language_modeling": (WHITESPACE, "causal_language_model, recurrent", {"language_model"}),
    "sequence_tagging": ({}, "multi_tagger", {"sentence_tagger"}),
    "sharded": ({"base_reader": RUNNING_TEXT}, "language_model", {"language_model"}),
    "simple_language_modeling": (WHITESPACE, "bidirectional-language-model", {"language_model"}),
    "sst_tokens": ({}, "bcn", {"text_classifier"}),
    "text_classification_json": (WHITESPACE, "basic_classifier", {"text_classifier"}),
}


def registered(base: Any) -> set[str]:
    """The names of the classes that are ours, without those that other tests register."""
    return {name for name in base.list_available() if base.by_name(name).__module__.startswith("nlpreg.")}


def pair(reader: str, predictor: str) -> Predictor:
    config, model, _ = READERS[reader]
    made = DatasetReader.from_params(Params({"type": reader.partition(",")[0], **config}))
    maker: Any = Predictor.by_name(predictor)
    found: Predictor = maker(make_predictor(model)._model, made)
    return found


def sentence_for(predictor: str) -> dict[str, Any]:
    words = MASKED if predictor == "masked_language_model" else WORDS
    return {"sentence": " ".join(words)} | ({"task": "sentiment"} if predictor == "multitask" else {})


def test_every_reader_and_every_predictor_has_a_pair() -> None:
    assert {name.partition(",")[0] for name in READERS} == registered(DatasetReader)
    assert set().union(*(predictors for _, _, predictors in READERS.values())) == registered(Predictor)
    # the model's own predictor is the one that reads its data
    for reader, (_, model, predictors) in READERS.items():
        own = CASES[model][2] or Model.by_name(model.partition(",")[0]).default_predictor
        assert not predictors or own in predictors or reader == "multitask_shim"


PAIRS = [(reader, predictor) for reader in READERS for predictor in sorted(registered(Predictor))]


@pytest.mark.parametrize(("reader", "predictor"), PAIRS, ids=map("-".join, PAIRS))
def test_a_plain_sentence_is_answered_or_refused(reader: str, predictor: str) -> None:
    if predictor not in READERS[reader][2]:
        try:
            answer = pair(reader, predictor).predict_json(sentence_for(predictor))
        except ConfigurationError as error:
            assert "\n" not in str(error) and len(str(error)) > 40
        else:
            assert answer  # a predictor that makes the same instance
        return
    made = pair(reader, predictor)
    given = sentence_for(predictor)
    words = MASKED if predictor == "masked_language_model" else WORDS
    texts = [field for field in made._json_to_instance(given).fields.values() if isinstance(field, TextField)]
    assert [str(token) for token in texts[0]] == words
    answer = made.brief(made.predict_json(given))
    if predictor == "sentence_tagger":
        assert list(answer)[:2] == ["words", "tags"] and answer["words"] == words
        assert len(answer["tags"]) == len(words)
    elif predictor == "language_model":
        assert answer["tokens"] == words and answer["perplexity"] > 1
    else:
        named = {"masked_language_model": "words", "next_token_lm": "top_tokens"}.get(predictor, "label")
        assert any(name == named or name.endswith(f"_{named}") for name in answer), answer


def test_a_reader_of_several_texts_gets_them_by_name() -> None:
    predictor = pair("boolq", "text_classifier")
    texts = {"passage": "the dog ate .", "question": "the apple"}
    answer = predictor.predict_json(dict(texts))
    assert answer["tokens"] == ["the", "dog", "ate", ".", "the", "apple"] and answer["label"]
    with pytest.raises(ConfigurationError, match='"sentence", but this predictor reads "passage"'):
        predictor.predict_json({"sentence": "the dog"})
    with pytest.raises(ConfigurationError, match='"passage", but this predictor reads "question"'):
        predictor.predict_json({"passage": "the dog"})


@pytest.mark.parametrize(
    ("reader", "predictor", "message"),
    [
        (
            "babi",
            "text_classifier",
            "the dataset reader BabiReader makes instances from context, question, answer, ",
        ),
        ("boolq", "sentence_tagger", "makes instances from passage, question, not from a plain sentence"),
        (
            "sequence_tagging",
            "next_token_lm",
            "SequenceTaggingDatasetReader makes instances from tokens, not",
        ),
        (
            "text_classification_json",
            "sentence_tagger",
            r"takes a text \(text\), but this predictor gives it",
        ),
        ("multitask", "language_model", "expected the name of a task first, one of sentiment, got "),
        ("masked_language_modeling", "text_classifier", r"input: .*expected at least one \[MASK\], got none"),
    ],
)
def test_why_a_pair_does_not_fit(reader: str, predictor: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        pair(reader, predictor).predict_json(sentence_for("text_classifier"))


def test_words_of_a_reader_that_keeps_none() -> None:
    """The tagger's answer has them all the same, in a batch too."""
    predictor = pair("ccgbank", "sentence_tagger")
    together = predictor.predict_batch_json([{"sentence": "the dog"}, {"words": ["Zoë"]}])
    assert [answer["words"] for answer in together] == [["the", "dog"], ["Zoë"]]
    instance = predictor._dataset_reader.text_to_instance([Token("ate")])
    assert predictor.predict_instance(instance)["words"] == ["ate"]
