"""A trained language model as an embedder of tokens."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nlpreg.common import Params
from nlpreg.common.checks import ConfigurationError, Probability
from nlpreg.data import Token, TokenIndexer
from nlpreg.modules.scalar_mix import ScalarMix
from nlpreg.modules.token_embedders.empty_embedder import EmptyEmbedder
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder
from nlpreg.nn.cpu_layers import Dropout
from nlpreg.nn.util import add_sentence_boundary_token_ids, get_text_field_mask, remove_sentence_boundaries

_loader: Callable[..., Any] | None = None


def set_archive_loader(loader: Callable[..., Any]) -> None:
    """Set the function that loads archives; called when `nlpreg.models.archival` is imported.

    Args:
        loader: called with the path of an archive and `overrides`, as `nlpreg.models.load_archive` is.
    """
    global _loader
    _loader = loader


def load_language_model(
    archive_file: str, requires_grad: bool, overrides: dict[str, Any] | None = None
) -> Any:
    """Load an archived language model that embeds texts, without its softmax.

    Args:
        archive_file: path or URL.
        requires_grad: whether it is trained.
        overrides: dotted key path in its config to value.

    Returns:
        An object with `model` and `config`.

    Raises:
        RuntimeError: nothing has imported `nlpreg.models` yet.
    """
    if _loader is None:
        raise RuntimeError(f"{archive_file}: loading an archive needs nlpreg.models; import it first")
    archive = _loader(archive_file, overrides=overrides or {})
    # A running-text model carries its state from batch to batch; the texts embedded here are independent.
    archive.model.contextualizer.stateful = False
    archive.model.delete_softmax()
    archive.model.requires_grad_(requires_grad)
    return archive


# B texts, T tokens, K characters of a token, D width of the vectors


@TokenEmbedder.register("language_model_token_embedder")
class LanguageModelTokenEmbedder(TokenEmbedder):
    """A learned mix of the layers of an archived language model, and of its vectors of the tokens alone.

    The model's contextualizer must have `num_layers` and accept `return_all_layers`, and its text field embedder must be a
    basic one with one embedder that is not empty.

    Args:
        archive_file: path or URL of the language model's archive. The archive of a model with this embedder includes it.
        dropout: dropout probability of the mix, from 0 to 1; None for no dropout.
        bos_eos_tokens: the begin and end tokens of the model's training data; null if the reader adds them.
        remove_bos_eos: whether to remove the vectors of the first and the last token.
        requires_grad: whether the model is trained; the mix always is.

    Shape:
        tokens (B, T) or (B, T, K) ids as the model was trained on -> (B, T, D).

    Raises:
        ConfigurationError: the model does not meet these requirements.
    """

    def __init__(
        self,
        archive_file: str,
        dropout: Probability | None = None,
        bos_eos_tokens: tuple[str, str] | None = ("<S>", "</S>"),
        remove_bos_eos: bool = True,
        requires_grad: bool = False,
    ) -> None:
        super().__init__()
        archive = load_language_model(
            archive_file, requires_grad, {"model.contextualizer.return_all_layers": True}
        )
        self._lm = archive.model
        text_field_embedder = self._lm.text_field_embedder
        self._token_name = _only_embedded_key(text_field_embedder, archive_file)

        self._remove_bos_eos = remove_bos_eos
        self._boundaries: list[Tensor] | None = None
        if bos_eos_tokens:
            indexers = archive.config["dataset_reader"]["token_indexers"]
            indexer = TokenIndexer.from_params(_as_params(indexers[self._token_name]))
            self._boundaries = [self._index(indexer, token) for token in bos_eos_tokens]

        width, own_width = self._lm.contextualizer.get_output_dim(), text_field_embedder.get_output_dim()
        if width % own_width:
            raise ConfigurationError(
                f"{archive_file}: expected the contextualizer's output, {width} wide, to be a multiple of the text field "
                f"embedder's, {own_width}"
            )
        self._num_repetitions = width // own_width
        self.output_dim = int(width)
        self._scalar_mix = ScalarMix(mixture_size=self._lm.num_layers(), do_layer_norm=False, trainable=True)
        self._dropout = Dropout(dropout) if dropout else None

    def _index(self, indexer: TokenIndexer, token: str) -> Tensor:
        """The id of a word, or the ids of its characters."""
        indexed = indexer.tokens_to_indices([Token(token)], self._lm.vocab)
        if len(indexed) != 1:
            raise ConfigurationError(
                f"bos_eos_tokens: expected the indexer of {self._token_name!r} to give one kind of ids, "
                f"got {sorted(indexed)}; add the tokens in the reader and set bos_eos_tokens to null"
            )
        (ids,) = indexed.values()
        return torch.as_tensor(ids[0])

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed a batch."""
        if self._boundaries is not None:
            tokens = self._add_boundaries(tokens, self._boundaries)
        result = self._lm({self._token_name: tokens})
        # repeated for both directions, to be as wide as the layers: (B, T, D)
        own = torch.cat([result["noncontextual_token_embeddings"]] * self._num_repetitions, dim=-1)
        # (B, T, D), with the boundaries
        mixed: Tensor = self._scalar_mix([own, *result["lm_embeddings"]])
        if self._remove_bos_eos:
            mixed, _ = remove_sentence_boundaries(mixed, result["mask"])
        return mixed if self._dropout is None else self._dropout(mixed)

    @staticmethod
    def _add_boundaries(tokens: Tensor, boundaries: list[Tensor]) -> Tensor:
        """(B, T) or (B, T, K) -> (B, T + 2) or (B, T + 2, K), K grown if a boundary has more characters."""
        mask = get_text_field_mask({"tokens": {"tokens": tokens}})
        if tokens.dim() == 3:
            width = max(tokens.size(2), *(len(boundary) for boundary in boundaries))
            tokens = functional.pad(tokens, (0, width - tokens.size(2)))
            boundaries = [functional.pad(boundary, (0, width - len(boundary))) for boundary in boundaries]
        begin, end = (boundary.to(tokens.device) for boundary in boundaries)
        return add_sentence_boundary_token_ids(tokens, mask, begin, end)[0]


def _only_embedded_key(text_field_embedder: object, archive_file: str) -> str:
    """The key of the one embedder that is not empty."""
    # Recognised by an attribute, because its class is in a package that imports this one.
    embedders: dict[str, TokenEmbedder] | None = getattr(text_field_embedder, "token_embedders", None)
    if embedders is None:
        raise ConfigurationError(
            f"{archive_file}: expected a language model with a basic text field embedder, "
            f"got a {type(text_field_embedder).__name__}"
        )
    keys = [key for key, embedder in embedders.items() if not isinstance(embedder, EmptyEmbedder)]
    if len(keys) != 1:
        raise ConfigurationError(
            f"{archive_file}: expected a language model with one token embedder that is not empty, got {sorted(keys)}"
        )
    return keys[0]


def _as_params(config: Params | str) -> Params:
    """A copy of a section of an archive's config, with the archive as its origin; a string is the type."""
    return config.duplicate() if isinstance(config, Params) else Params({"type": config})
