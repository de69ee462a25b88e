"""One token embedder for each indexer, with concatenated results."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from nlpreg.common.checks import ConfigurationError
from nlpreg.modules.text_field_embedders.text_field_embedder import TextFieldEmbedder
from nlpreg.modules.time_distributed import TimeDistributed
from nlpreg.modules.token_embedders import EmptyEmbedder, TokenEmbedder
from nlpreg.modules.token_embedders.embedding import UnknownIdError


@TextFieldEmbedder.register("basic")
class BasicTextFieldEmbedder(TextFieldEmbedder):
    """Embeds the output of each indexer and concatenates the results, in alphabetical order of the keys.

    Args:
        token_embedders: for each key of the reader's `token_indexers`, the embedder for the output of that indexer.

    Shape:
        text_field_input {key: {argument: (B, ..., T, ...)}}, or flat {key: (B, ..., T, ...)}
        -> (B, ..., T, sum of the embedders' widths).

    Raises:
        ConfigurationError: in `forward`, when the keys of the input and of the embedders differ. Only an `empty`
            embedder may have no input.
    """

    def __init__(self, token_embedders: dict[str, TokenEmbedder]) -> None:
        super().__init__()
        self._token_embedders = dict(token_embedders)
        for key, embedder in token_embedders.items():
            self.add_module(f"token_embedder_{key}", embedder)
        # Subclasses may override the order in which `forward` concatenates the outputs.
        self._ordered_embedder_keys = sorted(token_embedders)
        # The names that the `forward` of each embedder takes.
        self._arguments = {
            key: list(inspect.signature(embedder.forward).parameters)
            for key, embedder in token_embedders.items()
        }

    @property
    def token_embedders(self) -> dict[str, TokenEmbedder]:
        """The embedders by the keys of their indexers."""
        return self._token_embedders

    def get_output_dim(self) -> int:
        """Sum of the widths of the embedders."""
        return sum(embedder.get_output_dim() for embedder in self._token_embedders.values())

    def forward(
        self,
        text_field_input: Mapping[str, Mapping[str, torch.Tensor] | torch.Tensor],
        num_wrapping_dims: int = 0,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Embed a text field.

        Args:
            text_field_input: the tensors of each indexer; a bare tensor stands for a single argument.
            num_wrapping_dims: number of dimensions between the batch and the tokens (text fields inside lists).
            kwargs: further arguments, passed to each embedder whose `forward` has parameters of these names.
        """
        self._check_keys(text_field_input)
        parts = []
        for key in self._ordered_embedder_keys:
            embedder: torch.nn.Module = getattr(self, f"token_embedder_{key}")
            if isinstance(embedder, EmptyEmbedder):
                continue
            try:
                embedded = self._embed(key, embedder, text_field_input[key], num_wrapping_dims, kwargs)
            except UnknownIdError as error:
                raise ConfigurationError(
                    f"text_field_embedder.token_embedders.{key}: the indexer {key!r} and its embedder do not fit: {error}"
                ) from error
            if embedded is not None:
                parts.append(embedded)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def _embed(
        self,
        key: str,
        embedder: torch.nn.Module,
        tensors: Mapping[str, torch.Tensor] | torch.Tensor,
        num_wrapping_dims: int,
        kwargs: dict[str, Any],
    ) -> torch.Tensor | None:
        """Call one embedder with the arguments that it has parameters for."""
        arguments = self._arguments[key]
        passed = {name: kwargs[name] for name in arguments if name in kwargs}
        for _ in range(num_wrapping_dims):
            embedder = TimeDistributed(embedder)
        if not isinstance(tensors, torch.Tensor) and len(tensors) == 1 and len(arguments) - len(passed) == 1:
            # With a single tensor and a single parameter, indexer and embedder need not agree on the name.
            (tensors,) = tensors.values()
        embedded: torch.Tensor | None = (
            embedder(tensors, **passed)
            if isinstance(tensors, torch.Tensor)
            else embedder(**tensors, **passed)
        )
        return embedded

    def _check_keys(self, text_field_input: Mapping[str, object]) -> None:
        """Check that every input has an embedder, and every embedder except empty ones an input."""
        if self._token_embedders.keys() == text_field_input.keys():
            return
        without_embedder = sorted(text_field_input.keys() - self._token_embedders.keys())
        without_input = sorted(
            key
            for key in self._token_embedders.keys() - text_field_input.keys()
            if not isinstance(self._token_embedders[key], EmptyEmbedder)
        )
        if without_embedder or without_input:
            raise ConfigurationError(
                f"text_field_embedder: expected the keys of token_embedders, {self._ordered_embedder_keys}, to equal those of "
                f"the input, {sorted(text_field_input)}: no embedder for {without_embedder}, no input for "
                f"{without_input}; name both after the reader's token_indexers, and give an indexer that only serves "
                'as target an embedder of type "empty"'
            )
