"""Metrics: values accumulated over the batches of an epoch, in one or several processes."""

from nlpreg.training.metrics.attachment_scores import AttachmentScores
from nlpreg.training.metrics.auc import Auc
from nlpreg.training.metrics.average import Average
from nlpreg.training.metrics.bleu import BLEU
from nlpreg.training.metrics.boolean_accuracy import BooleanAccuracy
from nlpreg.training.metrics.categorical_accuracy import CategoricalAccuracy
from nlpreg.training.metrics.covariance import Covariance
from nlpreg.training.metrics.entropy import Entropy
from nlpreg.training.metrics.evalb_bracketing_scorer import DEFAULT_EVALB_DIR, EvalbBracketingScorer
from nlpreg.training.metrics.f1_measure import F1Measure
from nlpreg.training.metrics.fbeta_measure import FBetaMeasure
from nlpreg.training.metrics.fbeta_multi_label_measure import F1MultiLabelMeasure, FBetaMultiLabelMeasure
from nlpreg.training.metrics.fbeta_verbose_measure import FBetaVerboseMeasure
from nlpreg.training.metrics.mean_absolute_error import MeanAbsoluteError
from nlpreg.training.metrics.metric import Metric, load_metrics_state_dict, local_metrics, metrics_state_dict
from nlpreg.training.metrics.pearson_correlation import PearsonCorrelation
from nlpreg.training.metrics.perplexity import Perplexity
from nlpreg.training.metrics.rouge import ROUGE
from nlpreg.training.metrics.sequence_accuracy import SequenceAccuracy
from nlpreg.training.metrics.span_based_f1_measure import SpanBasedF1Measure
from nlpreg.training.metrics.spearman_correlation import SpearmanCorrelation
from nlpreg.training.metrics.unigram_recall import UnigramRecall

__all__ = [
    "BLEU",
    "DEFAULT_EVALB_DIR",
    "ROUGE",
    "AttachmentScores",
    "Auc",
    "Average",
    "BooleanAccuracy",
    "CategoricalAccuracy",
    "Covariance",
    "Entropy",
    "EvalbBracketingScorer",
    "F1Measure",
    "F1MultiLabelMeasure",
    "FBetaMeasure",
    "FBetaMultiLabelMeasure",
    "FBetaVerboseMeasure",
    "MeanAbsoluteError",
    "Metric",
    "PearsonCorrelation",
    "Perplexity",
    "SequenceAccuracy",
    "SpanBasedF1Measure",
    "SpearmanCorrelation",
    "UnigramRecall",
    "load_metrics_state_dict",
    "local_metrics",
    "metrics_state_dict",
]
