"""The head of a pretrained BERT."""

from torch import Tensor

from nlpreg.common import cached_transformers
from nlpreg.modules.language_model_heads.language_model_head import LanguageModelHead


@LanguageModelHead.register("bert")
class BertLanguageModelHead(LanguageModelHead):
    """The part of a pretrained BERT that scores word pieces; needs the extra `transformers`.

    Args:
        model_name: name or folder of the pretrained model.

    Shape:
        hidden_states (..., hidden size of the model) -> (..., number of word pieces).
    """

    def __init__(self, model_name: str) -> None:
        super().__init__()
        model = cached_transformers.load_pretrained("AutoModelForMaskedLM", model_name)
        self.input_dim = model.config.hidden_size
        self.output_dim = model.config.vocab_size
        self.bert_lm_head = model.cls

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Score every word piece for every hidden state."""
        scores: Tensor = self.bert_lm_head(hidden_states)
        return scores
