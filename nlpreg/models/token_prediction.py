"""The base of models that predict single tokens of a text with a language model head."""

from typing import Any, ClassVar

from torch import Tensor, nn

from nlpreg.common.checks import Probability
from nlpreg.data import TextFieldTensors, Vocabulary
from nlpreg.models.model import Model
from nlpreg.models.tagging import check_chain, tag_names, without_padding
from nlpreg.modules import Seq2SeqEncoder, TextFieldEmbedder
from nlpreg.modules.language_model_heads import LanguageModelHead
from nlpreg.nn.cpu_layers import Dropout
from nlpreg.nn.initializers import InitializerApplicator
from nlpreg.training.metrics import Perplexity


class TokenPredictionModel(Model):
    """Embeds a text, encodes it, and scores the tokens that may stand at some of its positions.

    Args:
        vocab: its `target_namespace` has the tokens to predict.
        text_field_embedder: embeds the text; a pretrained transformer, or an embedding before a contextualizer.
        language_model_head: turns states into scores of the tokens.
        contextualizer: encodes the embedded text, if given.
        target_namespace: the namespace of the tokens to predict.
        dropout: dropout probability of the states, from 0 to 1.
        initializer: sets the initial values of parameters, after everything is built.
        **kwargs: arguments of `Model`.

    Raises:
        ConfigurationError: the widths of neighbouring parts differ.
    """

    dimension_chain: ClassVar[tuple[str, ...]] = (
        "text_field_embedder",
        "contextualizer",
        "language_model_head",
    )
    label_namespaces = ("_target_namespace",)
    raw_outputs = (*Model.raw_outputs, "top_indices")

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        language_model_head: LanguageModelHead,
        contextualizer: Seq2SeqEncoder | None = None,
        target_namespace: str = "bert",
        dropout: Probability = 0.0,
        initializer: InitializerApplicator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        check_chain(
            text_field_embedder=text_field_embedder,
            contextualizer=contextualizer,
            language_model_head=language_model_head,
        )
        self._text_field_embedder = text_field_embedder
        self._contextualizer = contextualizer
        self._language_model_head = language_model_head
        self._target_namespace = target_namespace
        self._perplexity = Perplexity()
        self._dropout: nn.Module = Dropout(dropout) if dropout else nn.Identity()
        if initializer is not None:
            initializer(self)

    @property
    def target_namespace(self) -> str:
        """The vocabulary namespace of the predicted tokens."""
        return self._target_namespace

    def _encode(self, tokens: TextFieldTensors, mask: Tensor) -> Tensor:
        """The states (B, T, D) of a text with the mask (B, T)."""
        states: Tensor = self._text_field_embedder(tokens)
        if self._contextualizer is not None:
            states = self._contextualizer(states, mask)
        return states

    def make_output_human_readable(self, output_dict: dict[str, Any]) -> dict[str, Any]:
        """Add `tokens`, the strings of each text."""
        texts = output_dict["token_ids"].tolist()
        if "_mask" in output_dict:
            texts = without_padding(texts, output_dict["_mask"])
        output_dict["tokens"] = tag_names(texts, self.vocab, self._target_namespace)
        return output_dict

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        """`perplexity` of the targets."""
        return {"perplexity": self._perplexity.get_metric(reset=reset)}
