"""Incremental embedding and encoding of texts, for generation and long inputs.

Letters in shapes: G rows, T next words, S words so far, D width.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from nlpreg.modules import token_embedders
from nlpreg.modules.seq2seq_encoders import Seq2SeqEncoder
from nlpreg.modules.seq2seq_encoders.seq2seq_encoder import StepState, append_words
from nlpreg.modules.text_field_embedders import BasicTextFieldEmbedder, TextFieldEmbedder
from nlpreg.nn.util import get_text_field_mask

_WORD_BY_WORD = (
    token_embedders.Embedding,
    token_embedders.TokenCharactersEncoder,
    token_embedders.EmptyEmbedder,
    token_embedders.PassThroughTokenEmbedder,
)
_SEPARATOR = "\t"

TextInput = Mapping[str, Mapping[str, Tensor] | Tensor]
"""Tensors of a text field, nested or flat."""


def read_next(
    embedder: TextFieldEmbedder,
    encoder: Seq2SeqEncoder | None,
    text: TextInput,
    state: StepState | None = None,
) -> tuple[Tensor, Tensor, StepState]:
    """Embed and encode the next words of each text.

    If the vectors of words do not depend on their context, only the next words are embedded and passed to the encoder's `step`.
    If an embedder uses the whole text (a pretrained transformer), the text is kept and encoded again.

    Args:
        embedder: embeds the words.
        encoder: encodes the vectors; its output at a word must not depend on later words. None for no encoder.
        text: tensors of the next words (G, T, ...), padding last.
        state: the state that the previous call returned; None at the start. It must not be reused.

    Returns:
        Outputs for the next words (G, T, D), their mask (G, T), and the new state, whose tensors have rows as the first
        dimension.
    """
    mask = get_text_field_mask(text)
    if embeds_word_by_word(embedder):
        vectors = embedder(text)
        if encoder is None:
            return vectors, mask, {}
        outputs, state = encoder.step(vectors, mask, state)
        return outputs, mask, state
    state, whole, places = _with_next_words(text, mask, state)
    outputs = embedder(whole)
    if encoder is not None:
        # A stateful encoder must not start from the state that it carries from batch to batch.
        outputs, _ = encoder.step(outputs, get_text_field_mask(whole))
    places = places.clamp(max=outputs.size(1) - 1).unsqueeze(-1).expand(-1, -1, outputs.size(2))
    return outputs.gather(1, places), mask, state


def embeds_word_by_word(embedder: TextFieldEmbedder) -> bool:
    """Whether the vector of a word is known not to depend on its context."""
    if not isinstance(embedder, BasicTextFieldEmbedder):
        return False
    return all(isinstance(part, _WORD_BY_WORD) for part in embedder.children())


def last_words(outputs: Tensor, mask: Tensor) -> Tensor:
    """The output at the last word of each row, (G, T, D) and (G, T) -> (G, D); the first output of a row without words."""
    numbers = torch.arange(1, mask.size(1) + 1, device=mask.device)
    last = functional.pad(numbers * mask, (1, 0)).amax(1)  # (G,) counted from 1; 0 where there are no words
    places = (last - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, outputs.size(2))
    # `gather`, because with an index of rows torch.export takes the number of rows as a constant
    return outputs.gather(1, places).squeeze(1)


def _with_next_words(
    text: TextInput, mask: Tensor, state: StepState | None
) -> tuple[StepState, dict[str, dict[str, Tensor]], Tensor]:
    """Append the next words to the texts so far; return the state, text field tensors (G, S, ...), and the positions of the
    next words (G, T)."""
    tensors = {
        f"{indexer}{_SEPARATOR}{name}": tensor
        for indexer, inner in text.items()
        for name, tensor in ({"tokens": inner} if isinstance(inner, Tensor) else inner).items()
    }
    before = mask.new_zeros(len(mask), dtype=torch.long) if state is None else state["lengths"]
    places = before.unsqueeze(1) + torch.arange(mask.size(1), device=mask.device)  # (G, T)
    lengths = before + mask.sum(1)
    num_words = int(lengths.max()) if len(lengths) else 0
    joined = {
        name: tensor if state is None else _joined(state[name], tensor, places)[:, :num_words]
        for name, tensor in tensors.items()
    }
    whole: dict[str, dict[str, Tensor]] = {}
    for name, tensor in joined.items():
        indexer, _, inner_name = name.partition(_SEPARATOR)
        whole.setdefault(indexer, {})[inner_name] = tensor
    return {**joined, "lengths": lengths}, whole, places


def _joined(before: Tensor, following: Tensor, places: Tensor) -> Tensor:
    """Write the next words (G, T, ...) at their positions after the words so far (G, S, ...)."""
    if before.dim() > 2:  # characters are padded to the longest word
        width = max(before.size(2), following.size(2))
        before = functional.pad(before, (0, width - before.size(2)))
        following = functional.pad(following, (0, width - following.size(2)))
    return append_words(before, following, places)
