"""The ids of a source text in the namespace of its target."""

from typing import TYPE_CHECKING

import torch

from nlpreg.data.columns import pad_rows
from nlpreg.data.fields.field import Field, not_indexed
from nlpreg.data.tokenizers.token_class import Token

if TYPE_CHECKING:
    from nlpreg.data.vocabulary import Vocabulary


class NamespaceSwappingField(Field[torch.Tensor]):
    """Ids of source tokens in another namespace, for models that copy words of the source to the target.

    Args:
        source_tokens: the tokens.
        target_namespace: the namespace to look them up in; the tokens are not counted for it.

    Shape:
        `(num_tokens,)`, int64, padded with 0.

    Raises:
        ConfigurationError: the tensor is requested before `index`.
    """

    __slots__ = ("_mapping_array", "_source_tokens", "_target_namespace")

    def __init__(self, source_tokens: list[Token], target_namespace: str) -> None:
        self._source_tokens = source_tokens
        self._target_namespace = target_namespace
        self._mapping_array: list[int] | None = None

    def index(self, vocab: "Vocabulary") -> None:
        """Look up the texts of the tokens."""
        texts = [token.ensure_text() for token in self._source_tokens]
        self._mapping_array = vocab.get_token_indices(texts, self._target_namespace)

    def get_padding_lengths(self) -> dict[str, int]:
        """The number of tokens."""
        return {"num_tokens": len(self._source_tokens)}

    def as_tensor(self, padding_lengths: dict[str, int]) -> torch.Tensor:
        """The ids."""
        if self._mapping_array is None:
            raise not_indexed(self, "the tokens are")
        return torch.from_numpy(pad_rows([self._mapping_array], padding_lengths["num_tokens"])[0])

    def empty_field(self) -> "NamespaceSwappingField":
        """No tokens."""
        field = NamespaceSwappingField([], self._target_namespace)
        field._mapping_array = []
        return field

    def human_readable_repr(self) -> list[str]:
        """The texts of the tokens."""
        return [str(token) for token in self._source_tokens]

    def __len__(self) -> int:
        return len(self._source_tokens)

    def __str__(self) -> str:
        return (
            f"NamespaceSwappingField of length {len(self)} with text: {self.human_readable_repr()} "
            f"in namespace: '{self._target_namespace}'."
        )
