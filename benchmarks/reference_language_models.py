"""The language models of `lm.py` as one would write them by hand in PyTorch, in the two styles of `reference_models`.

Letters in shapes: B rows, T words, D width, H heads, W width of a head, V words of the vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

WIDTH = 128
NUM_SAMPLES = 512
NUM_LAYERS = 4
NUM_HEADS = 4

LSTMS = ("lm_forward_full", "lm_forward_tied", "lm_forward_sampled", "lm_both_full", "lm_both_sampled")
NAMES = (*LSTMS, "transformer_lm")


class LstmLanguageModel(nn.Module):
    """An LSTM in one direction or both, with one softmax for them.

    Args:
        num_words: size of the vocabulary V.
        softmax: `full`, `tied` or `sampled`.
        is_bidirectional: whether words are predicted from both sides.
        is_plain: the style; see `reference_models`.
    """

    def __init__(self, num_words: int, softmax: str, is_bidirectional: bool, is_plain: bool) -> None:
        super().__init__()
        self.words = nn.Embedding(num_words, WIDTH)
        self.lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True, bidirectional=is_bidirectional)
        self.output = nn.Linear(WIDTH, num_words)
        if softmax == "tied":
            self.output.weight = self.words.weight
        self.is_sampled = softmax == "sampled"
        self.is_bidirectional = is_bidirectional
        self.is_plain = is_plain
        ranks = torch.arange(num_words, dtype=torch.float64)
        self.chances: Tensor
        self.register_buffer("chances", (torch.log1p(1 / (ranks + 1)) / math.log(num_words + 1)).float())

    def forward(self, words: Tensor) -> Tensor:
        """The loss of a batch (B, T)."""
        states = self.states(words)  # (B, T, D), or (B, T, 2 D)
        loss = self.loss(states[:, :-1, :WIDTH], words[:, 1:])
        if not self.is_bidirectional:
            return loss
        return (loss + self.loss(states[:, 1:, WIDTH:], words[:, :-1].masked_fill(words[:, 1:] == 0, 0))) / 2

    def states(self, words: Tensor) -> Tensor:
        """Packed, or over the padding as it is."""
        vectors = self.words(words)
        if not self.is_plain:
            states: Tensor = self.lstm(vectors)[0]
            return states
        lengths = (words > 0).sum(1).cpu()
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        padded: Tensor = pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=words.size(1)
        )[0]
        return padded

    def loss(self, states: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of the targets (B, T) that are no padding, from states (B, T, D)."""
        states, targets = states.flatten(0, 1), targets.flatten()
        if self.is_sampled or not self.is_plain:
            real = targets.nonzero().squeeze(1)
            states, targets = states[real], targets[real]
        if not (self.is_sampled and self.training):
            return functional.cross_entropy(self.output(states), targets, ignore_index=0)
        samples = torch.multinomial(self.chances, min(NUM_SAMPLES, len(self.chances) - 1))
        chosen = torch.cat([targets, samples])
        weight = self.output.weight.index_select(0, chosen)
        bias = self.output.bias.index_select(0, chosen) - (self.chances[chosen] * len(samples)).log()
        count = len(targets)
        right = (states * weight[:count]).sum(1) + bias[:count]
        others = torch.addmm(bias[count:], states, weight[count:].t())
        others = others.masked_fill(targets.unsqueeze(1) == samples, -10000.0)
        return (torch.cat([right.unsqueeze(1), others], dim=1).logsumexp(1) - right).mean()


class TransformerLayer(nn.Module):
    """Pre-norm attention with rotary positions, and SwiGLU."""

    def __init__(self) -> None:
        super().__init__()
        hidden = math.ceil(WIDTH / 3) * 8
        self.norms = nn.ModuleList(nn.RMSNorm(WIDTH) for _ in range(2))
        self.queries_keys_values = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.attention_output = nn.Linear(WIDTH, WIDTH, bias=False)
        self.input = nn.Linear(WIDTH, 2 * hidden, bias=False)
        self.output = nn.Linear(hidden, WIDTH, bias=False)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        """Apply the layer to (B, T, D); the angles are (T, W / 2)."""
        heads = self.queries_keys_values(self.norms[0](x)).unflatten(2, (3, NUM_HEADS, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # (B, H, T, W) each
        query, key = (turned(part, cosines, sines) for part in (query, key))
        attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.attention_output(attended.transpose(1, 2).flatten(2))
        gate, hidden = self.input(self.norms[1](x)).chunk(2, dim=-1)
        result: Tensor = x + self.output(functional.silu(gate) * hidden)
        return result


def turned(vectors: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Vectors (B, H, T, W) of which each half is turned into the other by angles (T, W / 2)."""
    first, second = vectors.chunk(2, dim=-1)
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], dim=-1)


class TransformerLanguageModel(nn.Module):
    """A decoder whose softmax has the vectors of the words.

    Args:
        num_words: size of the vocabulary V.
    """

    def __init__(self, num_words: int) -> None:
        super().__init__()
        self.words = nn.Embedding(num_words, WIDTH)
        self.layers = nn.ModuleList(TransformerLayer() for _ in range(NUM_LAYERS))
        self.norm = nn.RMSNorm(WIDTH)
        self.bias = nn.Parameter(torch.zeros(num_words))
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, words: Tensor, targets: Tensor) -> Tensor:
        """The loss of a batch (B, T) whose rows have no padding."""
        half = WIDTH // NUM_HEADS // 2
        exponents = torch.arange(half, device=words.device) / half
        angles = torch.arange(words.size(1), device=words.device).unsqueeze(1) * 10000.0**-exponents
        cosines, sines = angles.cos(), angles.sin()
        x = self.words(words)
        for layer in self.layers:
            x = layer(x, cosines, sines)
        logits = torch.addmm(self.bias, self.norm(x).flatten(0, 1), self.words.weight.t())
        return functional.cross_entropy(logits, targets.flatten())


def language_model(name: str, num_words: int, is_plain: bool) -> nn.Module:
    """The model of a config of `lm.py`.

    Args:
        name: one of `NAMES`.
        num_words: size of the vocabulary.
        is_plain: the style; the transformer has only one.
    """
    if name == "transformer_lm":
        return TransformerLanguageModel(num_words)
    _, direction, softmax = name.split("_")
    return LstmLanguageModel(num_words, softmax, direction == "both", is_plain)
