"""Scores of words by a linear layer."""

import torch
from torch import Tensor

from nlpreg.common.checks import PositiveInt
from nlpreg.data.vocabulary import Vocabulary
from nlpreg.modules.language_model_heads.language_model_head import LanguageModelHead


@LanguageModelHead.register("linear")
class LinearLanguageModelHead(LanguageModelHead):
    """A linear layer over the words of a vocabulary's namespace.

    Args:
        vocab: the vocabulary.
        input_dim: width of the hidden states.
        vocab_namespace: the namespace of the words.

    Shape:
        hidden_states (..., input_dim) -> (..., number of words).

    Raises:
        ValueError: the namespace is empty.
    """

    def __init__(self, vocab: Vocabulary, input_dim: PositiveInt, vocab_namespace: str) -> None:
        super().__init__()
        num_words = vocab.get_vocab_size(vocab_namespace)
        if num_words == 0:
            raise ValueError(f"the vocabulary has no words in the namespace {vocab_namespace!r}")
        self.input_dim = input_dim
        self.output_dim = num_words
        self.linear = torch.nn.Linear(input_dim, num_words)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Score every word for every hidden state."""
        scores: Tensor = self.linear(hidden_states)
        return scores
