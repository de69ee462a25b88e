"""The head of a pretrained GPT-2."""

from torch import Tensor

from nlpreg.common import cached_transformers
from nlpreg.modules.language_model_heads.language_model_head import LanguageModelHead


@LanguageModelHead.register("gpt2")
class Gpt2LanguageModelHead(LanguageModelHead):
    """The part of a pretrained GPT-2 that scores word pieces; needs the extra `transformers`.

    Args:
        model_name: name or folder of the pretrained model.

    Shape:
        hidden_states (..., hidden size of the model) -> (..., number of word pieces).
    """

    def __init__(self, model_name: str) -> None:
        super().__init__()
        model = cached_transformers.load_pretrained("AutoModelForCausalLM", model_name)
        self.input_dim = model.config.hidden_size
        self.output_dim = model.config.vocab_size
        self.gpt2_lm_head = model.lm_head

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Score every word piece for every hidden state."""
        scores: Tensor = self.gpt2_lm_head(hidden_states)
        return scores
