"""Predictors: predictions from JSON input."""

from nlpreg.predictors.language_model import LanguageModelPredictor
from nlpreg.predictors.masked_language_model import MaskedLanguageModelPredictor
from nlpreg.predictors.multitask import MultiTaskPredictor
from nlpreg.predictors.next_token_lm import NextTokenLMPredictor
from nlpreg.predictors.predictor import Predictor
from nlpreg.predictors.sentence_tagger import SentenceTaggerPredictor
from nlpreg.predictors.text_classifier import TextClassifierPredictor

__all__ = [
    "LanguageModelPredictor",
    "MaskedLanguageModelPredictor",
    "MultiTaskPredictor",
    "NextTokenLMPredictor",
    "Predictor",
    "SentenceTaggerPredictor",
    "TextClassifierPredictor",
]
