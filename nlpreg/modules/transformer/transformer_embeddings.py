"""Input embeddings of a transformer: token, position and segment embeddings."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from nlpreg.common import FromParams
from nlpreg.common.checks import PositiveInt, Probability
from nlpreg.modules.transformer.transformer_module import LayerNorm, TransformerModule
from nlpreg.nn.util.sequences import add_positional_features

# B rows, T steps, D width of the vectors


class Embeddings(TransformerModule, FromParams):
    """The sum of several embeddings, followed by layer normalization and dropout.

    Args:
        embeddings: name -> embedding table, all of the same dimension.
        embedding_size: dimension D of all tables.
        dropout: dropout probability, from 0 to 1.
        layer_norm_eps: epsilon of the layer normalization.

    Shape:
        as many tensors (B, T) of ids as there are tables, in their order -> (B, T, D).

    Raises:
        ValueError: the dimensions differ; in `forward`, a wrong number of inputs, or inputs of different shapes.
    """

    _pretrained_mapping: ClassVar[dict[str, str]] = {"LayerNorm": "layer_norm"}

    def __init__(
        self, embeddings: nn.ModuleDict, embedding_size: int, dropout: float, layer_norm_eps: float = 1e-12
    ) -> None:
        super().__init__()
        for name, table in embeddings.items():
            width = getattr(table, "embedding_dim", getattr(table, "out_features", embedding_size))
            if width != embedding_size:
                raise ValueError(
                    f"embeddings: expected {name} to have embedding_size, {embedding_size}, dimensions, got {width}"
                )
        self.embeddings = embeddings
        self.layer_norm = LayerNorm(embedding_size, eps=layer_norm_eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Look up and sum the embeddings."""
        if len(inputs) != len(self.embeddings):
            raise ValueError(f"expected {len(self.embeddings)} inputs, got {len(inputs)}")
        if len({tensor.shape for tensor in inputs}) > 1:
            raise ValueError(
                f"expected inputs of one shape, got {[tuple(tensor.shape) for tensor in inputs]}"
            )
        summed = sum(table(ids) for table, ids in zip(self.embeddings.values(), inputs, strict=True))
        output: Tensor = self.dropout(self.layer_norm(summed))
        return output


class TransformerEmbeddings(Embeddings):
    """Token, position and segment embeddings.

    Args:
        vocab_size: size of the vocabulary.
        embedding_size: width D of the vectors.
        pad_token_id: id of padding, whose vector is zero.
        max_position_embeddings: number of positions; 0 for none.
        position_pad_token_id: position of padding, whose vector is zero; None for none.
        type_vocab_size: number of segments; 0 for none.
        dropout: dropout probability, from 0 to 1.
        layer_norm_eps: epsilon of the layer normalization.
        output_size: output dimension of a final linear layer; None for no such layer.

    Shape:
        token_ids (B, T), token_type_ids and position_ids (B, T) or None for zeros and 0, 1, 2 ...
        -> (B, T, output_size or D).
    """

    _pretrained_relevant_module: ClassVar[tuple[str, ...]] = (
        "embeddings",
        "bert.embeddings",
        "roberta.embeddings",
    )
    _pretrained_mapping: ClassVar[dict[str, str]] = {
        "LayerNorm": "layer_norm",
        "word_embeddings": "embeddings.word_embeddings",
        "position_embeddings": "embeddings.position_embeddings",
        "token_type_embeddings": "embeddings.token_type_embeddings",
    }
    _pretrained_ignore: ClassVar[tuple[str, ...]] = (r"position_ids$", r"token_type_ids$")

    def __init__(
        self,
        vocab_size: PositiveInt,
        embedding_size: PositiveInt,
        pad_token_id: int = 0,
        max_position_embeddings: int = 512,
        position_pad_token_id: int | None = None,
        type_vocab_size: int = 2,
        dropout: Probability = 0.1,
        layer_norm_eps: float = 1e-12,
        output_size: PositiveInt | None = None,
    ) -> None:
        tables = {"word_embeddings": nn.Embedding(vocab_size, embedding_size, padding_idx=pad_token_id)}
        if max_position_embeddings > 0:
            tables["position_embeddings"] = nn.Embedding(
                max_position_embeddings, embedding_size, padding_idx=position_pad_token_id
            )
        if type_vocab_size > 0:
            tables["token_type_embeddings"] = nn.Embedding(type_vocab_size, embedding_size)
        super().__init__(nn.ModuleDict(tables), embedding_size, dropout, layer_norm_eps)
        # As in RoBERTa, positions start after the position id of padding.
        self._first_position = 0 if position_pad_token_id is None else position_pad_token_id + 1
        self.linear_transform = nn.Linear(embedding_size, output_size) if output_size else None

    @classmethod
    def _from_config(cls, config: Any, **kwargs: Any) -> "TransformerEmbeddings":
        width = getattr(config, "embedding_size", config.hidden_size)
        sizes = {
            "vocab_size": config.vocab_size,
            "embedding_size": width,
            "pad_token_id": config.pad_token_id,
            "max_position_embeddings": config.max_position_embeddings,
            "position_pad_token_id": config.pad_token_id if "roberta" in config.model_type else None,
            "type_vocab_size": config.type_vocab_size,
            "dropout": config.hidden_dropout_prob,
            "layer_norm_eps": config.layer_norm_eps,
            "output_size": None if width == config.hidden_size else config.hidden_size,
        }
        return cls(**{**sizes, **kwargs})

    def forward(  # type: ignore[override]  # the positions and segments of a text follow from its words
        self, token_ids: Tensor, token_type_ids: Tensor | None = None, position_ids: Tensor | None = None
    ) -> Tensor:
        """Embed a batch."""
        inputs = [token_ids]
        if "position_embeddings" in self.embeddings:
            if position_ids is None:
                steps = torch.arange(token_ids.size(1), device=token_ids.device) + self._first_position
                position_ids = steps.expand_as(token_ids)
            inputs.append(position_ids)
        if "token_type_embeddings" in self.embeddings:
            inputs.append(torch.zeros_like(token_ids) if token_type_ids is None else token_type_ids)
        embedded = super().forward(*inputs)
        if self.linear_transform is not None:
            embedded = self.linear_transform(embedded)
        return embedded


class SinusoidalPositionalEncoding(nn.Module, FromParams):
    """Adds sinusoidal position encodings, see `nlpreg.nn.util.add_positional_features`.

    Args:
        min_timescale: the shortest wavelength is 2 pi times this number of positions.
        max_timescale: the longest wavelength is 2 pi times this number of positions.

    Shape:
        (B, T, D) -> (B, T, D).

    Source: Vaswani et al. (2017), section 3.5, https://arxiv.org/abs/1706.03762
    """

    def __init__(self, min_timescale: float = 1.0, max_timescale: float = 1.0e4) -> None:
        super().__init__()
        self.min_timescale = min_timescale
        self.max_timescale = max_timescale

    def forward(self, input_tensor: Tensor) -> Tensor:
        """Add the positions."""
        return add_positional_features(input_tensor, self.min_timescale, self.max_timescale)
