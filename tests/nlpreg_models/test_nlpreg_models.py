import importlib

import pytest

import nlpreg_models  # noqa: F401
from nlpreg.models import CrfTagger, LanguageModel


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nlpreg_models.lm.models.language_model", "nlpreg.models.language_model"),
        ("nlpreg_models.tagging.models.crf_tagger", "nlpreg.models.crf_tagger"),
        ("nlpreg_models.lm.dataset_readers", "nlpreg.data.dataset_readers"),
        (
            "nlpreg_models.lm.dataset_readers.simple_language_modeling",
            "nlpreg.data.dataset_readers.simple_language_modeling",
        ),
        ("nlpreg_models.lm.modules.seq2seq_encoders", "nlpreg.modules.seq2seq_encoders"),
        ("nlpreg_models.lm.predictors.next_token_lm", "nlpreg.predictors.next_token_lm"),
        ("nlpreg_models.common.ontonotes", "nlpreg.data.dataset_readers.dataset_utils.ontonotes"),
    ],
)
def test_old_module_names_are_the_modules_themselves(old: str, new: str) -> None:
    assert importlib.import_module(old) is importlib.import_module(new)


def test_names_of_a_task_package() -> None:
    from nlpreg_models.lm import LanguageModel as OldLanguageModel
    from nlpreg_models.tagging import CrfTagger as OldCrfTagger

    assert OldLanguageModel is LanguageModel
    assert OldCrfTagger is CrfTagger


def test_other_names_do_not_exist() -> None:
    with pytest.raises(ModuleNotFoundError, match="nlpreg_models.vision"):
        importlib.import_module("nlpreg_models.vision")
