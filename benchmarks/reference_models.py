"""The models of the benchmark configs as one would write them by hand in PyTorch; those of `lm.py` are in a file of their own.

Each comes in two styles. The `plain` one is what most people write: packed sequences, every token's characters encoded,
torch's default optimizer. The `best` one leaves out what costs time: it runs LSTMs over padding (so that its backward
direction starts there, which changes its numbers), encodes each distinct word once, predicts from real tokens only, and
uses the fused Adam.

Letters in shapes: B sentences, T tokens.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from reference_language_models import NAMES, language_model
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

Style = Literal["plain", "best"]
Batch = dict[str, Tensor]
"""`words` (B, T), and as the model needs them `characters` (B, T, C), `tags` (B, T) and `targets` (B, T)."""


def ready_tensors(batch: dict[str, Any]) -> Batch:
    """The tensors that the loops take, out of a batch of nlpreg."""
    text = batch["source"] if "source" in batch else batch["tokens"]
    tensors = {"words": text["tokens"]["tokens"]}
    if "token_characters" in text:
        tensors["characters"] = text["token_characters"]["token_characters"]
    if "tags" in batch:
        tensors["tags"] = batch["tags"]
    if "target" in batch:
        tensors["targets"] = batch["target"]["tokens"]["tokens"]
    return tensors


class CharacterEncoder(nn.Module):
    """The largest responses of convolutions over the characters of each word: (B, T, C) -> (B, T, widths x filters)."""

    def __init__(
        self, num_characters: int, dim: int, filters: int, widths: tuple[int, ...], style: Style
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_characters, dim)
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, filters, width) for width in widths)
        self.is_plain = style == "plain"

    def forward(self, words: Tensor, characters: Tensor) -> Tensor:
        """Encode a batch."""
        rows = characters.flatten(0, 1)
        if self.is_plain:
            return self.encode(rows).view(*words.shape, -1)
        # Words and their ids are one to one in the training data.
        distinct, places = torch.unique(words, return_inverse=True)
        positions = torch.arange(words.numel(), device=words.device)
        examples = torch.empty_like(distinct).scatter_(0, places.flatten(), positions)
        return self.encode(rows[examples])[places]

    def encode(self, rows: Tensor) -> Tensor:
        """(N, C) -> (N, widths x filters)."""
        embedded = self.embedding(rows).transpose(1, 2)
        return torch.cat([conv(embedded).relu().amax(2) for conv in self.convolutions], dim=1)


class Lstm(nn.Module):
    """An LSTM over packed sequences, or over the padded batch as it is: (B, T, D) -> (B, T, H)."""

    def __init__(self, dim: int, hidden: int, layers: int, bidirectional: bool, style: Style) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, hidden, layers, batch_first=True, bidirectional=bidirectional)
        self.is_packed = style == "plain"

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Encode a batch."""
        if not self.is_packed:
            output: Tensor = self.lstm(inputs)[0]
            return output
        packed = pack_padded_sequence(inputs, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        padded: Tensor = pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=mask.size(1)
        )[0]
        return padded


class Tagger(nn.Module):
    """`tagger` and `crf_tagger`."""

    def __init__(self, sizes: dict[str, int], style: Style, with_crf: bool) -> None:
        super().__init__()
        self.words = nn.Embedding(sizes["tokens"], 100)
        self.characters = CharacterEncoder(sizes["token_characters"], 25, 50, (3,), style)
        self.lstm = Lstm(150, 200, 1, True, style)
        self.scores = nn.Linear(400, sizes["labels"])
        self.decodes = style == "plain"
        self.crf: Any = None
        if with_crf:
            from torchcrf import CRF

            self.crf = CRF(sizes["labels"], batch_first=True)

    def forward(self, words: Tensor, characters: Tensor, tags: Tensor) -> Tensor:
        """The loss of a batch."""
        mask = words > 0
        vectors = torch.cat([self.words(words), self.characters(words, characters)], dim=2)
        scores = self.scores(self.lstm(vectors, mask))
        if self.crf is None:
            return functional.cross_entropy(scores.flatten(0, 1), tags.masked_fill(~mask, -100).flatten())
        if self.decodes:
            self.crf.decode(scores, mask)  # for the accuracy, as the config's model does
        loss: Tensor = -self.crf(scores, tags, mask)
        return loss


class WordLanguageModel(nn.Module):
    """`lm_uni`."""

    def __init__(self, sizes: dict[str, int], style: Style) -> None:
        super().__init__()
        self.words = nn.Embedding(sizes["tokens"], 200)
        self.lstm = Lstm(200, 200, 2, False, style)
        self.output = nn.Linear(200, sizes["tokens"])
        self.is_plain = style == "plain"

    def forward(self, words: Tensor) -> Tensor:
        """The loss of a batch."""
        states = self.lstm(self.words(words), words > 0)[:, :-1].flatten(0, 1)
        targets = words[:, 1:].flatten()
        if not self.is_plain:
            real = targets.nonzero().squeeze(1)
            states, targets = states[real], targets[real]
        return functional.cross_entropy(self.output(states), targets, ignore_index=0)


class SampledLanguageModel(nn.Module):
    """`lm_bi_sampled`."""

    num_samples = 1024

    def __init__(self, sizes: dict[str, int], style: Style) -> None:
        super().__init__()
        num_words = sizes["tokens"]
        self.characters = CharacterEncoder(sizes["token_characters"], 16, 32, (2, 3, 4, 5), style)
        self.input_dropout = nn.Dropout(0.1)
        self.directions = nn.ModuleList(_transformer() for _ in range(2))
        self.dropout = nn.Dropout(0.1)
        self.weight = nn.Parameter(torch.randn(num_words, 128) / 128**0.5)
        self.bias = nn.Parameter(torch.zeros(num_words))
        ranks = torch.arange(num_words, dtype=torch.float64)
        self.chances: Tensor
        self.register_buffer("chances", (torch.log1p(1 / (ranks + 1)) / math.log(num_words + 1)).float())
        self.positions: Tensor
        self.register_buffer("positions", _waves(512, 128))

    def forward(self, words: Tensor, characters: Tensor) -> Tensor:
        """The loss of a batch."""
        mask = words > 0
        vectors = self.input_dropout(self.characters(words, characters) + self.positions[: words.size(1)])
        later = torch.ones(words.size(1), words.size(1), dtype=torch.bool, device=words.device).triu(1)
        ahead, back = (
            self.dropout(encoder(vectors, mask=hidden, src_key_padding_mask=~mask))
            for encoder, hidden in zip(self.directions, (later, later.t()), strict=True)
        )
        pairs = mask[:, :-1] & mask[:, 1:]
        next_words, previous_words = words[:, 1:][pairs], words[:, :-1][pairs]
        loss = self.sampled_loss(ahead[:, :-1][pairs], next_words)
        return (loss + self.sampled_loss(back[:, 1:][pairs], previous_words)) / 2

    def sampled_loss(self, states: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy among the target and some words: states (N, 128), targets (N,) -> 0-d."""
        samples = torch.multinomial(self.chances, min(self.num_samples, len(self.chances) - 1))
        chosen = torch.cat([targets, samples])
        weight = self.weight.index_select(0, chosen)
        bias = self.bias.index_select(0, chosen) - (self.chances[chosen] * len(samples)).log()
        count = len(targets)
        right = (states * weight[:count]).sum(1) + bias[:count]
        others = torch.addmm(bias[count:], states, weight[count:].t())
        others = others.masked_fill(targets.unsqueeze(1) == samples, -10000.0)
        return (torch.cat([right.unsqueeze(1), others], dim=1).logsumexp(1) - right).mean()


def _transformer() -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(128, 8, 256, 0.1, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, 2, nn.LayerNorm(128), enable_nested_tensor=False)


def _waves(length: int, dim: int) -> Tensor:
    """(length, dim) sines beside cosines of the positions."""
    angles = torch.arange(length).unsqueeze(1) * torch.exp(torch.arange(0, dim, 2) * (-math.log(1e4) / dim))
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def reference_model(config: str, sizes: dict[str, int], style: Style) -> nn.Module:
    """The model of a config.

    Args:
        config: its name.
        sizes: size of each namespace of the vocabulary.
        style: see above.

    Raises:
        ValueError: there is no such model.
    """
    if config in NAMES:
        return language_model(config, sizes["tokens"], style == "plain")
    if config == "lm_uni":
        return WordLanguageModel(sizes, style)
    if config == "lm_bi_sampled":
        return SampledLanguageModel(sizes, style)
    if config in ("tagger", "crf_tagger"):
        return Tagger(sizes, style, with_crf=config == "crf_tagger")
    raise ValueError(f"no model was written for {config!r}")


class ReferenceLoop:
    """A training loop without anything but the loop.

    Args:
        config: name of the config whose model is trained.
        sizes: size of each namespace of the vocabulary.
        style: see above.
        device: where it trains.
    """

    def __init__(self, config: str, sizes: dict[str, int], style: Style, device: torch.device) -> None:
        self.model = reference_model(config, sizes, style).to(device)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=0.001, fused=True if style == "best" else None
        )

    def run(self, batches: list[Batch]) -> float:
        """Train on some batches, and return the loss of the last."""
        loss = torch.zeros(())
        for batch in batches:
            self.optimizer.zero_grad()
            loss = self.model(**batch)
            loss.backward()
            self.optimizer.step()
        return loss.item()
