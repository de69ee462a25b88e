"""The states of character language models at the ends of words, as embeddings of the words."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlpreg.common.checks import ConfigurationError, Probability
from nlpreg.modules.token_embedders.language_model import load_language_model
from nlpreg.modules.token_embedders.token_embedder import TokenEmbedder
from nlpreg.nn.cpu_layers import Dropout

# B texts, T words, C characters of a word, L characters of a text, H width of a direction's states, D width of the result


@TokenEmbedder.register("character_language_model")
class CharacterLanguageModelEmbedder(TokenEmbedder):
    """Embeds words in context with character language models, which read the words separated by spaces.

    The vector of a word is the state of the forward direction after the space that follows the word and, for bidirectional
    models, the state of the backward direction after the space before it; the vectors of several models are concatenated.
    The models are `language_model` or `causal_language_model`, trained on texts of single characters whose first and last
    character is `boundary`.

    Args:
        archive_files: paths or URLs of the archives of the models, which are needed whenever a model with this embedder is loaded.
        boundary: the character before the first word and after the last.
        dropout: dropout probability of the vectors, from 0 to 1.
        requires_grad: whether the language models are trained too.
        cache_size: number of texts whose vectors are cached in memory, so that the language models encode a text only once; 0 for
            no cache. Not possible for models that are trained.

    Shape:
        token_characters (B, T, C), from the indexer `code_points` -> (B, T, D), zeros at padding.

    Raises:
        ConfigurationError: a model does not use single characters; a cache together with `requires_grad`.

    Source: Akbik et al. (2018), https://aclanthology.org/C18-1139
    """

    def __init__(
        self,
        archive_files: list[str],
        boundary: str = "\n",
        dropout: Probability = 0.0,
        requires_grad: bool = False,
        cache_size: int = 0,
    ) -> None:
        super().__init__()
        if len(boundary) != 1:
            raise ConfigurationError(f"boundary: expected a single character, got {boundary!r}")
        if cache_size and requires_grad:
            raise ConfigurationError(
                "cache_size: vectors of language models that are trained change with every update; leave it out, or set "
                "requires_grad to false"
            )
        if not archive_files:
            raise ConfigurationError("archive_files: expected at least one archive, got none")
        readers = [_Reader(load_language_model(file, requires_grad).model, file) for file in archive_files]
        self.language_models = nn.ModuleList(readers)
        self.output_dim = sum(reader.output_dim for reader in readers)
        self._requires_grad = requires_grad
        self._boundary = ord(boundary) + 1
        self._dropout = Dropout(dropout)
        self._cache_size = cache_size
        self._cache: OrderedDict[bytes, Tensor] = OrderedDict()

    def train(self, mode: bool = True) -> "CharacterLanguageModelEmbedder":
        """Switch to training or evaluation; language models that are not trained stay in evaluation."""
        super().train(mode)
        if not self._requires_grad:
            self.language_models.eval()
        return self

    def forward(self, token_characters: Tensor) -> Tensor:
        """Embed a batch."""
        is_word = token_characters.ne(0).any(-1)  # (B, T)
        if not is_word.any():
            return token_characters.new_zeros((*is_word.shape, self.get_output_dim()), dtype=torch.float)
        if self._cache_size:
            vectors = self._cached(token_characters, is_word)
        else:
            with torch.set_grad_enabled(self._requires_grad and torch.is_grad_enabled()):
                vectors = self._read(token_characters, is_word)
        dropped: Tensor = self._dropout(vectors)
        return dropped

    def _read(self, characters: Tensor, is_word: Tensor) -> Tensor:
        """The vectors (B, T, D) of words (B, T, C)."""
        stream, gaps = character_stream(characters, is_word, ord(" ") + 1, self._boundary)
        vectors = torch.cat([reader(stream, gaps) for reader in self.language_models], dim=-1)
        return vectors * is_word.unsqueeze(-1)

    def _cached(self, characters: Tensor, is_word: Tensor) -> Tensor:
        """As `_read`, but with cached vectors for texts that were encoded before."""
        lengths = is_word.sum(1).tolist()
        rows = [_without_padding(row, length) for row, length in zip(characters.cpu(), lengths, strict=True)]
        # Keys do not depend on padding.
        keys = [f"{tuple(row.shape)}".encode() + row.numpy().tobytes() for row in rows]
        found = {key: self._cache[key] for key in keys if key in self._cache}
        missing = {key: number for number, key in enumerate(keys) if key not in found}
        if missing:
            chosen = list(missing.values())
            with torch.no_grad():
                vectors = self._read(characters[chosen], is_word[chosen])
            for row, (key, number) in enumerate(missing.items()):
                found[key] = vectors[row, : lengths[number]].cpu()
        result = characters.new_zeros((*is_word.shape, self.get_output_dim()), dtype=torch.float)
        for row, key in enumerate(keys):
            result[row, : lengths[row]] = found[key].to(result.device)
            self._cache[key] = found[key]
            self._cache.move_to_end(key)
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return result


class _Reader(nn.Module):
    """Computes the states of a language model between words.

    Args:
        model: the language model.
        archive_file: its archive, for messages.
    """

    def __init__(self, model: Any, archive_file: str) -> None:
        super().__init__()
        self.model = model
        self._is_bidirectional = bool(model.contextualizer.is_bidirectional())
        self.output_dim = int(model.contextualizer.get_output_dim())
        ids = model.vocab.get_token_to_index_vocabulary("tokens")
        known = sorted((ord(token) + 1, number) for token, number in ids.items() if len(token) == 1)
        if len(known) < len(ids) - 4:  # except padding, the unknown character, and start and end tokens
            raise ConfigurationError(
                f"{archive_file}: expected a language model of single characters, got a vocabulary such as "
                f"{', '.join(map(repr, list(ids)[2:6]))}"
            )
        self.register_buffer("_code_points", torch.tensor([code for code, _ in known]), persistent=False)
        self.register_buffer("_ids", torch.tensor([number for _, number in known]), persistent=False)
        self._code_points: Tensor
        self._ids: Tensor
        self._unknown_id: int = ids[model.vocab.oov_token]

    def forward(self, stream: Tensor, gaps: Tensor) -> Tensor:
        """The states around words.

        Args:
            stream: code points + 1 of each text, (B, L).
            gaps: positions of the characters between words, (B, T + 1).

        Returns:
            (B, T, D).
        """
        states = self.model({"tokens": {"tokens": self._looked_up(stream)}})["lm_embeddings"]
        if isinstance(states, list):
            states = states[-1]
        if not self._is_bidirectional:
            return _states_at(states, gaps[:, 1:])
        ahead, back = states.chunk(2, dim=-1)  # (B, L, H) each
        return torch.cat([_states_at(ahead, gaps[:, 1:]), _states_at(back, gaps[:, :-1])], dim=-1)

    def _looked_up(self, stream: Tensor) -> Tensor:
        """The ids of characters in the model's vocabulary, (B, L)."""
        places = torch.searchsorted(self._code_points, stream).clamp(max=len(self._code_points) - 1)
        ids = torch.where(self._code_points[places] == stream, self._ids[places], self._unknown_id)
        return ids.masked_fill(stream == 0, 0)


def _states_at(states: Tensor, places: Tensor) -> Tensor:
    """Select the states (B, L, H) at positions (B, T): (B, T, H)."""
    return states.gather(1, places.unsqueeze(-1).expand(-1, -1, states.size(-1)))


def _without_padding(characters: Tensor, num_words: int) -> Tensor:
    """The characters (T, C) of a text without padding of words and characters."""
    words = characters[:num_words]
    width = int(words.ne(0).sum(-1).max()) if num_words else 0
    return words[:, :width].contiguous()


def character_stream(characters: Tensor, is_word: Tensor, space: int, boundary: int) -> tuple[Tensor, Tensor]:
    """Texts as rows of characters: a boundary, the words separated by spaces, and a boundary.

    Args:
        characters: (B, T, C), 0 at padding.
        is_word: (B, T) bool, padding last.
        space: id of the character between words.
        boundary: id of the character before the first word and after the last one.

    Returns:
        The rows (B, L), padded with 0, and the positions of the characters around words (B, T + 1): before the first word,
        after it, and so on; at padding, that after the last word.
    """
    num_rows, num_words, _ = characters.shape
    is_last = is_word & ~functional.pad(is_word[:, 1:], (0, 1))  # (B, T)
    after = torch.where(is_last, boundary, torch.where(is_word, space, 0))  # (B, T)
    # in the order of the text, with gaps for words shorter than C
    loose = torch.cat([characters, after.unsqueeze(-1)], dim=-1).flatten(1)  # (B, T * (C + 1))
    loose = functional.pad(loose, (1, 0), value=boundary)
    is_there = loose.ne(0)
    places = is_there.cumsum(1) - 1
    length = int(places[:, -1].max()) + 1
    # padding goes into an additional column, which is removed
    stream = loose.new_zeros(num_rows, length + 1).scatter_(1, torch.where(is_there, places, length), loose)
    ends = places[:, 1:].view(num_rows, num_words, -1)[:, :, -1]  # (B, T)
    return stream[:, :length].contiguous(), functional.pad(ends, (1, 0))
