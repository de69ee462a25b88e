"""Reading, indexing and batching, as multiples of splitting the lines of the same file; each part in a process of its own.

python benchmarks/data.py ../shared/data/ud_english_ewt/train.conllu [--output benchmarks/results/data.md]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from reporting import parser, publish, table, times

from nlpreg.common.runtime.memory import format_size, peak_cpu_memory
from nlpreg.data import DatasetReader, Vocabulary
from nlpreg.data.data_loaders import MultiProcessDataLoader, TextLinesDataLoader
from nlpreg.data.dataset_readers import (
    ConlluDatasetReader,
    SequenceTaggingDatasetReader,
    SimpleLanguageModelingDatasetReader,
)
from nlpreg.data.id_corpus.corpus_cache import NO_CACHE_VARIABLE
from nlpreg.data.token_indexers import SingleIdTokenIndexer, TokenCharactersIndexer
from nlpreg.data.tokenizers import WhitespaceTokenizer

BATCH_SIZE = 32
STREAMED_INSTANCES = 2048
DISTINCT_WORDS = 100_000
LONGEST_LINE = 24
WORDS_AT_ONCE = 24_000

Seconds = dict[str, float]


def tagger_reader(path: Path) -> DatasetReader:
    """The reader of a tagged file, with the indexers of a tagger of words and characters."""
    indexers = {"tokens": SingleIdTokenIndexer(), "characters": TokenCharactersIndexer(min_padding_length=3)}
    kind = ConlluDatasetReader if path.suffix == ".conllu" else SequenceTaggingDatasetReader
    return kind(token_indexers=indexers)


def timed(seconds: Seconds, name: str, work: Callable[[], Any]) -> Any:
    """The result of `work`, the time of which is added to `seconds`."""
    start = time.perf_counter()
    result = work()
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start
    return result


def exhaust(items: Iterable[Any]) -> None:
    """Take all items and keep none."""
    for _ in items:
        pass


def split_lines(path: Path) -> None:
    """What any reader must do at least."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            line.split("\t")


def tagger_part(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Everything before the first step of a tagger, and a pass over the batches."""
    rounds = [_tagger_round(path) for _ in range(options.repeats)]
    first = rounds[0]
    return {
        "seconds": {name: statistics.median(one[name] for one in rounds) for name in first},
        "first": sum(first[name] for name in ("read", "vocabulary", "index")),
        "peak": peak_cpu_memory()[0],
    }


def _tagger_round(path: Path) -> Seconds:
    seconds: Seconds = {}
    timed(seconds, "bare", lambda: split_lines(path))
    loader = timed(
        seconds,
        "read",
        lambda: MultiProcessDataLoader(
            tagger_reader(path), str(path), batch_size=BATCH_SIZE, shuffle=True, quiet=True
        ),
    )
    vocab = timed(seconds, "vocabulary", lambda: Vocabulary.from_instances(loader.iter_instances()))
    timed(seconds, "index", lambda: loader.index_with(vocab))
    timed(seconds, "pass", lambda: exhaust(loader))
    return seconds


def corpus_part(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """A language model's corpus by way of its file of ids: making it, a pass, and the start of a second run."""
    seconds: Seconds = {}
    timed(seconds, "bare", lambda: split_lines(path))
    timed(seconds, "first", lambda: _corpus_loader(path))
    loader = timed(seconds, "second", lambda: _corpus_loader(path))
    timed(seconds, "pass", lambda: exhaust(loader))
    return {"seconds": seconds, "peak": peak_cpu_memory()[0]}


def _corpus_loader(path: Path) -> TextLinesDataLoader:
    reader = SimpleLanguageModelingDatasetReader(WhitespaceTokenizer())
    loader = TextLinesDataLoader(reader, str(path), batch_size=BATCH_SIZE, shuffle=True, bucket=True)
    loader.index_with(Vocabulary.from_instances(loader.iter_instances()))
    return loader


def step_of(seconds: float) -> Callable[[], None]:
    """A piece of work for the processor, outside of Python, that takes about so long."""
    matrix = torch.randn(128, 128)
    start = time.perf_counter()
    for _ in range(200):
        matrix @ matrix
    repeats = max(1, round(seconds * 200 / (time.perf_counter() - start)))

    def step() -> None:
        for _ in range(repeats):
            matrix @ matrix

    return step


def workers_part(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Epochs of in-memory and streaming loaders with 0 and 1 workers, the step taking as long as a batch does."""
    torch.set_num_threads(1)
    vocab = Vocabulary.from_instances(tagger_reader(path).read(str(path)))
    seconds: dict[str, list[float]] = {}
    for kind, limit in (("in memory", None), ("streamed", STREAMED_INSTANCES)):
        loaders = {}
        for num_workers in (0, 1):
            loaders[num_workers] = MultiProcessDataLoader(
                tagger_reader(path),
                str(path),
                batch_size=BATCH_SIZE,
                quiet=True,
                num_workers=num_workers,
                max_instances_in_memory=limit,
            )
            loaders[num_workers].index_with(vocab)
        start = time.perf_counter()
        num_batches = sum(1 for _ in loaders[0])
        step = step_of((time.perf_counter() - start) / num_batches)
        for _ in range(options.repeats):
            for num_workers, loader in loaders.items():
                start = time.perf_counter()
                for _ in loader:
                    step()
                seconds.setdefault(f"{kind} {num_workers}", []).append(time.perf_counter() - start)
    return {name: statistics.median(all_seconds) for name, all_seconds in seconds.items()}


PARTS = {"tagger": tagger_part, "corpus": corpus_part, "workers": workers_part}


def in_process(
    part: str, path: Path, options: argparse.Namespace, cache: Path | None = None
) -> dict[str, Any]:
    """The result of a part, made by a process of its own, so that its memory is its own."""
    environment = dict(os.environ, NLPREG_CACHE_ROOT=str(cache)) if cache else dict(os.environ)
    environment.pop(NO_CACHE_VARIABLE, None)
    if cache is None:
        environment[NO_CACHE_VARIABLE] = "1"
    command = [sys.executable, __file__, str(path), "--part", part, "--repeats", str(options.repeats)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def write_corpus(path: Path, num_tokens: int) -> None:
    """Lines of words that are as frequent as in natural text: the n-th word in proportion to 1 / n."""
    generator = random.Random(0)
    weights = [1 / rank for rank in range(1, DISTINCT_WORDS + 1)]
    words = [f"w{rank}" for rank in range(DISTINCT_WORDS)]
    with open(path, "w", encoding="utf-8") as file:
        for start in range(0, num_tokens, WORDS_AT_ONCE):
            chosen = iter(generator.choices(words, weights, k=min(WORDS_AT_ONCE, num_tokens - start)))
            while line := list(islice(chosen, generator.randint(1, LONGEST_LINE))):
                file.write(" ".join(line) + "\n")


def tagger_section(options: argparse.Namespace) -> str:
    """The table of a tagger's data."""
    result = in_process("tagger", options.path, options)
    seconds, bare = result["seconds"], result["seconds"]["bare"]
    together = seconds["read"] + seconds["vocabulary"] + seconds["index"]
    rows = [
        [name, f"{value:.3f} s", times(value / bare)]
        for name, value in [
            ("lines split at tabs", bare),
            ("read", seconds["read"]),
            ("vocabulary", seconds["vocabulary"]),
            ("index", seconds["index"]),
            ("read + vocabulary + index", together),
            ("the same, first time in the process", result["first"]),
            (f"a pass of batches of {BATCH_SIZE}", seconds["pass"]),
        ]
    ]
    rows.append(["peak memory, with PyTorch", format_size(result["peak"]), ""])
    return "## A tagger's data\n\n" + table([options.path.name, "time", "x lines split"], rows)


def workers_section(options: argparse.Namespace) -> str:
    """The table of loaders with and without a worker."""
    result = in_process("workers", options.path, options)
    rows = [
        [kind, f"{without:.2f} s", f"{with_one:.2f} s", times(without / with_one)]
        for kind in ("in memory", "streamed")
        for without, with_one in [(result[f"{kind} 0"], result[f"{kind} 1"])]
    ]
    header = ["an epoch whose steps take as long as its batches", "no worker", "one worker", "speed-up"]
    return "## Workers\n\n" + table(header, rows)


def corpus_section(options: argparse.Namespace, folder: Path) -> str:
    """The table of a generated corpus that is read by way of a file of ids."""
    path = folder / "corpus.txt"
    write_corpus(path, options.tokens)
    with open(path, encoding="utf-8") as file:
        num_tokens = sum(len(line.split()) for line in file)
    result = in_process("corpus", path, options, cache=folder / "cache")
    seconds, bare = result["seconds"], result["seconds"]["bare"]
    names = {
        "bare": "lines split at tabs",
        "first": "read + vocabulary + index",
        "second": "the same, second run",
        "pass": f"a pass of batches of {BATCH_SIZE}",
    }
    rows = [
        [
            text,
            f"{seconds[name]:.2f} s",
            f"{num_tokens / seconds[name] / 1e6:.1f} M/s",
            times(seconds[name] / bare),
        ]
        for name, text in names.items()
    ]
    rows.append(["peak memory, with PyTorch", format_size(result["peak"]), "", ""])
    title = f"{num_tokens / 1e6:.1f} million words, {format_size(path.stat().st_size)}"
    return "## A language model's corpus\n\n" + table([title, "time", "words", "x lines split"], rows)


def main() -> None:
    """Measure and publish, or measure one part and print it for the process that asked."""
    options = parser(__doc__)
    options.add_argument("path", type=Path, help="a tagged file: .conllu, or lines of word###TAG")
    options.add_argument(
        "--tokens", type=int, default=20_000_000, help="size of the generated corpus, in words"
    )
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--part", choices=sorted(PARTS), help=argparse.SUPPRESS)
    arguments = options.parse_args()
    if arguments.part:
        print(json.dumps(PARTS[arguments.part](arguments.path, arguments)))
        return
    if arguments.quick:
        arguments.tokens, arguments.repeats = 200_000, 1
    with tempfile.TemporaryDirectory() as folder:
        sections = [
            tagger_section(arguments),
            workers_section(arguments),
            corpus_section(arguments, Path(folder)),
        ]
    publish("Data", sections, arguments)


if __name__ == "__main__":
    main()
