"""Modules against what one would take or write without nlpreg, measured in turn in one run.

python benchmarks/modules.py [--output benchmarks/results/modules.md]
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from functools import partial

import torch
from crf_cases import crf_section
from reporting import milliseconds, parser, publish, seconds_in_turn, table, times
from softmax_memory import measure_in_process
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from nlpreg.modules.sampled_softmax_loss import SampledSoftmaxLoss
from nlpreg.modules.seq2seq_encoders import LstmSeq2SeqEncoder
from nlpreg.modules.seq2vec_encoders import CnnEncoder
from nlpreg.modules.softmax_loss import SoftmaxLoss
from nlpreg.modules.token_embedders import Embedding, TokenCharactersEncoder
from nlpreg.nn.cpu_layers import matrix_product

SECTIONS = ("lstm", "crf", "sampled", "chunked", "characters", "products")


def _training_step(module: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], object]:
    """Forward and backward, from no gradients."""

    def work() -> None:
        module.zero_grad(set_to_none=True)
        torch.autograd.backward(loss())

    return work


def lstm_section(options: argparse.Namespace) -> str:
    """The LSTM encoder against the LSTM inside it, over the padded batch as it is and over a packed one."""
    num_rows, num_steps, width = (2, 3, 4) if options.quick else (32, 50, 200)
    rows = []
    for is_bidirectional in (False, True):
        for kind in ("full", "ragged"):
            torch.manual_seed(0)
            lengths = torch.full((num_rows,), num_steps)
            if kind == "ragged":
                lengths = torch.randint(1, num_steps + 1, (num_rows,))
                lengths[0] = num_steps
            mask = (torch.arange(num_steps) < lengths.unsqueeze(1)).to(options.device)
            encoder = LstmSeq2SeqEncoder(width, width, bidirectional=is_bidirectional).to(options.device)
            inputs = torch.randn(num_rows, num_steps, width, device=options.device)
            works = _lstm_works(encoder, inputs, mask, lengths)
            seconds = seconds_in_turn(works, options.repeats, options.device)
            rows.append(
                [
                    "both" if is_bidirectional else "one",
                    f"{kind}, {int(lengths.sum())} of {num_rows * num_steps} are words",
                    *(milliseconds(seconds[who]) for who in ("nlpreg", "bare", "packed")),
                    times(seconds["bare"] / seconds["nlpreg"]),
                    times(seconds["packed"] / seconds["nlpreg"]),
                ]
            )
    header = ["directions", "lengths", "nlpreg", "bare `nn.LSTM`, padded", "bare `nn.LSTM`, packed"]
    header += ["speed by padded", "speed by packed"]
    title = (
        f"## LSTM encoder, forward + backward: batch {num_rows}, length {num_steps}, width {width} to {width}"
    )
    note = "The bare LSTM over padding gives other numbers for the backward direction of ragged batches."
    return f"{title}\n\n{note}\n\n{table(header, rows)}"


def _lstm_works(
    encoder: LstmSeq2SeqEncoder, inputs: Tensor, mask: Tensor, lengths: Tensor
) -> dict[str, Callable[[], object]]:
    module = encoder._module

    def packed() -> Tensor:
        sequence = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        padded: Tensor = pad_packed_sequence(module(sequence)[0], batch_first=True)[0]
        return padded.sum()

    return {
        "nlpreg": _training_step(encoder, lambda: encoder(inputs, mask).sum()),
        "bare": _training_step(encoder, lambda: module(inputs)[0].sum()),
        "packed": _training_step(encoder, packed),
    }


def sampled_section(options: argparse.Namespace) -> str:
    """The sampled softmax against the full one, as nlpreg and as torch compute it."""
    num_words, width, num_targets, num_samples = (
        (50, 8, 6, 10) if options.quick else (100_000, 512, 2048, 8192)
    )
    torch.manual_seed(0)
    states = torch.randn(num_targets, width, device=options.device, requires_grad=True)
    # Word k with a chance in proportion to 1 / (k + 1), roughly as in text.
    targets = (torch.rand(num_targets) * torch.tensor(num_words).log()).exp().long().clamp(max=num_words - 1)
    targets = targets.to(options.device)
    losses: dict[str, nn.Module] = {
        "sampled, dense gradient": SampledSoftmaxLoss(num_words, width, num_samples),
        "sampled, sparse gradient": SampledSoftmaxLoss(num_words, width, num_samples, sparse=True),
        "full, nlpreg in chunks": SoftmaxLoss(num_words, width),
        "full, `cross_entropy(linear)`": _PlainSoftmax(num_words, width),
    }
    works = {
        name: _training_step(loss.to(options.device), partial(loss, states, targets))
        for name, loss in losses.items()
    }
    seconds = seconds_in_turn(works, max(1, options.repeats // 3), options.device)
    full = seconds["full, nlpreg in chunks"]
    rows = [[name, milliseconds(taken), times(full / taken)] for name, taken in seconds.items()]
    title = (
        f"## Softmax over {num_words:,} words, forward + backward: width {width}, {num_targets:,} targets, "
        f"{num_samples:,} samples"
    )
    return f"{title}\n\n{table(['softmax', 'time', 'times as fast as nlpreg, full'], rows)}"


class _PlainSoftmax(nn.Module):
    """The same loss with all logits at once."""

    def __init__(self, num_words: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, num_words)

    def forward(self, states: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(self.linear(states), targets, reduction="sum")


def chunked_section(options: argparse.Namespace) -> str:
    """Memory and time of the full softmax, in chunks and plain.

    The plain one holds logits, log-probabilities and gradient of all inputs at once, so it is measured with a part of
    the inputs, twice, and what it would need for all is extrapolated from these.
    """
    num_inputs, num_classes, width = (64, 100, 8) if options.quick else (16_384, 200_000, 128)
    sizes = [("plain", num_inputs // 16), ("plain", num_inputs // 8), ("chunked", num_inputs // 8)]
    measured = {
        (kind, count): measure_in_process(kind, count, num_classes, width, options.device, options.threads)
        for kind, count in [*sizes, ("chunked", num_inputs)]
    }
    small, large = (measured[size] for size in sizes[:2])
    # A line through the two: from n / 16 to n / 8 and from there to n is one to fourteen.
    for_all = {name: large[name] + 14 * (large[name] - small[name]) for name in small}
    lines = [(kind, count, result) for (kind, count), result in measured.items()]
    lines.insert(2, ("plain, not measured: on the line through these", num_inputs, for_all))
    rows = [
        [kind, f"{count:,}", f"{result['seconds']:.2f} s", f"{result['mebibytes'] / 1024:.2f} GiB"]
        for kind, count, result in lines
    ]
    title = f"## Full softmax in chunks, forward + backward: {num_classes:,} classes, width {width}, float32"
    note = (
        "Peak memory over that of inputs, weights and libraries, one process each. All logits of the plain one would "
        f"take {num_inputs * num_classes * 4 / 2**30:.1f} GiB, and again as much each the log-probabilities and the "
        "gradient of either, so it is measured with a part of the inputs."
    )
    return f"{title}\n\n{note}\n\n{table(['softmax', 'inputs', 'time', 'peak memory'], rows)}"


def characters_section(options: argparse.Namespace) -> str:
    """The character encoder on the distinct words of a batch against the same over every token."""
    num_rows, num_steps, lexicon = (2, 4, 5) if options.quick else (32, 40, 15_000)
    characters = _batch_of_characters(num_rows, num_steps, lexicon).to(options.device)
    torch.manual_seed(0)
    embedder = TokenCharactersEncoder(
        Embedding(embedding_dim=25, num_embeddings=100), CnnEncoder(25, 50, (3,))
    ).to(options.device)

    def token_by_token() -> Tensor:
        encoded: Tensor = embedder._encode(characters.flatten(0, 1))
        return encoded.sum()

    works = {
        "distinct": _training_step(embedder, lambda: embedder(characters).sum()),
        "tokens": _training_step(embedder, token_by_token),
    }
    seconds = seconds_in_turn(works, options.repeats, options.device)
    words = characters.flatten(0, 1)
    num_words = int((words[:, 0] > 0).sum())
    num_distinct = len(torch.unique(words, dim=0))
    title = (
        f"## Character encoder, forward + backward: batch {num_rows}, length {num_steps}, {num_words} words of which "
        f"{num_distinct} are distinct, up to {words.size(1)} characters, 25 wide, 50 filters of width 3"
    )
    ratio = times(seconds["tokens"] / seconds["distinct"])
    row = [milliseconds(seconds["distinct"]), milliseconds(seconds["tokens"]), ratio]
    return f"{title}\n\n{table(['distinct words', 'token by token', 'times as fast'], [row])}"


def _batch_of_characters(num_rows: int, num_steps: int, lexicon: int) -> Tensor:
    """Sentences of 3 to all steps, of words whose frequency falls as in text: (B, T, 20)."""
    draw = random.Random(0)
    words = [[draw.randint(1, 99) for _ in range(draw.randint(1, 20))] for _ in range(lexicon)]
    chances = [1 / rank for rank in range(1, lexicon + 1)]
    batch = torch.zeros(num_rows, num_steps, 20, dtype=torch.long)
    for row in batch:
        for token, word in zip(row, draw.choices(words, chances, k=draw.randint(3, num_steps)), strict=False):
            token[: len(word)] = torch.tensor(word)
    return batch


def products_section(options: argparse.Namespace) -> str:
    """Products of a softmax's inputs and weights by the library that `nlpreg.nn.cpu_layers` chooses, against torch's choice."""
    sizes = [(64, 8, 16)] if options.quick else [(704, 400, 10000), (1024, 256, 33278), (512, 512, 100000)]
    rows = []
    for num_rows, width, outputs in sizes:
        torch.manual_seed(0)
        inputs = torch.randn(num_rows, width, device=options.device)
        weights = torch.randn(outputs, width, device=options.device).t()
        works = {
            "plain": partial(torch.mm, inputs, weights),
            "chosen": partial(matrix_product, inputs, weights),
        }
        seconds = seconds_in_turn(works, options.repeats, options.device)
        rows.append(
            [
                f"{num_rows} x {width} x {outputs}",
                milliseconds(seconds["chosen"]),
                milliseconds(seconds["plain"]),
                times(seconds["plain"] / seconds["chosen"]),
            ]
        )
    headings = ["rows x width x words", "`matrix_product`", "`torch.mm`", "times as fast"]
    return f"## Products of matrices in softmax losses, float32\n\n{table(headings, rows)}"


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line says."""
    options_parser = parser(__doc__)
    options_parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    options_parser.add_argument("--repeats", type=int, help="rounds of each measurement (default 21)")
    options = options_parser.parse_args(arguments)
    options.repeats = options.repeats or (1 if options.quick else 21)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    make: dict[str, Callable[[], str]] = {
        "lstm": lambda: lstm_section(options),
        "crf": lambda: crf_section(options.quick, options.repeats, options.device),
        "sampled": lambda: sampled_section(options),
        "chunked": lambda: chunked_section(options),
        "characters": lambda: characters_section(options),
        "products": lambda: products_section(options),
    }
    publish("Modules", [make[name]() for name in options.sections], options)


if __name__ == "__main__":
    main()
