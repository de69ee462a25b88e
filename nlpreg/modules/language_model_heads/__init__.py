"""Scores of words from hidden states."""

from nlpreg.modules.language_model_heads.bert import BertLanguageModelHead
from nlpreg.modules.language_model_heads.gpt2 import Gpt2LanguageModelHead
from nlpreg.modules.language_model_heads.language_model_head import LanguageModelHead
from nlpreg.modules.language_model_heads.linear import LinearLanguageModelHead

__all__ = ["BertLanguageModelHead", "Gpt2LanguageModelHead", "LanguageModelHead", "LinearLanguageModelHead"]
