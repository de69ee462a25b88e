"""Models and the archives of trained models."""

from nlpreg.models.archival import Archive, archive_model, load_archive
from nlpreg.models.basic_classifier import BasicClassifier
from nlpreg.models.biattentive_classification_network import BiattentiveClassificationNetwork
from nlpreg.models.bidirectional_lm import BidirectionalLanguageModel
from nlpreg.models.causal_language_model import CausalLanguageModel
from nlpreg.models.crf_tagger import CrfTagger
from nlpreg.models.heads import ClassifierHead, Head
from nlpreg.models.hmm_tagger import HmmTagger
from nlpreg.models.language_model import LanguageModel
from nlpreg.models.masked_language_model import MaskedLanguageModel
from nlpreg.models.model import Model
from nlpreg.models.multi_tagger import MultiTagger, TaggingHead
from nlpreg.models.multitask import MultiTaskModel
from nlpreg.models.next_token_lm import NextTokenLM
from nlpreg.models.simple_tagger import SimpleTagger
from nlpreg.models.tagger_ensemble import TaggerEnsemble
from nlpreg.models.tnt_tagger import TntTagger
from nlpreg.models.transformer_classification_tt import TransformerClassificationTT

__all__ = [
    "Archive",
    "BasicClassifier",
    "BiattentiveClassificationNetwork",
    "BidirectionalLanguageModel",
    "CausalLanguageModel",
    "ClassifierHead",
    "CrfTagger",
    "Head",
    "HmmTagger",
    "LanguageModel",
    "MaskedLanguageModel",
    "Model",
    "MultiTagger",
    "MultiTaskModel",
    "NextTokenLM",
    "SimpleTagger",
    "TaggerEnsemble",
    "TaggingHead",
    "TntTagger",
    "TransformerClassificationTT",
    "archive_model",
    "load_archive",
]
