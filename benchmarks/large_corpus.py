"""A language model on a corpus that need not fit into memory: peak memory, and words per second of each step on the way.

python benchmarks/large_corpus.py [--gigabytes 1] [--loader running_text] [--output benchmarks/results/large_corpus.md]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from process_memory import PeakMemory
from reporting import parser, publish, table, times

from nlpreg.common.runtime.memory import format_size, peak_cpu_memory

DISTINCT_WORDS = 1_000_000
WORDS_AT_ONCE = 1 << 20
WORDS_IN_A_LINE = 24
LETTERS = "etaoinshrdlucmfwypvbgkjqxz"
BATCH_SIZES = {"running_text": {"batch_size": 2048, "bptt": 20}, "text_lines": {"batch_size": 2048}}
WIDTH = 8
GIGABYTE = 10**9


@dataclass(frozen=True)
class Corpus:
    """A generated text.

    Args:
        path: the file.
        num_words: its number of words.
    """

    path: Path
    num_words: int


@dataclass(frozen=True)
class Run:
    """A process that has ended.

    Args:
        output: what it printed.
        seconds: how long it took.
        peak: its peak memory in bytes, resident pages of mapped files and the processes that it started included.
        mapped: the bytes of mapped files that were resident when most was.
    """

    output: str
    seconds: float
    peak: int
    mapped: int


def spelt(rank: int) -> str:
    """A word of its own for each rank, about as long as words of natural text are."""
    letters = "" if rank < 10 else "re" if rank < 100 else "con"
    rank += 26
    while rank:
        letters += LETTERS[rank % 26]
        rank //= 26
    return letters


def write_corpus(path: Path, num_bytes: int) -> Corpus:
    """Lines of words of which the n-th most frequent occurs in proportion to 1 / n."""
    generator = np.random.default_rng(0)
    words = np.array([spelt(rank) for rank in range(DISTINCT_WORDS)], dtype=object)
    shares = np.cumsum(1 / np.arange(1, DISTINCT_WORDS + 1))
    num_words = size = 0
    with open(path, "w", encoding="ascii") as file:
        while size < num_bytes:
            ranks = np.searchsorted(shares, generator.random(WORDS_AT_ONCE) * shares[-1])
            chosen = words[ranks].tolist()
            rows = (chosen[at : at + WORDS_IN_A_LINE] for at in range(0, len(chosen), WORDS_IN_A_LINE))
            size += file.write("".join(" ".join(row) + "\n" for row in rows))
            num_words += len(chosen)
    return Corpus(path, num_words)


def config(corpus: Path, loader: str) -> dict[str, Any]:
    """A language model so small that its epoch ends soon."""
    is_running = loader == "running_text"
    encoder = {"type": "lstm", "input_size": WIDTH, "hidden_size": WIDTH, "stateful": is_running}
    more = {"targets": True} if is_running else {"shuffle": True, "bucket": True}
    return {
        "dataset_reader": {
            "type": "simple_language_modeling",
            "tokenizer": "whitespace",
            "end_tokens": ["</S>"],
        },
        "train_data_path": str(corpus),
        "vocabulary": {"max_vocab_size": {"tokens": 20_000}},
        "model": {
            "type": "language_model",
            "text_field_embedder": {"token_embedders": {"tokens": {"embedding_dim": WIDTH}}},
            "contextualizer": encoder,
            "num_samples": 32,
        },
        "data_loader": {"type": loader, **BATCH_SIZES[loader], **more},
        "trainer": {"num_epochs": 1, "optimizer": {"type": "adam", "lr": 0.01}},
    }


def data_part(path: Path, loader_name: str) -> dict[str, float]:
    """The seconds of each step before the training; each loader is made as `nlpreg train` makes it."""
    from nlpreg.common import Params
    from nlpreg.data import DataLoader, DatasetReader, Vocabulary

    params = config(path, loader_name)
    start = time.perf_counter()
    with open(path, encoding="utf-8") as file:
        for line in file:
            line.split()
    marks = [start, time.perf_counter()]
    reader = DatasetReader.from_params(Params(params["dataset_reader"]))
    loader: Any = DataLoader.from_params(Params(params["data_loader"]), reader=reader, data_path=str(path))
    loader.corpus  # noqa: B018 - made when it is first asked for
    marks.append(time.perf_counter())
    vocab = Vocabulary.from_instances(loader.iter_instances(), **params["vocabulary"])
    marks.append(time.perf_counter())
    loader.index_with(vocab)
    marks.append(time.perf_counter())
    for _ in loader:
        pass
    marks.append(time.perf_counter())
    names = ("bare", "numbers", "vocabulary", "index", "pass")
    seconds = {name: after - before for name, before, after in zip(names, marks, marks[1:], strict=False)}
    return {**seconds, "peak": peak_cpu_memory()[0]}


def run(command: list[str]) -> Run:
    """Run a process without a cache.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    environment = {**os.environ, "NLPREG_NO_CACHE": "1"}
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with PeakMemory(process.pid) as memory, process.stdout as pipe:
        output = pipe.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output)
    own_peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Run(output, time.perf_counter() - start, max(own_peak, memory.peak.resident), memory.peak.mapped)


def section(corpus: Corpus, loader: str, folder: Path) -> str:
    """The table of one loader."""
    data_command = [sys.executable, __file__, "--part", str(corpus.path), "--loader", loader]
    seconds: dict[str, float] = json.loads(run(data_command).output.splitlines()[-1])
    (folder / "config.json").write_text(json.dumps(config(corpus.path, loader)))
    out = folder / f"out_{loader}"
    train = [
        sys.executable,
        "-m",
        "nlpreg",
        "train",
        str(folder / "config.json"),
        "-s",
        str(out),
        "--no-cache",
    ]
    training = run(train)
    epoch = _seconds_of_training(out)
    steps = [
        ("lines split at white space", seconds["bare"]),
        ("numbering the words, with their counts", seconds["numbers"]),
        ("vocabulary from the counts", seconds["vocabulary"]),
        ("index", seconds["index"]),
        ("a pass over the batches", seconds["pass"]),
        ("an epoch of training", epoch),
        ("the whole of `nlpreg train`", training.seconds),
    ]
    rows = [
        [name, f"{value:.2f} s", f"{corpus.num_words / value / 1e6:.2f} M/s", times(value / seconds["bare"])]
        for name, value in steps
    ]
    rows.append(["peak memory of the data alone", format_size(int(seconds["peak"])), "", ""])
    rows.append(["peak memory of `nlpreg train`", format_size(training.peak), "", ""])
    rows.append(["of which pages of mapped files", format_size(training.mapped), "", ""])
    title = f"{corpus.num_words / 1e6:.1f} million words, {format_size(corpus.path.stat().st_size)}"
    return f"## {loader}\n\n" + table([title, "time", "words", "x lines split"], rows)


def _seconds_of_training(out: Path) -> float:
    hours, minutes, seconds = json.loads((out / "metrics.json").read_text())["training_duration"].split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def main() -> None:
    """Measure and publish, or measure the data alone and print it for the process that asked."""
    options = parser(__doc__)
    options.add_argument("--gigabytes", type=float, default=1.0, help="size of the text, in 10^9 bytes")
    options.add_argument("--loader", choices=sorted(BATCH_SIZES), help="one of the two; both by default")
    options.add_argument(
        "--folder", type=Path, help="where the text and the runs go; a temporary one by default"
    )
    options.add_argument("--part", type=Path, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.part is not None:
        print(json.dumps(data_part(arguments.part, arguments.loader)))
        return
    size = 0.002 if arguments.quick else arguments.gigabytes
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        corpus = write_corpus(folder / "corpus.txt", int(size * GIGABYTE))
        loaders = [arguments.loader] if arguments.loader else sorted(BATCH_SIZES)
        sections = [section(corpus, loader, folder) for loader in loaders]
    publish("A large corpus", sections, arguments)


if __name__ == "__main__":
    main()
